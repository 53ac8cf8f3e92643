/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a configuration of fairlead-dpdk becomes exactly what it says, with the documented
 * defaults; a wrong one is refused where it is wrong. Method: texts with one difference each. (What
 * the operator reads of wrong files: tests/netns/bad/dpdk.)
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "../../dataplane/dpdk/config.h"
#include "../../dataplane/dpdk/memory.h"
#include "run.h"

#define HEAD "{'version':1,'name':'p','key_file':'/k','cores':{'main':3,'workers':[1,2]},"
#define SRC  "'encap_source_ipv4':'10.0.0.5',"
#define XDP  "'ports':[{'name':'a','device':'net_af_xdp0,iface=eth0'}]"

static struct config config;
static struct json_errors errors;

/** @param text JSON with ' for ". */
static int
parse(const char *text)
{
	static char copy[4096];

	ck_assert_uint_lt(strlen(text), sizeof copy);
	memcpy(copy, text, strlen(text) + 1);
	for (char *quote = strchr(copy, '\''); quote != NULL; quote = strchr(quote, '\''))
		*quote = '"';
	memset(&errors, 0, sizeof errors);
	memset(&config, 0xa5, sizeof config);
	return config_parse(copy, strlen(copy), &config, &errors);
}

/** A whole configuration but for its port. */
static const struct config_port *
parse_port(const char *port)
{
	char text[1024];

	(void)snprintf(text, sizeof text, HEAD SRC "'ports':[%s]}", port);
	ck_assert_int_eq(parse(text), 0);
	return &config.ports[0];
}

START_TEST(test_config_fills_in_defaults)
{
	ck_assert_int_eq(parse(HEAD SRC XDP "}"), 0);
	ck_assert_str_eq(config.file.socket_path, "/run/fairlead/p.sock");
	ck_assert_str_eq(config.file.control_user, "fairlead");
	ck_assert_str_eq(config.file.pin_dir, "/sys/fs/bpf/fairlead");
	ck_assert_str_eq(config.tables_dir, "");
	ck_assert(config.hugepages);
	ck_assert_uint_eq(config.memory_mb, 256);
	ck_assert_int_eq(config.file.log_level, LOG_NOTICE);
	ck_assert(config.file.has_source_ipv4 && !config.file.has_source_ipv6);
	ck_assert_uint_eq(config.file.limits.vips, 1024);
	ck_assert_uint_eq(config.file.limits.backends, 65536);
	ck_assert_uint_eq(config.file.limits.rows, 8388608);
	ck_assert_uint_eq(config.file.limits.fragments, 8192);
	ck_assert_uint_eq(config.file.icmp_rate, 1000);
	ck_assert_uint_eq(config.file.icmp_burst, 100);
	ck_assert(!config.file.has_entropy_ipv4 && !config.file.has_entropy_ipv6);
	ck_assert_uint_eq(config.port_count, 1);
	ck_assert_str_eq(config.ports[0].common.name, "a");
	ck_assert_uint_eq(config.ports[0].common.tag[0], FL_TAG_KEEP);
	ck_assert_uint_eq(config.ports[0].descriptors, 1024);
	ck_assert_int_eq(config.ports[0].host, CONFIG_HOST_KERNEL);
	ck_assert_str_eq(config.ports[0].interface, "eth0");
	ck_assert(config_has_af_xdp(&config));
}
END_TEST

START_TEST(test_config_reads_every_member)
{
	ck_assert_int_eq(
		parse("{'version':1,'name':'n.1_-X','description':'d','socket':'/s','key_file':'/"
		      "k',"
		      "'control_user':'u','cores':{'main':0,'workers':[5,0]},'hugepages':false,"
		      "'memory_mb':4096,'tables_dir':'/t','log_level':'debug','pin_dir':'/b',"
		      "'encap_source_ipv4':'10.0.0.5','encap_source_ipv6':'fd00::5',"
		      "'encap_entropy_ipv4':'10.64.0.0/10','encap_entropy_ipv6':'fd00:1::/64',"
		      "'icmp_rate':7,'icmp_burst':8,"
		      "'limits':{'vips':1,'backends':2,'rows':251,'fragments':9},"
		      "'ports':[{'name':'x','vlan':[4094,1],'device':'net_af_xdp7,start_queue=3,"
		      "iface=e1',"
		      "'descriptors':64},{'name':'y','device':'net_ring0','host':'drop',"
		      "'gateway_mac':'02:00:5E:00:00:01','gateway_for':['10.0.0.0/8','fd00::/8']},"
		      "{'name':'z','device':'net_memif0','tap':'tz'}]}"),
		0);
	ck_assert_str_eq(config.file.name, "n.1_-X");
	ck_assert_str_eq(config.file.socket_path, "/s");
	ck_assert_str_eq(config.file.key_file, "/k");
	ck_assert_str_eq(config.file.control_user, "u");
	ck_assert_str_eq(config.file.pin_dir, "/b");
	ck_assert_str_eq(config.tables_dir, "/t");
	ck_assert_uint_eq(config.main_core, 0);
	ck_assert_uint_eq(config.worker_count, 2);
	ck_assert_uint_eq(config.worker_cores[0], 5);
	ck_assert_uint_eq(config.worker_cores[1], 0);
	ck_assert(!config.hugepages && config.file.has_source_ipv6);
	ck_assert_uint_eq(config.memory_mb, 4096);
	ck_assert_int_eq(config.file.log_level, LOG_DEBUG);
	ck_assert_uint_eq(config.file.limits.vips, 1);
	ck_assert_uint_eq(config.file.limits.backends, 2);
	ck_assert_uint_eq(config.file.limits.rows, 251);
	ck_assert_uint_eq(config.file.limits.fragments, 16); /* a power of two */
	ck_assert(config.file.has_entropy_ipv4 && config.file.has_entropy_ipv6);
	ck_assert_uint_eq(config.file.entropy_ipv4.bits, 96 + 10);
	ck_assert_uint_eq(config.file.entropy_ipv6.bits, 64);
	ck_assert_uint_eq(config.file.icmp_rate, 7);
	ck_assert_uint_eq(config.file.icmp_burst, 8);
	ck_assert_uint_eq(config.ports[0].common.tag[0], fl_tag(0x88a8, 4094));
	ck_assert_uint_eq(config.ports[0].common.tag[1], fl_tag(0x8100, 1));
	ck_assert_uint_eq(config.port_count, 3);
	ck_assert_uint_eq(config.ports[0].start_queue, 3);
	ck_assert_str_eq(config.ports[0].interface, "e1");
	ck_assert_uint_eq(config.ports[0].descriptors, 64);
	ck_assert_int_eq(config.ports[1].host, CONFIG_HOST_DROP);
	ck_assert(config.ports[1].has_gateway);
	ck_assert_uint_eq(config.ports[1].gateway_mac[2], 0x5e);
	ck_assert_uint_eq(config.ports[1].gateway_for_count, 2);
	ck_assert_uint_eq(config.ports[1].gateway_for[0].bits, 104);
	ck_assert_uint_eq(config.ports[1].gateway_for[1].bits, 8);
	ck_assert_int_eq(config.ports[2].host, CONFIG_HOST_TAP);
	ck_assert_str_eq(config.ports[2].tap, "tz");
}
END_TEST

