/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp_engine.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "../dataplane/plane/log.h"
#include "backend_netlink.h"

_Static_assert(sizeof(struct xdp_ledger) == sizeof(struct plane_ledger), "one shape");

/* --- memory --- */

/** The memory of map @p name, mapped. @return NULL with the failure set. */
static void *
map_memory(struct xdp_engine *engine, const struct xdp_program *program, const char *name,
	   struct failure *failure)
{
	const struct bpf_map *map = xdp_program_map(program, name);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes;
	void *at;

	if (map == NULL || engine->mapped_count == XDP_ENGINE_MAPPED_MAX) {
		(void)failure_set(failure, EXIT_INTERNAL, "the program has no map \"%s\"", name);
		return NULL;
	}
	/* the kernel rounds elements up to 8 bytes, and the whole up to pages */
	bytes = (size_t)((bpf_map__value_size(map) + 7) & ~7u) * bpf_map__max_entries(map);
	bytes = (bytes + page - 1) / page * page;
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (at == MAP_FAILED) {
		(void)failure_set(failure, EXIT_UNAVAILABLE,
				  "the table \"%s\" (%zu bytes) cannot be mapped: %s", name, bytes,
				  strerror(errno));
		return NULL;
	}
	engine->mapped[engine->mapped_count].at = at;
	engine->mapped[engine->mapped_count++].bytes = bytes;
	return at;
}

static int
map_tables(struct xdp_engine *engine, const struct xdp_program *program, struct failure *failure)
{
	struct plane_tables *tables = &engine->tables;

#define MAP(user, name) (((user)->name = map_memory(engine, program, #name, failure)) != NULL)
	if (!(MAP(tables, vip_buckets) && MAP(tables, vips) && MAP(tables, backends) &&
	      MAP(tables, owners) && MAP(tables, rows) && MAP(tables, ports) &&
	      MAP(tables, fragments) && MAP(tables, flows) && MAP(tables, clock) &&
	      MAP(tables, vip_ledger) && MAP(tables, backend_ledger) && MAP(engine, config) &&
	      MAP(engine, cores) && MAP(engine, vip_counters) && MAP(engine, backend_counters) &&
	      MAP(engine, flow_counters)))
		return -1;
#undef MAP
	tables->config = &engine->config->core;
	tables->generation = &engine->config->generation;
	return 0;
}

/* --- what the program is told --- */

/** A port's new number by the interface that the old one had; FL_PORTS_MAX: it is gone. */
static uint32_t
new_number(const struct xdp_engine *engine, uint32_t port_count, uint32_t old)
{
	uint32_t ifindex = old < FL_PORTS_MAX ? engine->config->ifindex[old] : 0;
	uint32_t port = 0;

	while (port < port_count && (ifindex == 0 || engine->ifindex[port] != ifindex))
		port++;
	return port < port_count ? port : FL_PORTS_MAX;
}

/**
 * Adopted tables name ports by the numbers that they had. Where those change, every backend's link
 * is written again, before the program learns the new ones: for that moment a packet may be lost,
 * which only a change of the configured ports costs.
 */
static void
renumber_ports(struct xdp_engine *engine, uint32_t port_count)
{
	bool changes = false;

	for (uint32_t i = 0; i < FL_PORTS_MAX; i++)
		changes = changes || (engine->config->ifindex[i] != 0 &&
				      new_number(engine, port_count, i) != i);
	for (uint32_t slot = 0; changes && slot < engine->backend_stride; slot++) {
		uint64_t *word = &engine->tables.backends[slot].link;
		uint64_t link = __atomic_load_n(word, __ATOMIC_RELAXED);
		uint32_t port = new_number(engine, port_count, fl_link_port(link));
		uint8_t flags = fl_link_flags(link);

		if ((flags & FL_LINK_REACHABLE) == 0)
			continue;
		if (port == FL_PORTS_MAX) {
			flags &= (uint8_t)~FL_LINK_REACHABLE;
			port = 0;
		}
		__atomic_store_n(word, fl_link_word(link & FL_MAC_MASK, (uint8_t)port, flags),
				 __ATOMIC_RELAXED);
	}
}

int
xdp_engine_set_port(struct xdp_engine *engine, const struct xdp_program *program, uint32_t port,
		    struct failure *failure)
{
	int map = bpf_map__fd(xdp_program_map(program, "tx_ports"));
	uint32_t ifindex = engine->ifindex[port];
	int r;

