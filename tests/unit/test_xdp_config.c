/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: a configuration of fairlead-xdp becomes exactly what it says, with the documented defaults;
 * a wrong one is refused where it is wrong. The members that all planes have are tried here.
 * Method: texts with one difference each. (What the operator reads of wrong files:
 * tests/netns/bad/xdp.)
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "../../bpf/xdp_config.h"
#include "run.h"

#define HEAD  "{'version':1,'name':'p','key_file':'/k',"
#define SRC   "'encap_source_ipv4':'10.0.0.5','encap_source_ipv6':'fd00::5',"
#define PORTS "'ports':[{'name':'a','interface':'eth0'}]"

static struct xdp_config_file config;
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
	return xdp_config_parse(copy, strlen(copy), &config, &errors);
}

/** A whole configuration but for members of the root. @return the first error's pointer; "". */
static const char *
parse_with(const char *members)
{
	char text[1024];
	int r;

	(void)snprintf(text, sizeof text, HEAD SRC "%s," PORTS "}", members);
	r = parse(text);
	ck_assert_int_eq(r, errors.count == 0 ? 0 : -EINVAL);
	ck_assert_uint_le(errors.count, 1);
	return errors.count == 0 ? "" : errors.items[0].pointer;
}

/** A whole configuration but for one more member of its port. */
static const char *
parse_port_with(const char *member)
{
	char text[1024];

	(void)snprintf(text, sizeof text, HEAD SRC "'ports':[{'name':'a','interface':'eth0',%s}]}",
		       member);
	(void)parse(text);
	ck_assert_uint_le(errors.count, 1);
	return errors.count == 0 ? "" : errors.items[0].pointer;
}

START_TEST(test_xdp_config_fills_in_defaults)
{
	ck_assert_int_eq(parse(HEAD "'encap_source_ipv6':'fd00::5'," PORTS "}"), 0);
	ck_assert_str_eq(config.file.name, "p");
	ck_assert_str_eq(config.file.socket_path, "/run/fairlead/p.sock");
	ck_assert_str_eq(config.file.control_user, "fairlead");
	ck_assert_str_eq(config.file.pin_dir, "/sys/fs/bpf/fairlead");
	ck_assert_int_eq(config.file.log_level, LOG_NOTICE);
	ck_assert(!config.file.has_source_ipv4 && config.file.has_source_ipv6);
	ck_assert(!config.file.has_entropy_ipv4 && !config.file.has_entropy_ipv6);
	ck_assert_uint_eq(config.file.icmp_rate, 1000);
	ck_assert_uint_eq(config.file.icmp_burst, 100);
	ck_assert_uint_eq(config.file.limits.vips, 1024);
	ck_assert_uint_eq(config.file.limits.backends, 65536);
	ck_assert_uint_eq(config.file.limits.rows, 8388608);
	ck_assert_uint_eq(config.file.limits.fragments, 8192);
	ck_assert_uint_eq(config.port_count, 1);
	ck_assert_str_eq(config.ports[0].common.name, "a");
	ck_assert_str_eq(config.ports[0].interface, "eth0");
	ck_assert(!config.ports[0].is_generic);
	ck_assert_uint_eq(config.ports[0].common.tag[0], FL_TAG_KEEP);
}
END_TEST

START_TEST(test_xdp_config_reads_every_member)
{
	ck_assert_int_eq(
		parse("{'version':1,'name':'n.1','description':'d','socket':'/s','key_file':'/k',"
		      "'control_user':'u','log_level':'error','pin_dir':'/b',"
		      "'encap_source_ipv4':'10.0.0.5','encap_source_ipv6':'fd00::5',"
		      "'encap_entropy_ipv4':'10.64.0.0/10','encap_entropy_ipv6':'fd00:1::/64',"
		      "'icmp_rate':1000000,'icmp_burst':10000,"
		      "'limits':{'vips':1,'backends':2,'rows':251,'fragments':1025},"
		      "'ports':[{'name':'x','interface':'e1','mode':'generic','vlan':'none'},"
		      "{'name':'y','interface':'e2','mode':'native','vlan':7}]}"),
		0);
	ck_assert_str_eq(config.file.name, "n.1");
	ck_assert_str_eq(config.file.socket_path, "/s");
	ck_assert_str_eq(config.file.key_file, "/k");
	ck_assert_str_eq(config.file.control_user, "u");
	ck_assert_str_eq(config.file.pin_dir, "/b");
	ck_assert_int_eq(config.file.log_level, LOG_ERR);
	ck_assert(config.file.has_source_ipv4 && config.file.has_source_ipv6);
	ck_assert(config.file.has_entropy_ipv4 && config.file.has_entropy_ipv6);
	ck_assert_uint_eq(config.file.entropy_ipv4.bits, 96 + 10);
	ck_assert_uint_eq(config.file.entropy_ipv4.address.bytes[13], 64);
	ck_assert_uint_eq(config.file.entropy_ipv6.bits, 64);
	ck_assert_uint_eq(config.file.icmp_rate, 1000000);
	ck_assert_uint_eq(config.file.icmp_burst, 10000);
	ck_assert_uint_eq(config.file.limits.rows, 251);
	ck_assert_uint_eq(config.file.limits.fragments, 2048); /* a power of two */
	ck_assert_uint_eq(config.port_count, 2);
	ck_assert(config.ports[0].is_generic && !config.ports[1].is_generic);
	ck_assert_str_eq(config.ports[1].interface, "e2");
	ck_assert_uint_eq(config.ports[0].common.tag[0], FL_TAG_NONE);
	ck_assert_uint_eq(config.ports[1].common.tag[0], fl_tag(0x8100, 7));
	ck_assert_uint_eq(config.ports[1].common.tag[1], FL_TAG_NONE);
}
END_TEST

