/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp_running.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "../dataplane/plane/capabilities.h"
#include "../dataplane/plane/interface.h"
#include "../dataplane/plane/keyfile.h"
#include "../dataplane/plane/log.h"
#include "../dataplane/plane/process.h"
#include "xdp_port.h"
#include "xdp_preflight.h"

static int
libbpf_line(enum libbpf_print_level level, const char *format, va_list arguments)
{
	static const int levels[] = {
		[LIBBPF_WARN] = LOG_WARNING, [LIBBPF_INFO] = LOG_INFO, [LIBBPF_DEBUG] = LOG_DEBUG
	};

	if (level != LIBBPF_DEBUG || log_level() >= LOG_DEBUG)
		log_library_format(levels[level], format, arguments);
	return 0;
}

/** What this start made goes; what it found stays. */
static void
withdraw(struct xdp_running *running)
{
	struct xdp_pins_removed removed = { 0, 0 };
	struct failure ignored;
	char name[PIN_NAME_BYTES_MAX];

	if (running->is_new)
		(void)xdp_pins_remove(&running->pins, &removed, &ignored);
	for (uint32_t i = 0; i < running->config->port_count && !running->is_new; i++) {
		if (!running->is_attached[i])
			continue;
		xdp_port_link_name(&running->config->ports[i], name);
		(void)xdp_port_detach(&running->pins, name, &ignored);
	}
}

/** Open the pin directory and see what is there. @return 0; -1. */
static int
open_pins(struct xdp_running *running, struct failure *failure)
{
	const struct plane_file *file = &running->config->file;
	struct xdp_pins_removed removed = { 0, 0 };
	char foreign[PIN_NAME_BYTES_MAX];

	if (pin_directory_open(file->pin_dir, file->name, &running->pins, failure) < 0)
		return -1;
	switch (xdp_pins_look(&running->pins, foreign)) {
	case XDP_PINS_WHOLE:
		running->program.is_adopted = true;
		return 0;
	case XDP_PINS_NONE:
		running->is_new = true;
		return xdp_pins_remove_maps(&running->pins, &removed, failure);
	case XDP_PINS_UNREAD:
		return failure_set(failure, EXIT_UNAVAILABLE, "%s cannot be read: %s",
				   running->pins.path, strerror(errno));
	case XDP_PINS_NO_MARK:
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"%s has pinned programs, but no \"" XDP_PINS_MARK
			"\" that says what their tables are: somebody removed it; run "
			"fairlead-xdp --detach with this configuration, which ends their "
			"forwarding",
			running->pins.path);
	default:
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "%s is not an XDP plane's: it has \"%s\"; is a plane of another "
				   "kind named \"%s\" too? set another \"name\"",
				   running->pins.path, foreign, file->name);
	}
}

/* --- starting --- */

static int
describe_port(const struct xdp_config_port *config, uint32_t ifindex, struct plane_port *ret_port,
	      struct failure *failure)
{
	*ret_port = (struct plane_port){
		.ifindex = ifindex,
		.mtu = (uint16_t)interface_mtu(config->interface),
	};
	memcpy(ret_port->name, config->common.name, sizeof ret_port->name);
	if (interface_mac(config->interface, ret_port->mac) == 0)
		return 0;
	return failure_set(failure, EXIT_UNAVAILABLE, "port %s: interface %s went away",
			   config->common.name, config->interface);
}

/** For plane_options. Redirection first: packets may come as soon as the program is attached. */
static int
port_returned(void *user, uint32_t port, uint32_t ifindex)
{
	struct xdp_running *running = user;
	const struct xdp_config_port *config = &running->config->ports[port];
	struct failure failure;

	if (if_nametoindex(config->interface) != ifindex)
		return -1; /* gone again, or renamed: the file's name counts */
	running->engine.ifindex[port] = ifindex;
	if (xdp_engine_set_port(&running->engine, &running->program, port, &failure) < 0 ||
	    xdp_port_attach(&running->pins, config, xdp_program_fd(&running->program), &failure) ==
		    XDP_PORT_FAILED) {
		log_message(LOG_ERR, "%s", failure.message);
		return -1;
	}
	running->plane_ports[port].ifindex = ifindex;
	return 0;
}

static int
open_plane(struct xdp_running *running, struct failure *failure)
{
	const struct xdp_config_file *config = running->config;
	struct plane_options options = process_plane_options(&config->file);
	struct plane_failure why = { "" };
	int r;

	for (uint32_t i = 0; i < config->port_count; i++) {
		if (describe_port(&config->ports[i], running->engine.ifindex[i],
				  &running->plane_ports[i], failure) < 0)
			return -1;
	}
	options.kind = "xdp";
	options.tables = &running->engine.tables;
	options.adopt = running->program.is_adopted;
	options.ports = running->plane_ports;
	options.port_count = config->port_count;
	options.port_returned = port_returned;
	options.port_user = running;
	options.engine = xdp_engine_functions(&running->engine);
	r = plane_create(&options, &running->plane, &why);
	if (r == -EBADMSG)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "the tables in %s cannot be taken over: %s; run fairlead-xdp "
				   "--detach with this configuration, which ends forwarding until "
				   "the next start",
				   running->pins.path, why.message);
	return r < 0 ? process_plane_failed(r, &why, failure) : 0;
}