	engine->config->ifindex[port] = ifindex;
	r = ifindex != 0 ? bpf_map_update_elem(map, &port, &ifindex, BPF_ANY)
			 : bpf_map_delete_elem(map, &port);
	if (r < 0 && errno != ENOENT)
		return failure_set(failure, EXIT_UNAVAILABLE,
				   "port %u cannot be a target of redirection: %s", port,
				   strerror(errno));
	return 0;
}

static int
set_ports(struct xdp_engine *engine, const struct xdp_program *program,
	  const struct xdp_config_file *config, struct failure *failure)
{
	if (program->is_adopted)
		renumber_ports(engine, config->port_count);
	for (uint32_t i = 0; i < FL_PORTS_MAX; i++) {
		memcpy(engine->tables.ports[i].tag, config->ports[i].common.tag,
		       sizeof engine->tables.ports[i].tag);
		if (xdp_engine_set_port(engine, program, i, failure) < 0)
			return -1;
	}
	return 0;
}

/** Where VIPs lie in adopted tables depends on the key: under another one, none would be found. */
static int
check_key(const struct xdp_engine *engine, const struct xdp_engine_parts *parts,
	  struct failure *failure)
{
	if (!parts->program->is_adopted ||
	    memcmp(&engine->config->core.key, parts->key, sizeof *parts->key) == 0)
		return 0;
	return failure_set(failure, EXIT_UNAVAILABLE,
			   "key_file %s holds another key than the one that the running tables are "
			   "made with; put that one back, or run fairlead-xdp --detach with this "
			   "configuration, which ends forwarding until the next start",
			   parts->config->file.key_file);
}

/** What plane_create() leaves to the engine. */
static void
set_config(struct xdp_engine *engine, const struct plane_file *file, const struct fl_key *key)
{
	plane_tables_set_config(&engine->tables, &file->limits, key);
	engine->config->vip_count = engine->vip_stride;
	engine->config->backend_count = engine->backend_stride;
}

/** By now it is what its first words say. */
static void
mark(struct xdp_engine *engine, const struct xdp_program *program)
{
	engine->config->record_bytes = xdp_program_record_bytes(program);
	engine->config->layout_version = XDP_LAYOUT_VERSION;
	engine->config->magic = XDP_LAYOUT_MAGIC;
}

int
xdp_engine_open(struct xdp_engine *engine, const struct xdp_engine_parts *parts,
		struct failure *failure)
{
	const struct xdp_config_file *config = parts->config;
	struct plane_tables_size size = plane_tables_size(&config->file.limits);

	engine->cpu_count = parts->program->cpu_count;
	engine->vip_stride = size.vip_count;
	engine->backend_stride = size.backend_count;
	for (uint32_t i = 0; i < config->port_count; i++)
		engine->ifindex[i] = if_nametoindex(config->ports[i].interface);
	if (map_tables(engine, parts->program, failure) < 0 ||
	    check_key(engine, parts, failure) < 0)
		return -1;
	set_config(engine, &config->file, parts->key);
	if (set_ports(engine, parts->program, config, failure) < 0)
		return -1;
	mark(engine, parts->program);
	if (backend_netlink_open(&engine->netlink) < 0)
		engine->netlink = NULL;
	return 0;
}

/* --- what the plane library calls --- */

static void
synchronize(void *user)
{
	/* Ends when every CPU has left what it was doing: programs run as read-side sections of
	 * RCU, for which this command waits. That it is there, the preflight saw. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0) {
		log_message(LOG_ERR, "membarrier: %s: a restart is needed", strerror(errno));
		_exit(EXIT_INTERNAL);
	}
}

static int
vips_add(void *user, const struct fl_vip *records, uint32_t count, const uint64_t lengths[2])
{
	return 0; /* what is in no table passes to the host */
}

static void
vips_remove(void *user, const struct fl_vip_key *keys, uint32_t count, const uint64_t lengths[2])
{
}

static void
verdicts(void *user, uint64_t ret_packets[FL_VERDICT_COUNT])
{
	const struct xdp_engine *engine = user;

	for (uint32_t v = 0; v < FL_VERDICT_COUNT; v++) {
		ret_packets[v] = 0;
		for (uint32_t i = 0; i < engine->cpu_count; i++)
			ret_packets[v] += FL_READ_ONCE(engine->cores[i].verdicts[v]);
	}
}

static void
events(void *user, uint64_t ret_events[FL_EVENT_COUNT])
{
	const struct xdp_engine *engine = user;

	for (uint32_t e = 0; e < FL_EVENT_COUNT; e++) {
		ret_events[e] = 0;
		for (uint32_t i = 0; i < engine->cpu_count; i++)
			ret_events[e] += FL_READ_ONCE(engine->cores[i].events[e]);
	}
}