START_TEST(test_xdp_config_takes_entropy_in_its_bounds)
{
	static const char *const good[] = { "'encap_entropy_ipv4':'10.0.0.0/8'",
					    "'encap_entropy_ipv4':'10.0.0.4/30'",
					    "'encap_entropy_ipv6':'fd00::/32'",
					    "'encap_entropy_ipv6':'fd00::4/126'" };
	static const char *const bad[] = {
		"'encap_entropy_ipv4':'10.0.0.0/7'",  "'encap_entropy_ipv4':'10.0.0.4/31'",
		"'encap_entropy_ipv4':'10.0.0.1/24'", "'encap_entropy_ipv4':'10.0.0.1'",
		"'encap_entropy_ipv4':'fd00::/64'",   "'encap_entropy_ipv4':'224.0.0.0/8'",
		"'encap_entropy_ipv6':'fd00::/31'",   "'encap_entropy_ipv6':'fd00::4/127'",
		"'encap_entropy_ipv6':'fd00::1/64'",  "'encap_entropy_ipv6':'10.0.0.0/24'",
		"'encap_entropy_ipv6':'ff00::/64'",   "'encap_entropy_ipv6':'fd00::'",
		"'encap_entropy_ipv6':'fd00::/64 '",
	};

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_str_eq(parse_with(good[i]), "");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *pointer = parse_with(bad[i]);

		ck_assert_msg(strncmp(pointer + 1, bad[i] + 1, 18) == 0, "%s: %s", bad[i], pointer);
	}
	ck_assert_int_eq(
		parse(HEAD "'encap_source_ipv6':'fd00::5','encap_entropy_ipv4':'10.0.0.0/8'," PORTS
			   "}"),
		-EINVAL);
	ck_assert_str_eq(errors.items[0].pointer, "/encap_entropy_ipv4");
}
END_TEST

START_TEST(test_xdp_config_knows_its_numbers)
{
	ck_assert_str_eq(parse_with("'icmp_rate':0"), "/icmp_rate");
	ck_assert_str_eq(parse_with("'icmp_rate':1000001"), "/icmp_rate");
	ck_assert_str_eq(parse_with("'icmp_burst':0"), "/icmp_burst");
	ck_assert_str_eq(parse_with("'icmp_burst':10001"), "/icmp_burst");
	ck_assert_str_eq(parse_with("'limits':{'fragments':7}"), "/limits/fragments");
	ck_assert_str_eq(parse_with("'limits':{'fragments':1048577}"), "/limits/fragments");
	ck_assert_str_eq(parse_with("'limits':{'fragments':8}"), "");
	ck_assert_uint_eq(config.file.limits.fragments, 8);
	ck_assert_str_eq(parse_with("'limits':{'fragments':1048576}"), "");
	ck_assert_uint_eq(config.file.limits.fragments, 1048576);
	ck_assert_str_eq(parse_with("'cores':{}"), "/cores"); /* of the other plane */
}
END_TEST

START_TEST(test_xdp_config_reads_tags)
{
	static const char *const bad[] = { "'vlan':0",	   "'vlan':4095",     "'vlan':'drop'",
					   "'vlan':[]",	   "'vlan':[1]",      "'vlan':[1,2,3]",
					   "'vlan':[1,0]", "'vlan':[4095,1]", "'vlan':true",
					   "'vlan':null",  "'vlan':'1'",      "'vlan':[1,'2']" };

	ck_assert_str_eq(parse_port_with("'vlan':'keep'"), "");
	ck_assert_uint_eq(config.ports[0].common.tag[0], FL_TAG_KEEP);
	ck_assert_str_eq(parse_port_with("'vlan':'none'"), "");
	ck_assert_uint_eq(config.ports[0].common.tag[0], FL_TAG_NONE);
	ck_assert_str_eq(parse_port_with("'vlan':4094"), "");
	ck_assert_uint_eq(config.ports[0].common.tag[0], fl_tag(0x8100, 4094));
	ck_assert_uint_eq(config.ports[0].common.tag[1], FL_TAG_NONE);
	ck_assert_str_eq(parse_port_with("'vlan':[1,2]"), "");
	ck_assert_uint_eq(config.ports[0].common.tag[0], fl_tag(0x88a8, 1));
	ck_assert_uint_eq(config.ports[0].common.tag[1], fl_tag(0x8100, 2));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(strcmp(parse_port_with(bad[i]), "/ports/0/vlan") == 0, "%s", bad[i]);
}
END_TEST

START_TEST(test_xdp_config_locates_errors)
{
	ck_assert_int_eq(parse(HEAD SRC "\n 'ports':[{'name':'a',\n  'interface':'a/b'}]}"),
			 -EINVAL);
	ck_assert_uint_eq(errors.count, 1);
	ck_assert_str_eq(errors.items[0].pointer, "/ports/0/interface");
	ck_assert_uint_eq(errors.items[0].line, 3);
	ck_assert_int_eq(parse("{"), -EBADMSG);
	ck_assert_int_eq(parse("7"), -EINVAL);
}
END_TEST

START_TEST(test_xdp_config_survives_every_cut)
{
	static const char whole[] = HEAD SRC "'limits':{'vips':3}," PORTS "}";
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
	const TTest *const tests[] = { test_xdp_config_fills_in_defaults,
				       test_xdp_config_reads_every_member,
				       test_xdp_config_takes_entropy_in_its_bounds,
				       test_xdp_config_knows_its_numbers,
				       test_xdp_config_reads_tags,
				       test_xdp_config_locates_errors,
				       test_xdp_config_survives_every_cut,
				       NULL };

	return run_tests("xdp_config", tests);
}
