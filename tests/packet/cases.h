/* SPDX-License-Identifier: BSD-2-Clause */
/* Written by make_cases.py, which says how; do not edit. Included by case_table.c alone. */
static const char case_key[] = "8f14e45fceea167a5a36dedd4bea2543";
static const char case_source_ipv4[] = "10.1.0.5";
static const char case_source_ipv6[] = "2001:db8:1::5";

/* Params of plane.prepare, with ' for ". */
static const char case_state[] =
	"{'generation':1,'full':true,'vips':["
	"{'address':'192.0.2.10','port':80,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'10.1.1.11','weight':100}]},"
	"{'address':'192.0.2.10','port':53,'protocol':'udp','table_size':251,"
	"'backends':[{'address':'10.1.1.12','weight':100}]},"
	"{'address':'192.0.2.11','port':443,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'2001:db8:1:1::11','weight':100}]},"
	"{'address':'192.0.2.11','port':53,'protocol':'udp','table_size':251,"
	"'backends':[{'address':'2001:db8:1:2::13','weight':100}]},"
	"{'address':'2001:db8:2::10','port':80,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'10.1.1.13','weight':100}]},"
	"{'address':'2001:db8:2::10','port':53,'protocol':'udp','table_size':251,"
	"'backends':[{'address':'10.1.2.14','weight':100}]},"
	"{'address':'2001:db8:2::11','port':443,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'2001:db8:1:2::12','weight':100}]},"
	"{'address':'2001:db8:2::11','port':53,'protocol':'udp','table_size':251,"
	"'backends':[{'address':'2001:db8:1:1::14','weight':100}]},"
	"{'address':'192.0.2.13','port':80,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'10.1.9.9','weight':100}]},"
	"{'address':'2001:db8:2::13','port':80,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'2001:db8:1:9::9','weight':100}]},"
	"{'address':'192.0.2.14','port':1,'protocol':'udp','table_size':251,"
	"'backends':[{'address':'10.1.1.15','weight':100}]},"
	"{'address':'192.0.2.14','port':65535,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'10.1.2.16','weight':100}]},"
	"{'address':'192.0.2.15','port':80,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'10.1.1.31','weight':0},{'address':'10.1.1.32','weight':1}]},"
	"{'address':'192.0.2.18','port':80,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'10.1.1.18','weight':100}]},"
	"{'address':'192.0.2.19','port':80,'protocol':'tcp','table_size':251,"
	"'backends':[{'address':'10.1.1.19','weight':100}]},"
	"{'address':'192.0.2.20','port':80,'protocol':'tcp','table_size':4093,"
	"'backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'"
	"address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]},"
	"{'address':'2001:db8:2::20','port':53,'protocol':'udp','table_size':65537,"
	"'backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'"
	"address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]}"
	"]}";

static const struct case_port case_ports[] = {
	{ "02:00:00:00:00:01", 1500, "02:00:00:00:01:01", { "10.1.1.0/24", "2001:db8:1:1::/64" } },
	{ "02:00:00:00:00:02", 1400, "02:00:00:00:01:02", { "10.1.2.0/24", "2001:db8:1:2::/64" } },
};

/* Row r of these VIPs belongs to case_pattern_owners[r % 5], NULL: to nobody. */
static const char *const case_pattern_vips[] = { "192.0.2.20:80/tcp", "[2001:db8:2::20]:53/udp" };
static const char *const case_pattern_owners[5] = { "10.1.1.21", "10.1.1.22", "10.1.1.23",
						    "10.1.1.24", NULL };

/* Its backends' slots are made dead. */
static const char case_dead_vip[] = "192.0.2.18:80/tcp";
/* Its rows are made to name a slot that it does not have. */
static const char case_beyond_vip[] = "192.0.2.19:80/tcp";

#include "cases_forwarded.h"
#include "cases_other.h"
