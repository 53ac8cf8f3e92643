/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp_pins.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "xdp_maps.h"
#include "xdp_port.h"

/* A walk over the directory. */
struct walk {
	const struct pin_directory *pins;
	const struct xdp_config_file *kept; /* links of its ports stay; NULL: none does */
	struct xdp_pins_removed *removed;
	struct failure *failure;
	bool failed;
};

/* What a walk saw. */
struct seen {
	bool mark, links, foreign;
	char *foreign_entry;
};

static bool
is_link(const char *entry)
{
	return strncmp(entry, "link_", 5) == 0;
}

static bool
is_map(const char *entry)
{
#define NAME(name, shape, entries) #name,
	static const char *const names[] = { XDP_TABLES(NAME) "tx_ports" };
#undef NAME

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(names[i], entry) == 0)
			return true;
	}
	return false;
}

static void
look(void *user, const char *entry)
{
	struct seen *seen = user;

	if (strcmp(entry, XDP_PINS_MARK) == 0)
		seen->mark = true;
	else if (is_link(entry))
		seen->links = true;
	else if (!is_map(entry) && !seen->foreign) {
		seen->foreign = true;
		(void)snprintf(seen->foreign_entry, PIN_NAME_BYTES_MAX, "%.*s",
			       PIN_NAME_BYTES_MAX - 1, entry);
	}
}

enum xdp_pins_state
xdp_pins_look(const struct pin_directory *pins, char ret_entry[PIN_NAME_BYTES_MAX])
{
	struct seen seen = { .foreign_entry = ret_entry };

	if (pin_directory_walk(pins, look, &seen) < 0)
		return XDP_PINS_UNREAD; /* it may be a plane's that forwards */
	return seen.mark      ? XDP_PINS_WHOLE
	       : seen.foreign ? XDP_PINS_FOREIGN
	       : seen.links   ? XDP_PINS_NO_MARK
			      : XDP_PINS_NONE;
}

static bool
is_kept(const struct walk *walk, const char *entry)
{
	char name[PIN_NAME_BYTES_MAX];

	for (uint32_t i = 0; walk->kept != NULL && i < walk->kept->port_count; i++) {
		xdp_port_link_name(&walk->kept->ports[i], name);
		if (strcmp(name, entry) == 0)
			return true;
	}
	return false;
}

static void
remove_link(void *user, const char *entry)
{
	struct walk *walk = user;

	if (!is_link(entry) || is_kept(walk, entry) || walk->failed)
		return;
	walk->failed = xdp_port_detach(walk->pins, entry, walk->failure) < 0;
	walk->removed->links += !walk->failed;
}

/* Any other pin too: another version may have had more maps. */
static void
remove_pin(void *user, const char *entry)
{
	struct walk *walk = user;
	char path[PIN_PATH_BYTES_MAX];

	if (is_link(entry) || walk->failed)
		return;
	pin_directory_entry(walk->pins, entry, path);
	if (unlink(path) == 0) {
		walk->removed->maps++;
	} else if (errno != ENOENT) {
		walk->failed = true;
		(void)failure_set(walk->failure, EXIT_UNAVAILABLE, "%s cannot be removed: %s", path,
				  strerror(errno));
	}
}

/** @return 0; -1. */
static int
run(struct walk *walk, void (*each)(void *user, const char *entry))
{
	int r = pin_directory_walk(walk->pins, each, walk);

	if (r < 0)
		return failure_set(walk->failure, EXIT_UNAVAILABLE, "%s cannot be read: %s",
				   walk->pins->path, strerror(-r));
	return walk->failed ? -1 : 0;
}

int
xdp_pins_remove_maps(const struct pin_directory *pins, struct xdp_pins_removed *ret_removed,
		     struct failure *failure)
{
	struct walk walk = { .pins = pins, .removed = ret_removed, .failure = failure };

	return run(&walk, remove_pin);
}

int
xdp_pins_remove_links(const struct pin_directory *pins, const struct xdp_config_file *config,
		      struct xdp_pins_removed *ret_removed, struct failure *failure)
{
	struct walk walk = {
		.pins = pins, .kept = config, .removed = ret_removed, .failure = failure
	};

	return run(&walk, remove_link);
}

int
xdp_pins_remove(struct pin_directory *pins, struct xdp_pins_removed *ret_removed,
		struct failure *failure)
{
	struct walk walk = { .pins = pins, .removed = ret_removed, .failure = failure };
	int r;

	if (run(&walk, remove_link) < 0)
		return -1;
	remove_pin(&walk, XDP_PINS_MARK);
	if (walk.failed || run(&walk, remove_pin) < 0)
		return -1;
	r = pin_directory_remove(pins);
	if (r < 0)
		return failure_set(failure, EXIT_UNAVAILABLE, "%s cannot be removed: %s",
				   pins->path, strerror(-r));
	return 0;
}
