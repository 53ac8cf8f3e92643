/* SPDX-License-Identifier: BSD-2-Clause */
/* Written by make_cases.py, which says how; do not edit. Included by case_table.c alone. */
/* clang-format off */
static const char case_key[] = "8f14e45fceea167a5a36dedd4bea2543";
static const char case_source_ipv4[] = "10.1.0.5";
static const char case_source_ipv6[] = "2001:db8:1::5";

/* `vips` of plane.prepare, with ' for ". */
static const char *const case_vips[] = {
	"{'address':'192.0.2.10','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.11','weight':100}]}",
	"{'address':'192.0.2.10','port':53,'protocol':'udp','table_size':251,'backends':[{'address':'10.1.1.12','weight':100}]}",
	"{'address':'192.0.2.11','port':443,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::11','weight':100}]}",
	"{'address':'192.0.2.11','port':53,'protocol':'udp','table_size':251,'backends':[{'address':'2001:db8:1:2::13','weight':100}]}",
	"{'address':'2001:db8:2::10','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.13','weight':100}]}",
	"{'address':'2001:db8:2::10','port':53,'protocol':'udp','table_size':251,'backends':[{'address':'10.1.2.14','weight':100}]}",
	"{'address':'2001:db8:2::11','port':443,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:2::12','weight':100}]}",
	"{'address':'2001:db8:2::11','port':53,'protocol':'udp','table_size':251,'backends':[{'address':'2001:db8:1:1::14','weight':100}]}",
	"{'address':'192.0.2.13','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.99.9','weight':100}]}",
	"{'address':'2001:db8:2::13','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:99::9','weight':100}]}",
	"{'address':'192.0.2.13','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.99.10','weight':100}]}",
	"{'address':'2001:db8:2::13','port':53,'protocol':'udp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:99::10','weight':100}]}",
	"{'address':'192.0.2.14','port':1,'protocol':'udp','table_size':251,'backends':[{'address':'10.1.1.15','weight':100}]}",
	"{'address':'192.0.2.14','port':65535,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.2.16','weight':100}]}",
	"{'address':'192.0.2.15','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.31','weight':0},{'address':'10.1.1.32','weight':1}]}",
	"{'address':'192.0.2.18','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.18','weight':100}]}",
	"{'address':'192.0.2.19','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.19','weight':100}]}",
	"{'address':'192.0.2.20','port':80,'protocol':'tcp','table_size':4093,'backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]}",
	"{'address':'2001:db8:2::20','port':53,'protocol':'udp','table_size':65537,'backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]}",
	"{'address':'192.0.2.45','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'forward','mode':'gue','backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]}",
	"{'address':'192.0.2.30','port':80,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'10.1.1.33','weight':100}]}",
	"{'address':'192.0.2.30','port':53,'protocol':'udp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:1::33','weight':100}]}",
	"{'address':'2001:db8:2::30','port':80,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'10.1.1.34','weight':100}]}",
	"{'address':'2001:db8:2::30','port':53,'protocol':'udp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:1::34','weight':100}]}",
	"{'address':'192.0.2.31','port':80,'protocol':'tcp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.1.35','weight':100}]}",
	"{'address':'192.0.2.31','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'2001:db8:1:1::35','weight':100}]}",
	"{'address':'2001:db8:2::31','port':80,'protocol':'tcp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.1.36','weight':100}]}",
	"{'address':'2001:db8:2::31','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'2001:db8:1:1::36','weight':100}]}",
	"{'address':'192.0.2.37','port':80,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'10.1.2.37','weight':100}]}",
	"{'address':'192.0.2.37','port':53,'protocol':'udp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:2::37','weight':100}]}",
	"{'address':'2001:db8:2::37','port':80,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'10.1.2.38','weight':100}]}",
	"{'address':'2001:db8:2::37','port':53,'protocol':'udp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:2::38','weight':100}]}",
	"{'address':'192.0.2.38','port':80,'protocol':'tcp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.2.39','weight':100}]}",
	"{'address':'192.0.2.38','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'2001:db8:1:2::39','weight':100}]}",
	"{'address':'2001:db8:2::38','port':80,'protocol':'tcp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.2.40','weight':100}]}",
	"{'address':'2001:db8:2::38','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'2001:db8:1:2::40','weight':100}]}",
	"{'address':'192.0.2.32','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.3.11','weight':100}]}",
	"{'address':'2001:db8:2::32','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:3::11','weight':100}]}",
	"{'address':'192.0.2.32','port':443,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:3::12','weight':100}]}",
	"{'address':'2001:db8:2::32','port':443,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'10.1.3.12','weight':100}]}",
	"{'address':'192.0.2.32','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.3.13','weight':100}]}",
	"{'address':'2001:db8:2::32','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'2001:db8:1:3::13','weight':100}]}",
	"{'address':'192.0.2.33','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.4.11','weight':100}]}",
	"{'address':'2001:db8:2::33','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:4::11','weight':100}]}",
	"{'address':'192.0.2.33','port':443,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:4::12','weight':100}]}",
	"{'address':'2001:db8:2::33','port':443,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'10.1.4.12','weight':100}]}",
	"{'address':'192.0.2.33','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.4.13','weight':100}]}",
	"{'address':'2001:db8:2::33','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'2001:db8:1:4::13','weight':100}]}",
	"{'address':'192.0.2.34','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.5.11','weight':100}]}",
	"{'address':'2001:db8:2::34','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:5::11','weight':100}]}",
	"{'address':'192.0.2.34','port':443,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:5::12','weight':100}]}",
	"{'address':'2001:db8:2::34','port':443,'protocol':'tcp','table_size':251,'mode':'gue','backends':[{'address':'10.1.5.12','weight':100}]}",
	"{'address':'192.0.2.34','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.5.13','weight':100}]}",
	"{'address':'2001:db8:2::34','port':53,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'2001:db8:1:5::13','weight':100}]}",
	"{'address':'2001:db8:2::35','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.6.11','weight':100}]}",
	"{'address':'2001:db8:2::35','port':443,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:6::12','weight':100}]}",
	"{'address':'2001:db8:2::35','port':53,'protocol':'udp','table_size':251,'mode':'gue','backends':[{'address':'10.1.6.13','weight':100}]}",
	"{'address':'2001:db8:2::35','port':54,'protocol':'udp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:6::14','weight':100}]}",
	"{'address':'2001:db8:2::35','port':55,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.6.15','weight':100}]}",
	"{'address':'192.0.2.36','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.7.11','weight':100}]}",
	"{'address':'192.0.2.36','port':443,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:7::12','weight':100}]}",
	"{'address':'192.0.2.36','port':53,'protocol':'udp','table_size':251,'mode':'gue','backends':[{'address':'10.1.7.13','weight':100}]}",
	"{'address':'192.0.2.36','port':54,'protocol':'udp','table_size':251,'mode':'gue','backends':[{'address':'2001:db8:1:7::14','weight':100}]}",
	"{'address':'192.0.2.36','port':55,'protocol':'udp','table_size':251,'mode':'l2dsr','backends':[{'address':'10.1.7.15','weight':100}]}",
	"{'address':'192.0.2.40','port':80,'protocol':'tcp','table_size':251,'fragments':'drop','backends':[{'address':'10.1.1.70','weight':100}]}",
	"{'address':'192.0.2.40','port':53,'protocol':'udp','table_size':251,'fragments':'follow','backends':[{'address':'10.1.1.71','weight':100}]}",
	"{'address':'192.0.2.41','port':443,'protocol':'tcp','table_size':251,'icmp_echo':'forward','backends':[{'address':'10.1.1.72','weight':100}]}",
	"{'address':'192.0.2.41','port':80,'protocol':'udp','table_size':251,'icmp_echo':'forward','backends':[{'address':'10.1.1.73','weight':100}]}",
	"{'address':'192.0.2.41','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'forward','backends':[{'address':'10.1.1.74','weight':100}]}",
	"{'address':'192.0.2.42','port':53,'protocol':'udp','table_size':251,'icmp_echo':'forward','mode':'gue','backends':[{'address':'10.1.1.75','weight':100}]}",
	"{'address':'192.0.2.43','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'forward','mode':'l2dsr','backends':[{'address':'10.1.1.76','weight':100}]}",
	"{'address':'192.0.2.46','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'host','backends':[{'address':'10.1.1.77','weight':100}]}",
	"{'address':'192.0.2.47','port':80,'protocol':'tcp','table_size':251,'no_backend':'drop','backends':[{'address':'10.1.1.78','weight':0},{'address':'10.1.1.79','weight':0}]}",
	"{'address':'192.0.2.47','port':53,'protocol':'udp','table_size':251,'no_backend':'host','backends':[{'address':'10.1.1.78','weight':0}]}",
	"{'address':'192.0.2.48','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'forward','backends':[{'address':'10.1.1.78','weight':0}]}",
	"{'address':'192.0.2.49','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'forward','no_backend':'host','backends':[{'address':'10.1.1.78','weight':0}]}",
	"{'address':'192.0.2.50','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.80','weight':100}]}",
	"{'address':'192.0.2.50','port':'8000-8999','protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.81','weight':100}]}",
	"{'address':'192.0.2.50','port':'9000-9001','protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.82','weight':100}]}",
	"{'address':'192.0.2.50','port':'any','protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.83','weight':100}]}",
	"{'address':'192.0.2.50','port':0,'protocol':'udp','table_size':251,'backends':[{'address':'10.1.1.84','weight':100}]}",
	"{'address':'192.0.2.50','port':'1-65534','protocol':'udp','table_size':251,'backends':[{'address':'10.1.1.85','weight':100}]}",
	"{'address':'192.0.2.51','port':8500,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.86','weight':100}]}",
	"{'address':'192.0.2.51','port':'0-65535','protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.87','weight':100}]}",
	"{'address':'192.0.2.51','port':0,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.88','weight':100}]}",
	"{'address':'192.0.2.53','port':6080,'protocol':'udp','table_size':251,'backends':[{'address':'10.1.1.89','weight':100}]}",
	"{'address':'2001:db8:2::40','port':80,'protocol':'tcp','table_size':251,'fragments':'drop','backends':[{'address':'2001:db8:1:1::70','weight':100}]}",
	"{'address':'2001:db8:2::40','port':53,'protocol':'udp','table_size':251,'fragments':'follow','backends':[{'address':'2001:db8:1:1::71','weight':100}]}",
	"{'address':'2001:db8:2::41','port':443,'protocol':'tcp','table_size':251,'icmp_echo':'forward','backends':[{'address':'2001:db8:1:1::72','weight':100}]}",
	"{'address':'2001:db8:2::41','port':80,'protocol':'udp','table_size':251,'icmp_echo':'forward','backends':[{'address':'2001:db8:1:1::73','weight':100}]}",
	"{'address':'2001:db8:2::41','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'forward','backends':[{'address':'2001:db8:1:1::74','weight':100}]}",
	"{'address':'2001:db8:2::42','port':53,'protocol':'udp','table_size':251,'icmp_echo':'forward','mode':'gue','backends':[{'address':'2001:db8:1:1::75','weight':100}]}",
	"{'address':'2001:db8:2::43','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'forward','mode':'l2dsr','backends':[{'address':'2001:db8:1:1::76','weight':100}]}",
	"{'address':'2001:db8:2::46','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'host','backends':[{'address':'2001:db8:1:1::77','weight':100}]}",
	"{'address':'2001:db8:2::47','port':80,'protocol':'tcp','table_size':251,'no_backend':'drop','backends':[{'address':'2001:db8:1:1::78','weight':0},{'address':'2001:db8:1:1::79','weight':0}]}",
	"{'address':'2001:db8:2::47','port':53,'protocol':'udp','table_size':251,'no_backend':'host','backends':[{'address':'2001:db8:1:1::78','weight':0}]}",
	"{'address':'2001:db8:2::48','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'forward','backends':[{'address':'2001:db8:1:1::78','weight':0}]}",
	"{'address':'2001:db8:2::49','port':80,'protocol':'tcp','table_size':251,'icmp_echo':'forward','no_backend':'host','backends':[{'address':'2001:db8:1:1::78','weight':0}]}",
	"{'address':'2001:db8:2::50','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::80','weight':100}]}",
	"{'address':'2001:db8:2::50','port':'8000-8999','protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::81','weight':100}]}",
	"{'address':'2001:db8:2::50','port':'9000-9001','protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::82','weight':100}]}",
	"{'address':'2001:db8:2::50','port':'any','protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::83','weight':100}]}",
	"{'address':'2001:db8:2::50','port':0,'protocol':'udp','table_size':251,'backends':[{'address':'2001:db8:1:1::84','weight':100}]}",
	"{'address':'2001:db8:2::50','port':'1-65534','protocol':'udp','table_size':251,'backends':[{'address':'2001:db8:1:1::85','weight':100}]}",
	"{'address':'2001:db8:2::51','port':8500,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::86','weight':100}]}",
	"{'address':'2001:db8:2::51','port':'0-65535','protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::87','weight':100}]}",
	"{'address':'2001:db8:2::51','port':0,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::88','weight':100}]}",
	"{'address':'2001:db8:2::53','port':6080,'protocol':'udp','table_size':251,'backends':[{'address':'2001:db8:1:1::89','weight':100}]}",
	"{'address':'20.0.0.0/8','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.51','weight':100}]}",
	"{'address':'20.1.0.0/16','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.52','weight':100}]}",
	"{'address':'20.1.16.0/20','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.53','weight':100}]}",
	"{'address':'20.1.17.0/24','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.54','weight':100}]}",
	"{'address':'20.1.17.16/28','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.55','weight':100}]}",
	"{'address':'20.1.17.16/30','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.56','weight':100}]}",
	"{'address':'20.1.17.16/31','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.57','weight':100}]}",
	"{'address':'20.1.17.16','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.58','weight':100}]}",
	"{'address':'20.0.0.0/8','port':'any','protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.61','weight':100}]}",
	"{'address':'20.1.0.0/16','port':443,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.62','weight':100}]}",
	"{'address':'20.1.17.0/24','port':'8000-8999','protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.63','weight':100}]}",
	"{'address':'20.1.17.0/24','port':'any','protocol':'udp','table_size':251,'backends':[{'address':'10.1.1.64','weight':100}]}",
	"{'address':'20.1.17.16/28','port':'any','protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.65','weight':100}]}",
	"{'address':'20.1.17.16/28','port':8443,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.66','weight':100}]}",
	"{'address':'20.1.17.16','port':443,'protocol':'tcp','table_size':251,'backends':[{'address':'10.1.1.67','weight':100}]}",
	"{'address':'3fff::/16','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::51','weight':100}]}",
	"{'address':'3fff:1::/32','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::52','weight':100}]}",
	"{'address':'3fff:1:1::/48','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::53','weight':100}]}",
	"{'address':'3fff:1:1:1::/64','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::54','weight':100}]}",
	"{'address':'3fff:1:1:1:1::/80','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::55','weight':100}]}",
	"{'address':'3fff:1:1:1:1:1::/96','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::56','weight':100}]}",
	"{'address':'3fff:1:1:1:1:1:1:0/127','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::57','weight':100}]}",
	"{'address':'3fff:1:1:1:1:1:1:0','port':80,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::58','weight':100}]}",
	"{'address':'3fff::/16','port':'any','protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::61','weight':100}]}",
	"{'address':'3fff:1::/32','port':443,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::62','weight':100}]}",
	"{'address':'3fff:1:1:1::/64','port':'8000-8999','protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::63','weight':100}]}",
	"{'address':'3fff:1:1:1::/64','port':'any','protocol':'udp','table_size':251,'backends':[{'address':'2001:db8:1:1::64','weight':100}]}",
	"{'address':'3fff:1:1:1:1::/80','port':'any','protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::65','weight':100}]}",
	"{'address':'3fff:1:1:1:1::/80','port':8443,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::66','weight':100}]}",
	"{'address':'3fff:1:1:1:1:1:1:0','port':443,'protocol':'tcp','table_size':251,'backends':[{'address':'2001:db8:1:1::67','weight':100}]}",
	"{'address':'192.0.2.60','port':80,'protocol':'tcp','table_size':251,'window_s':5,'hold_s':3,'mode':'ipip','icmp_echo':'answer','no_backend':'drop','backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]}",
	"{'address':'192.0.2.61','port':80,'protocol':'tcp','table_size':251,'window_s':900,'hold_s':3,'mode':'ipip','icmp_echo':'answer','no_backend':'drop','backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]}",
	"{'address':'2001:db8:2::60','port':53,'protocol':'udp','table_size':251,'window_s':60,'hold_s':3,'mode':'ipip','icmp_echo':'answer','no_backend':'drop','backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]}",
	"{'address':'2001:db8:2::61','port':443,'protocol':'tcp','table_size':251,'window_s':900,'hold_s':0,'mode':'gue','icmp_echo':'answer','no_backend':'host','backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]}",
	"{'address':'192.0.2.62','port':80,'protocol':'tcp','table_size':251,'window_s':86400,'hold_s':300,'mode':'ipip','icmp_echo':'forward','no_backend':'drop','backends':[{'address':'10.1.1.21','weight':100},{'address':'10.1.1.22','weight':100},{'address':'10.1.1.23','weight':100},{'address':'10.1.1.24','weight':100}]}",
};