START_TEST(test_config_knows_pci_addresses)
{
	ck_assert_str_eq(parse_port("{'name':'a','device':'3B:00.1'}")->device, "0000:3b:00.1");
	ck_assert(config.ports[0].is_pci);
	ck_assert_str_eq(config.ports[0].tap, "fl-a");
	ck_assert_str_eq(parse_port("{'name':'a','device':'0001:3b:00.1,Rx=X'}")->device,
			 "0001:3b:00.1,Rx=X");
	ck_assert(config.ports[0].is_pci);
	ck_assert(!parse_port("{'name':'a','device':'net_pcap0,rx_pcap=x'}")->is_pci);
}
END_TEST

START_TEST(test_config_takes_iface_only_as_an_argument)
{
	/* the name is a value's end here, not an argument */
	ck_assert_str_eq(
		parse_port("{'name':'a','device':'net_af_xdp0,x=iface,iface=e9'}")->interface,
		"e9");
}
END_TEST

START_TEST(test_config_counts_memory)
{
	uint64_t small, large;

	ck_assert_int_eq(parse(HEAD SRC "'memory_mb':1024," XDP "}"), 0);
	large = memory_needed_mb(&config);
	config.file.limits.rows = 251; /* the tables are not in that memory */
	ck_assert_uint_eq(memory_needed_mb(&config), large);
	config.file.limits.backends += 2097152;
	small = large;
	large = memory_needed_mb(&config);
	ck_assert_uint_ge(large - small, 64); /* 16 bytes each for both workers */
	ck_assert_uint_le(large - small, 65);
	config.file.limits.backends -= 2097152;
	large = memory_buffer_bytes(&config);
	config.hugepages = false; /* a page for each buffer of 2.4 KB */
	ck_assert_uint_gt(memory_buffer_bytes(&config), large + large / 2);
	config.hugepages = true;
	config.worker_count = 1;
	ck_assert_uint_lt(memory_needed_mb(&config), small);
	ck_assert_uint_eq(memory_buffer_bytes(&config) % memory_buffers_per_worker(&config), 0);
}
END_TEST

START_TEST(test_config_locates_errors)
{
	ck_assert_int_eq(parse(HEAD SRC "\n 'ports':[{'name':'a',\n  'device':'eth0'}]}"), -EINVAL);
	ck_assert_uint_eq(errors.count, 1);
	ck_assert_str_eq(errors.items[0].pointer, "/ports/0/device");
	ck_assert_uint_eq(errors.items[0].line, 3);
	ck_assert_int_eq(parse("{"), -EBADMSG);
	ck_assert_int_eq(parse("7"), -EINVAL);
}
END_TEST

START_TEST(test_config_survives_every_cut)
{
	static const char whole[] = HEAD SRC "'limits':{'vips':3}," XDP "}";
	char text[sizeof whole];

	for (size_t bytes = 0; bytes < sizeof whole - 1; bytes++) {
		memcpy(text, whole, bytes);
		text[bytes] = '\0';
		ck_assert_int_eq(parse(text), -EBADMSG);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_config_fills_in_defaults,	 test_config_reads_every_member,
		test_config_knows_pci_addresses, test_config_takes_iface_only_as_an_argument,
		test_config_counts_memory,	 test_config_locates_errors,
		test_config_survives_every_cut,	 NULL
	};

	return run_tests("dpdk_config", tests);
}
