/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../plane/keyfile.h"
#include "../plane/log.h"
#include "../plane/process.h"
#include "eal.h"
#include "hugepages.h"
#include "log_libraries.h"
#include "preflight.h"
#include "privileges.h"
#include "running.h"

/** Guard every AF_XDP port, then make room for the new XDP programs. */
static int
take_ports_over(struct running *running, struct failure *failure)
{
	const struct config *config = running->config;

	running->guard = guard_open(config->file.pin_dir, config->file.name, failure);
	if (running->guard == NULL || guard_load(running->guard, failure) < 0)
		return -1;
	for (uint32_t i = 0; i < config->port_count; i++) {
		if (config->ports[i].is_af_xdp &&
		    guard_attach(running->guard, config->ports[i].interface, failure) < 0)
			return -1;
	}
	guard_settle(running->guard);
	for (uint32_t i = 0; i < config->port_count; i++) {
		if (config->ports[i].is_af_xdp &&
		    steer_evict(config->ports[i].interface, guard_directory(running->guard),
				config->ports[i].start_queue, failure) < 0)
			return -1;
	}
	steer_remove_pins(guard_directory(running->guard));
	running->steer_object = steer_object(failure);
	return running->steer_object < 0 ? -1 : 0;
}

/** The XDP programs are attached: find their maps. */
static int
find_steering(struct running *running, struct failure *failure)
{
	const struct config *config = running->config;

	for (uint32_t i = 0; i < config->port_count; i++) {
		if (!config->ports[i].is_af_xdp)
			continue;
		if (steer_find(config->ports[i].interface, guard_directory(running->guard),
			       &running->steers[running->vips.port_count], failure) < 0)
			return -1;
		running->vips.port_count++;
	}
	if (running->steer_object >= 0)
		(void)close(running->steer_object);
	running->steer_object = -1;
	running->vips.guard = running->guard;
	running->vips.ports = running->steers;
	return 0;
}

static void
describe_port(const struct port *port, struct plane_port *ret_port)
{
	const struct config_port *config = port->config;

	*ret_port = (struct plane_port){
		.ifindex = port->ifindex,
		.mtu = port->mtu,
		.has_gateway = config->has_gateway,
		.gateway_for_count = config->gateway_for_count,
	};
	memcpy(ret_port->name, config->common.name, sizeof ret_port->name);
	memcpy(ret_port->mac, port->mac, sizeof ret_port->mac);
	memcpy(ret_port->gateway_mac, config->gateway_mac, sizeof ret_port->gateway_mac);
	memcpy(ret_port->gateway_for, config->gateway_for, sizeof ret_port->gateway_for);
}

static int
open_plane(struct running *running, struct failure *failure)
{
	struct plane_options options = process_plane_options(&running->config->file);
	struct plane_failure why = { "" };
	int r;

	for (uint32_t i = 0; i < running->ports.count; i++)
		describe_port(&running->ports.items[i], &running->plane_ports[i]);
	options.kind = "dpdk";
	options.tables = &running->engine.tables;
	options.adopt = running->tables.is_adopted;
	options.ports = running->plane_ports;
	options.port_count = running->ports.count;
	options.engine = engine_functions(&running->engine);
	r = plane_create(&options, &running->plane, &why);
	if (r == -EBADMSG)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "the tables in %s cannot be taken over: %s; run fairlead-dpdk "
				   "--detach with this configuration, which removes them",
				   running->tables.path, why.message);
	return r < 0 ? process_plane_failed(r, &why, failure) : 0;
}

/** What the tables publish is steered and guarded before any worker runs. */
static int
steer_published(struct running *running, struct failure *failure)
{
	const struct plane_tables *tables = &running->engine.tables;
	struct plane_tables_size size = plane_tables_size(&running->config->file.limits);
	int r;

	vip_set_start(&running->vips, tables->config);
	/* where the tables say what was served, what else the guard has is nobody's */
	running->engine.committed = running->tables.is_adopted && *tables->generation > 0;
	if (!running->tables.is_adopted)
		return 0;
	r = vip_set_add_published(&running->vips, tables, &size);
	if (r == 0)
		return 0;
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "the VIPs of an earlier process cannot be steered to the workers: %s; "
			   "start it again, or run fairlead-dpdk --detach with this configuration "
			   "and let fairleadd send them",
			   strerror(-r));
}

static void
warn(const struct running *running)
{
	const struct config *config = running->config;

	if (config->hugepages && config->tables_dir[0] == '\0' && !running->tables.is_huge)
		log_message(LOG_WARNING,
			    "no hugetlbfs at /dev/hugepages: the tables are in %s, in small pages, "
			    "which is slower; mount one there (mount -t hugetlbfs none "
			    "/dev/hugepages), or set \"tables_dir\"",
			    running->tables.directory_path);
	if (!config->hugepages)
		log_message(
			LOG_WARNING,
			"\"hugepages\" is false: the plane is slower; reserve huge pages for it "
			"(%u MiB) and set it to true",
			config->memory_mb);
	for (uint32_t i = 0; i < config->worker_count; i++) {
		if (config->worker_cores[i] == config->main_core)
			log_message(LOG_WARNING,
				    "CPU %u is the main core and a worker's: packets wait while "
				    "the plane "
				    "socket is served; give \"main\" a CPU of its own",
				    config->main_core);
	}
}