static const struct case_port case_ports[] = {
	{ .mac = "02:00:00:00:00:01", .mtu = 1500, .gateway_mac = "02:00:00:00:01:01", .prefixes = { "10.1.1.0/24", "2001:db8:1:1::/64" }, .vlan = "keep" },
	{ .mac = "02:00:00:00:00:02", .mtu = 1400, .gateway_mac = "02:00:00:00:01:02", .prefixes = { "10.1.2.0/24", "2001:db8:1:2::/64" }, .vlan = "keep" },
	{ .mac = "02:00:00:00:00:03", .mtu = 1500, .gateway_mac = "02:00:00:00:01:03", .prefixes = { "10.1.3.0/24", "2001:db8:1:3::/64" }, .vlan = "5" },
	{ .mac = "02:00:00:00:00:04", .mtu = 1500, .gateway_mac = "02:00:00:00:01:04", .prefixes = { "10.1.4.0/24", "2001:db8:1:4::/64" }, .vlan = "7,8" },
	{ .mac = "02:00:00:00:00:05", .mtu = 1500, .gateway_mac = "02:00:00:00:01:05", .prefixes = { "10.1.5.0/24", "2001:db8:1:5::/64" }, .vlan = "none" },
	{ .mac = "02:00:00:00:00:06", .mtu = 1320, .gateway_mac = "02:00:00:00:01:06", .prefixes = { "10.1.6.0/24", "2001:db8:1:6::/64" }, .vlan = "keep" },
	{ .mac = "02:00:00:00:00:07", .mtu = 88, .gateway_mac = "02:00:00:00:01:07", .prefixes = { "10.1.7.0/24", "2001:db8:1:7::/64" }, .vlan = "keep" },
};

