/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that ip(8) attached hangs on the interface itself; one that a bpf_link attached goes
 * with that link alone, and is a Fairlead plane's where the link is pinned in its directory.
 */
#include "xdp_occupant.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

enum {
	LINKS_MAX = 65536, /* of the machine that are looked at */
	COMMAND_BYTES_MAX = 240,
};

struct occupant {
	uint32_t ifindex, program_id;
	char program_name[BPF_OBJ_NAME_LEN]; /* "": not to be had */
	const char *mode;		     /* "native" */
	const char *off;		     /* of ip(8) */
	uint32_t link_id;		     /* 0: no bpf_link holds it */
	bool links_unknown;		     /* the process may not look at them */
};

/* A walk over the directories of planes. */
struct search {
	const struct occupant *occupant;
	struct pin_directory parent, plane;
	bool found;
	char name[PIN_NAME_BYTES_MAX]; /* of the plane that has it */
};

uint32_t
xdp_occupant_program(uint32_t ifindex, struct bpf_xdp_query_opts *ret_query)
{
	memset(ret_query, 0, sizeof *ret_query); /* libbpf looks at the padding too */
	ret_query->sz = sizeof *ret_query;
	if (ifindex == 0 || bpf_xdp_query((int)ifindex, 0, ret_query) < 0)
		return 0;
	return ret_query->drv_prog_id != 0   ? ret_query->drv_prog_id
	       : ret_query->skb_prog_id != 0 ? ret_query->skb_prog_id
	       : ret_query->hw_prog_id != 0  ? ret_query->hw_prog_id
					     : ret_query->prog_id;
}

static void
name_mode(const struct bpf_xdp_query_opts *query, struct occupant *occupant)
{
	occupant->mode = query->skb_prog_id != 0  ? "generic"
			 : query->hw_prog_id != 0 ? "offloaded"
						  : "native";
	occupant->off = query->skb_prog_id != 0	 ? "xdpgeneric off"
			: query->hw_prog_id != 0 ? "xdpoffload off"
						 : "xdpdrv off";
}

/** Its name, where the process may ask for it. */
static void
name_program(struct occupant *occupant)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof info;
	int program = bpf_prog_get_fd_by_id(occupant->program_id);

	if (program < 0)
		return;
	if (bpf_obj_get_info_by_fd(program, &info, &size) == 0)
		(void)snprintf(occupant->program_name, sizeof occupant->program_name, "%s",
			       info.name);
	(void)close(program);
}

/** Does this link hold the program on the interface? Closes @p link. @return its id; 0: no. */
static uint32_t
link_of(int link, const struct occupant *occupant)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof info;
	bool holds = bpf_obj_get_info_by_fd(link, &info, &size) == 0 &&
		     info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == occupant->ifindex &&
		     info.prog_id == occupant->program_id;

	(void)close(link);
	return holds ? info.id : 0;
}

static void
find_link(struct occupant *occupant)
{
	uint32_t id = 0;

	for (uint32_t i = 0; i < LINKS_MAX && occupant->link_id == 0; i++) {
		int link;

		if (bpf_link_get_next_id(id, &id) < 0) {
			occupant->links_unknown = errno != ENOENT; /* ENOENT: that was the last */
			return;
		}
		link = bpf_link_get_fd_by_id(id);
		if (link >= 0)
			occupant->link_id = link_of(link, occupant);
	}
}

/* --- planes --- */

static void
look_at_pin(void *user, const char *entry)
{
	struct search *search = user;
	char path[PIN_PATH_BYTES_MAX];
	int link;

	if (search->found || strncmp(entry, "link_", 5) != 0)
		return;
	pin_directory_entry(&search->plane, entry, path);
	link = bpf_obj_get(path);
	search->found = link >= 0 && link_of(link, search->occupant) != 0;
}