static int
start(struct running *running, struct failure *failure)
{
	const struct config *config = running->config;

	if (privileges_begin(config, failure) < 0 || preflight(config, failure) < 0 ||
	    keyfile_read(config->file.key_file, &running->key, failure) < 0 ||
	    tables_file_open(&running->tables, config, &running->key, failure) < 0 ||
	    /* the tables took some */
	    (running->tables.is_huge && config->hugepages && hugepages_check(config, failure) < 0))
		return -1;
	if (config_has_af_xdp(config) && take_ports_over(running, failure) < 0)
		return -1;
	if (eal_start(config, failure) < 0)
		return -1;
	running->eal = true;
	if (engine_open(&running->engine, config, running->tables.memory, failure) < 0 ||
	    ports_open(&running->ports, config, running->steer_object, failure) < 0 ||
	    find_steering(running, failure) < 0)
		return -1;
	running->engine.vips = &running->vips;
	running->engine.ports = &running->ports;
	if (open_plane(running, failure) < 0 || steer_published(running, failure) < 0)
		return -1;
	if (engine_run(&running->engine, &running->ports, failure) < 0)
		return -1;
	privileges_reduce();
	return 0;
}

/** A start that failed leaves no guard where none was. */
static void
withdraw_guard(const struct running *running)
{
	const struct config *config = running->config;
	struct failure ignored;

	if (running->guard == NULL || !guard_is_new(running->guard))
		return;
	for (uint32_t i = 0; i < config->port_count; i++) {
		if (config->ports[i].is_af_xdp)
			(void)guard_detach(running->guard, config->ports[i].interface, &ignored);
	}
	guard_remove_pins(running->guard);
}

int
running_start(struct running *running, const struct config *config, struct failure *failure)
{
	int r;

	*running = (struct running){ .config = config,
				     .steer_object = -1,
				     .tables = TABLES_FILE_CLOSED };
	log_take_libbpf();
	log_hold(true);
	r = start(running, failure);
	if (r < 0) {
		withdraw_guard(running);
		tables_file_withdraw(&running->tables);
		running_stop(running);
	}
	log_hold(false);
	explicit_bzero(&running->key, sizeof running->key);
	if (r < 0)
		return -1;
	warn(running);
	log_message(LOG_NOTICE, "plane %s serves %s: %u port%s, %u worker%s, %u MiB, %s",
		    config->file.name, config->file.socket_path, config->port_count,
		    LOG_PLURAL(config->port_count), config->worker_count,
		    LOG_PLURAL(config->worker_count), config->memory_mb,
		    running->tables.is_adopted ? "over the tables of an earlier process"
					       : "new tables");
	return 0;
}

static void
note_signal(void *user)
{
	*(bool *)user = true;
}

int
running_serve(struct running *running, int signals, struct failure *failure)
{
	bool stop = false, settled = false;
	int r = plane_watch(running->plane, signals, note_signal, &stop);

	while (r == 0 && !stop) {
		r = plane_turn(running->plane, -1);
		if (!settled && running->engine.committed) {
			/* the first change is visible: VIPs of a former life are nobody's now */
			uint32_t removed = vip_set_settle(&running->vips);

			settled = true;
			if (removed > 0)
				log_message(LOG_INFO, "the guard lets %u old record%s go", removed,
					    LOG_PLURAL(removed));
		}
	}
	if (r < 0)
		return failure_set(failure, EXIT_INTERNAL, "the main loop failed: %s",
				   strerror(-r));
	return 0;
}

void
running_stop(struct running *running)
{
	plane_destroy(running->plane);
	running->plane = NULL;
	if (running->eal) {
		engine_stop(&running->engine);
		ports_close(&running->ports);
		engine_close(&running->engine);
	}
	for (uint32_t i = 0; i < running->vips.port_count; i++)
		steer_forget(guard_directory(running->guard), &running->steers[i]);
	running->vips.port_count = 0;
	if (running->steer_object >= 0)
		(void)close(running->steer_object);
	guard_close(running->guard);
	running->guard = NULL;
	running->eal = false;
	tables_file_close(&running->tables);
}

/** Take what is ours off one port. A program of another's stays, and is no failure. @return 0; -1.
 */
static int
detach_port(struct guard *guard, const struct config_port *port, struct failure *failure)
{
	if (!port->is_af_xdp || if_nametoindex(port->interface) == 0)
		return 0; /* what was on it is gone with it */
	if (guard_detach(guard, port->interface, failure) < 0)
		return -1;
	if (steer_evict(port->interface, guard_directory(guard), port->start_queue, failure) == 0)
		return 0;
	if (failure->exit_code != EXIT_UNAVAILABLE)
		return -1;
	log_message(LOG_NOTICE, "left as it is: %s", failure->message);
	return 0;
}

static int
detach_ports(const struct config *config, struct failure *failure)
{
	struct guard *guard;
	int r = 0;

	guard = guard_open(config->file.pin_dir, config->file.name, failure);
	if (guard == NULL)
		return -1;
	log_take_libbpf();
	log_hold(true);
	for (uint32_t i = 0; i < config->port_count && r == 0; i++)
		r = detach_port(guard, &config->ports[i], failure);
	if (r == 0)
		guard_remove_pins(guard);
	guard_close(guard);
	log_hold(false);
	return r;
}

int
running_detach(const struct config *config, struct failure *failure)
{
	if (config_has_af_xdp(config) && detach_ports(config, failure) < 0)
		return -1;
	return tables_file_remove(config, failure);
}