/* What else the plane is configured with, by world. */
static const struct case_world case_worlds[] = {
	{ 0 },
	{ .entropy_ipv4 = "172.16.0.0/16", .entropy_ipv6 = "2001:db8:e::/64" },
};

/* Row r of these VIPs belongs to case_pattern_owners[r % 5], NULL: to nobody. */
static const char *const case_pattern_vips[] = { "192.0.2.20:80/tcp", "[2001:db8:2::20]:53/udp", "192.0.2.45:80/tcp", "192.0.2.60:80/tcp", "192.0.2.61:80/tcp", "[2001:db8:2::60]:53/udp", "[2001:db8:2::61]:443/tcp", "192.0.2.62:80/tcp" };
static const char *const case_pattern_owners[5] = { "10.1.1.21", "10.1.1.22", "10.1.1.23", "10.1.1.24", NULL };

/* Its backends' slots are made dead. */
static const char case_dead_vip[] = "192.0.2.18:80/tcp";
/* Its rows are made to name a slot that it does not have. */
static const char case_beyond_vip[] = "192.0.2.19:80/tcp";

/* VIPs whose rows remember. */
static const char *const case_row_vips[] = {
	"192.0.2.60:80/tcp",
	"192.0.2.61:80/tcp",
	"[2001:db8:2::60]:53/udp",
	"[2001:db8:2::61]:443/tcp",
	"192.0.2.62:80/tcp",
};