static void
look_at_plane(void *user, const char *entry)
{
	struct search *search = user;
	size_t size = 0;

	if (search->found)
		return;
	search->plane.lock = -1;
	pin_directory_entry(&search->parent, entry, search->plane.path);
	(void)pin_directory_walk(&search->plane, look_at_pin, search);
	/* a dot is written %2e; nothing else of a plane's name is escaped */
	while (search->found && *entry != '\0' && size + 1 < sizeof search->name) {
		bool is_dot = strncmp(entry, "%2e", 3) == 0;

		search->name[size++] = is_dot ? '.' : *entry;
		entry += is_dot ? 3 : 1;
	}
	search->name[size] = '\0';
}

/** Look for the plane whose pinned link it is, beside @p pins. */
static void
find_plane(const struct pin_directory *pins, struct search *search)
{
	char *slash;

	search->parent = (struct pin_directory){ .lock = -1 };
	(void)snprintf(search->parent.path, sizeof search->parent.path, "%s", pins->path);
	slash = strrchr(search->parent.path, '/');
	if (slash == NULL)
		return;
	*slash = '\0';
	(void)pin_directory_walk(&search->parent, look_at_plane, search);
}

/* --- saying it --- */

/** One of Fairlead's. @return -1; 0: it is not. */
static int
explain_plane(const struct xdp_config_port *port, const struct occupant *occupant,
	      const struct pin_directory *pins, struct failure *failure)
{
	struct search search = { .occupant = occupant };

	find_plane(pins, &search);
	if (search.found && strcmp(search.plane.path, pins->path) == 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: this plane serves interface %s by a port of another "
				   "name; give the port that name back, or run fairlead-xdp "
				   "--detach with this configuration, which ends forwarding until "
				   "the next start",
				   port->common.name, port->interface);
	if (search.found)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: interface %s is served by the plane \"%s\"; stop that "
				   "plane with fairlead-xdp --detach and its configuration, or "
				   "give the port another interface",
				   port->common.name, port->interface, search.name);
	if (strcmp(occupant->program_name, "fairlead_xdp") == 0)
		return failure_set(
			failure, EXIT_UNAVAILABLE,
			"port %s: interface %s is served by another Fairlead plane "
			"(program id %u, %s); stop that plane with fairlead-xdp --detach "
			"and its configuration, or give the port another interface",
			port->common.name, port->interface, occupant->program_id, occupant->mode);
	if (strcmp(occupant->program_name, "fl_steer") == 0)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %s: interface %s is served by a fairlead-dpdk plane "
				   "(program id %u, %s); stop that plane, or give the port another "
				   "interface",
				   port->common.name, port->interface, occupant->program_id,
				   occupant->mode);
	return 0;
}

/** What takes it off. */
static void
write_command(const struct xdp_config_port *port, const struct occupant *occupant,
	      char command[COMMAND_BYTES_MAX])
{
	if (occupant->link_id != 0)
		(void)snprintf(command, COMMAND_BYTES_MAX, "bpftool link detach id %u",
			       occupant->link_id);
	else
		(void)snprintf(command, COMMAND_BYTES_MAX, "ip link set dev %s %s%s",
			       port->interface, occupant->off,
			       occupant->links_unknown
				       ? " (or, where that is refused: bpftool link "
					 "detach, with the id of bpftool link list)"
				       : "");
}

int
xdp_occupant_explain(const struct xdp_config_port *port, uint32_t ifindex,
		     const struct pin_directory *pins, struct failure *failure)
{
	struct bpf_xdp_query_opts query;
	struct occupant occupant = { .ifindex = ifindex };
	char command[COMMAND_BYTES_MAX], name[BPF_OBJ_NAME_LEN + 3] = "";

	occupant.program_id = xdp_occupant_program(ifindex, &query);
	if (occupant.program_id == 0)
		return 0;
	name_mode(&query, &occupant);
	name_program(&occupant);
	if (explain_plane(port, &occupant, pins, failure) < 0)
		return -1;
	find_link(&occupant);
	write_command(port, &occupant, command);
	if (occupant.program_name[0] != '\0')
		(void)snprintf(name, sizeof name, "\"%s\" ", occupant.program_name);
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "port %s: interface %s has another XDP program, %s(id %u, %s), which is "
			   "left alone; stop what attached it, or run: %s",
			   port->common.name, port->interface, name, occupant.program_id,
			   occupant.mode, command);
}