static int
attach_ports(struct xdp_running *running, struct failure *failure)
{
	const struct xdp_config_file *config = running->config;
	struct xdp_pins_removed stale = { 0, 0 };

	for (uint32_t i = 0; i < config->port_count; i++) {
		enum xdp_port_fate fate =
			xdp_port_attach(&running->pins, &config->ports[i],
					xdp_program_fd(&running->program), failure);

		if (fate == XDP_PORT_FAILED)
			return -1;
		running->is_attached[i] = fate == XDP_PORT_ATTACHED;
	}
	if (xdp_pins_remove_links(&running->pins, config, &stale, failure) < 0)
		return -1;
	if (stale.links > 0)
		log_message(LOG_NOTICE, "%u port%s no longer configured: detached", stale.links,
			    stale.links == 1 ? " is" : "s are");
	return 0;
}

static int
start(struct xdp_running *running, struct failure *failure)
{
	const struct xdp_config_file *config = running->config;
	const struct plane_file *file = &config->file;
	const struct xdp_engine_parts parts = { &running->program, config, &running->key };

	if (capabilities_lock(failure) < 0 || xdp_preflight(config, failure) < 0 ||
	    keyfile_read(file->key_file, &running->key, failure) < 0 ||
	    open_pins(running, failure) < 0 ||
	    xdp_program_load(&running->program, config, &running->pins, failure) < 0)
		return -1;
	if (xdp_engine_open(&running->engine, &parts, failure) < 0 ||
	    xdp_program_pin(&running->program, &running->pins, failure) < 0 ||
	    open_plane(running, failure) < 0 || attach_ports(running, failure) < 0)
		return -1;
	xdp_privileges_reduce();
	return 0;
}

int
xdp_running_start(struct xdp_running *running, const struct xdp_config_file *config,
		  struct failure *failure)
{
	int r;

	*running = (struct xdp_running){ .config = config, .pins = { .lock = -1 } };
	(void)libbpf_set_print(libbpf_line);
	log_hold(true);
	r = start(running, failure);
	if (r < 0) {
		withdraw(running);
		xdp_running_stop(running);
	}
	log_hold(false);
	explicit_bzero(&running->key, sizeof running->key);
	if (r < 0)
		return -1;
	log_message(LOG_NOTICE, "plane %s serves %s: %u port%s, %s", config->file.name,
		    config->file.socket_path, config->port_count, LOG_PLURAL(config->port_count),
		    running->program.is_adopted ? "over the tables of an earlier process"
						: "new tables");
	return 0;
}

static void
note_signal(void *user)
{
	*(bool *)user = true;
}

int
xdp_running_serve(struct xdp_running *running, int signals, struct failure *failure)
{
	bool stop = false;
	int r = plane_watch(running->plane, signals, note_signal, &stop);

	while (r == 0 && !stop)
		r = plane_turn(running->plane, -1);
	if (r < 0)
		return failure_set(failure, EXIT_INTERNAL, "the main loop failed: %s",
				   strerror(-r));
	return 0;
}

void
xdp_running_stop(struct xdp_running *running)
{
	plane_destroy(running->plane);
	running->plane = NULL;
	xdp_engine_close(&running->engine);
	xdp_program_close(&running->program);
	pin_directory_close(&running->pins);
}

int
xdp_running_detach(const struct xdp_config_file *config, struct failure *failure)
{
	const struct plane_file *file = &config->file;
	struct xdp_pins_removed removed = { 0, 0 };
	char foreign[PIN_NAME_BYTES_MAX];
	struct pin_directory pins;
	int r = pin_directory_find(file->pin_dir, file->name, &pins, failure);

	if (r < 0)
		return -1;
	if (r == 0) {
		(void)printf("plane %s: nothing is there to remove\n", file->name);
		return 0;
	}
	(void)libbpf_set_print(libbpf_line);
	log_hold(true);
	if (xdp_pins_look(&pins, foreign) == XDP_PINS_FOREIGN)
		r = failure_set(failure, EXIT_UNAVAILABLE,
				"%s is not an XDP plane's: it has \"%s\"; nothing was removed",
				pins.path, foreign);
	else
		r = xdp_pins_remove(&pins, &removed, failure);
	log_hold(false);
	if (r == 0)
		(void)printf("plane %s: taken off %u interface%s; %u map%s and %s removed\n",
			     file->name, removed.links, LOG_PLURAL(removed.links), removed.maps,
			     LOG_PLURAL(removed.maps), pins.path);
	pin_directory_close(&pins);
	return r;
}