static struct fl_counter
sum_counters(const struct fl_counter *first, uint32_t stride, uint32_t cpu_count)
{
	struct fl_counter sum = { 0, 0 };

	for (uint32_t i = 0; i < cpu_count; i++) {
		const struct fl_counter *counter = &first[(size_t)i * stride];

		sum.packets += FL_READ_ONCE(counter->packets);
		sum.bytes += FL_READ_ONCE(counter->bytes);
	}
	return sum;
}

static struct fl_counter
vip_counter(void *user, uint32_t vip_index)
{
	const struct xdp_engine *engine = user;

	return sum_counters(&engine->vip_counters[vip_index], engine->vip_stride,
			    engine->cpu_count);
}

static struct fl_counter
backend_counter(void *user, uint32_t slot)
{
	const struct xdp_engine *engine = user;

	return sum_counters(&engine->backend_counters[slot], engine->backend_stride,
			    engine->cpu_count);
}

static struct fl_flow_counter
flow_counter(void *user, uint32_t vip_index)
{
	const struct xdp_engine *engine = user;
	struct fl_flow_counter sum = { 0 };

	for (uint32_t i = 0; i < engine->cpu_count; i++)
		fl_flow_add(&sum,
			    &engine->flow_counters[(size_t)i * engine->vip_stride + vip_index]);
	return sum;
}

static int
read_stats(const struct nlmsghdr *message, void *user)
{
	struct plane_port_stats *stats = user;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct if_stats_msg))
	{
		struct rtnl_link_stats64 link;

		if (mnl_attr_get_type(attribute) != IFLA_STATS_LINK_64 ||
		    mnl_attr_get_payload_len(attribute) <
			    offsetof(struct rtnl_link_stats64, multicast))
			continue;
		memset(&link, 0, sizeof link);
		memcpy(&link, mnl_attr_get_payload(attribute),
		       mnl_attr_get_payload_len(attribute) < sizeof link
			       ? mnl_attr_get_payload_len(attribute)
			       : sizeof link);
		stats->rx_packets = link.rx_packets;
		stats->tx_packets = link.tx_packets;
		stats->rx_missed = link.rx_missed_errors + link.rx_over_errors;
	}
	return MNL_CB_OK;
}

static void
port_stats(void *user, uint32_t port, struct plane_port_stats *ret_stats)
{
	const struct xdp_engine *engine = user;
	char buffer[BACKEND_REQUEST_BYTES_MAX];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct if_stats_msg *asked = mnl_nlmsg_put_extra_header(request, sizeof *asked);

	*ret_stats = (struct plane_port_stats){ 0 };
	request->nlmsg_type = RTM_GETSTATS;
	asked->ifindex = engine->ifindex[port];
	asked->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
	if (engine->netlink != NULL)
		(void)backend_netlink_call(engine->netlink, request, read_stats, ret_stats);
}

static uint64_t
core_received(const struct xdp_engine *engine, uint32_t cpu)
{
	uint64_t received = 0;

	for (uint32_t v = 0; v < FL_VERDICT_COUNT; v++)
		received += FL_READ_ONCE(engine->cores[cpu].verdicts[v]);
	return received;
}

static void
core_stats(void *user, uint32_t i, struct plane_core_stats *ret_stats)
{
	const struct xdp_engine *engine = user;

	*ret_stats = (struct plane_core_stats){ .core = i, .received = core_received(engine, i) };
}

struct plane_engine
xdp_engine_functions(struct xdp_engine *engine)
{
	return (struct plane_engine){
		.user = engine,
		.synchronize = synchronize,
		.vips_add = vips_add,
		.vips_remove = vips_remove,
		.verdicts = verdicts,
		.events = events,
		.vip_counter = vip_counter,
		.backend_counter = backend_counter,
		.flow_counter = flow_counter,
		.port_stats = port_stats,
		.core_stats = core_stats,
		.core_count =
			engine->cpu_count < PLANE_CORES_MAX ? engine->cpu_count : PLANE_CORES_MAX,
	};
}

void
xdp_engine_close(struct xdp_engine *engine)
{
	for (uint32_t i = 0; i < engine->mapped_count; i++)
		(void)munmap(engine->mapped[i].at, engine->mapped[i].bytes);
	if (engine->netlink != NULL)
		(void)mnl_socket_close(engine->netlink);
	explicit_bzero(engine, sizeof *engine);
}
