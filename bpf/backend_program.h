/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * The two programs of backend.bpf.c in the kernel: load, fill, pin, read counters.
 *
 * Pins of one setup are in PIN_DIR/<interface>: decap, mss, counters. The directory is this user's,
 * mode 0700. The counters live on when a setup is changed; the other maps are made new with each
 * load, so that a packet sees the old set of VIPs and balancers or the new one, never a half.
 */
#ifndef BACKEND_PROGRAM_H
#define BACKEND_PROGRAM_H

#include "backend_state.h"

struct backend_programs; /* loaded, not attached */

/**
 * The largest MSS that a VIP may announce: what is left of @p setup's MTU after the outer header
 * (20 bytes when every allowed balancer is IPv4, else 40), the 8 of UDP, the inner header and TCP's
 * 20. UDP counts whatever the mode of the VIP, which only the balancers know and may change.
 */
uint32_t backend_mss_max(const struct backend_setup *setup, bool is_ipv6);

/** From now on libbpf's complaints are kept for backend_libbpf_words() instead of printed. */
void backend_libbpf_listen(void);

/** "; " and libbpf's first complaint since backend_libbpf_listen(), or "". Borrowed. */
const char *backend_libbpf_words(void);

/**
 * Check that pins can be made: the directory is on a bpffs, or can be made on one.
 *
 * @param ret_missing it is not there yet: backend_pin_dir_make().
 * @return 0; -ENOTSUP: not on a bpffs; -EACCES: others may write there; or -errno; reported.
 */
int backend_pin_dir_check(const char *pin_dir, bool *ret_missing, struct backend_report *report);

/** Make it, mode 0700; fine when it is there. @return 0 or -errno, reported. */
int backend_pin_dir_make(const char *pin_dir, struct backend_report *report);

/**
 * Load the programs for @p setup.
 *
 * @param ret_programs set on success only; backend_programs_destroy().
 * @return 0 or -errno, reported with the kernel's or libbpf's own words.
 */
int backend_programs_load(const char *pin_dir, const struct backend_setup *setup,
			  struct backend_programs **ret_programs, struct backend_report *report);

/** NULL is fine. What is attached or pinned stays. */
void backend_programs_destroy(struct backend_programs *programs);

/** Descriptor of the program for a hook; borrowed. */
int backend_programs_fd(const struct backend_programs *programs, bool egress);

/** Pin in place of what is pinned for the interface @p name. @return 0 or -errno, reported. */
int backend_programs_pin(const struct backend_programs *programs, const char *pin_dir,
			 const char *name, struct backend_report *report);

/** Remove the pins of the interface @p name; fine when there are none. @return 0 or -errno,
 * reported. */
int backend_programs_unpin(const char *pin_dir, const char *name, struct backend_report *report);

/**
 * Open the pinned program of a hook.
 * @return a descriptor that the caller closes; -ENOENT: not pinned; -errno.
 */
int backend_pinned_open(const char *pin_dir, const char *name, bool egress);

/** Sum the pinned counters over the CPUs. @return 0; -ENOENT: not pinned; -errno. */
int backend_counters_read(const char *pin_dir, const char *name,
			  struct backend_count ret_counts[BACKEND_COUNTERS]);

#endif