#include "cases_forward.h"
#include "cases_fields.h"
#include "cases_kinds.h"
#include "cases_tags.h"
#include "cases_entropy.h"
#include "cases_fragment_1.h"
#include "cases_fragment_2.h"
#include "cases_extension.h"
#include "cases_echo_1.h"
#include "cases_echo_2.h"
#include "cases_icmp_1.h"
#include "cases_icmp_2.h"
#include "cases_big_1.h"
#include "cases_big_2.h"
#include "cases_refused.h"
#include "cases_source_1.h"
#include "cases_source_2.h"
#include "cases_group_1.h"
#include "cases_group_2.h"
#include "cases_rows_1.h"
#include "cases_rows_2.h"
#include "cases_rows_3.h"
#include "cases_rows_4.h"
#include "cases_rows_5.h"
#include "cases_rows_6.h"
#include "cases_rows_7.h"
#include "cases_rows_8.h"
#include "cases_rows_9.h"

static const struct case_set case_sets[] = {
	{ cases_forward, 78, 0, NULL },
	{ cases_fields, 138, 0, NULL },
	{ cases_kinds, 88, 0, NULL },
	{ cases_tags, 76, 0, NULL },
	{ cases_entropy, 92, 1, NULL },
	{ cases_fragment_1, 225, 0, NULL },
	{ cases_fragment_2, 32, 0, NULL },
	{ cases_extension, 180, 0, NULL },
	{ cases_echo_1, 225, 0, NULL },
	{ cases_echo_2, 25, 0, NULL },
	{ cases_icmp_1, 225, 0, NULL },
	{ cases_icmp_2, 50, 0, NULL },
	{ cases_big_1, 225, 0, NULL },
	{ cases_big_2, 24, 0, NULL },
	{ cases_refused, 192, 0, NULL },
	{ cases_source_1, 225, 0, NULL },
	{ cases_source_2, 27, 0, NULL },
	{ cases_group_1, 225, 0, NULL },
	{ cases_group_2, 63, 0, NULL },
	{ cases_rows_1, 113, 0, tracks_rows_1 },
	{ cases_rows_2, 113, 0, tracks_rows_2 },
	{ cases_rows_3, 113, 0, tracks_rows_3 },
	{ cases_rows_4, 113, 0, tracks_rows_4 },
	{ cases_rows_5, 113, 0, tracks_rows_5 },
	{ cases_rows_6, 113, 0, tracks_rows_6 },
	{ cases_rows_7, 113, 0, tracks_rows_7 },
	{ cases_rows_8, 113, 0, tracks_rows_8 },
	{ cases_rows_9, 89, 0, tracks_rows_9 },
};
