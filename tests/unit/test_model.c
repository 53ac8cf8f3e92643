/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: an edit or a new configuration makes exactly the state that was asked for, keeps what was
 * set while running, and the plan between two states names what planes must be told and no more.
 * Method: small states before and after, each consequence looked up.
 */
#include "config_text.h"
#include "model_view.h"

#include <errno.h>

#define TWO_BACKENDS                                                                             \
	"{\"address\":\"198.51.100.7\",\"name\":\"b1\"},{\"address\":\"198.51.100.8\",\"name\":" \
	"\"b2\",\"weight\":50}"
#define DNS(backends)                                                                   \
	"{\"name\":\"dns\",\"address\":\"192.0.2.2\",\"port\":53,\"protocol\":\"udp\"," \
	"\"backends\":[" backends "]}"

static struct json_errors errors;

/* The state after an edit that must succeed; frees the one before. */
static struct config *
edited(struct config *from, const struct model_edit *edit)
{
	struct config *to = NULL;

	errors.count = 0;
	ck_assert_int_eq(model_edit(from, edit, &to, &errors), 0);
	config_destroy(from);
	return to;
}

static uint32_t
plan_count(const struct config *from, const struct config *to)
{
	struct model_plan *plan = NULL;
	uint32_t count;

	ck_assert_int_eq(model_plan(from, to, &plan), 0);
	count = plan->count;
	model_plan_destroy(plan);
	return count;
}

START_TEST(test_model_drain_and_undrain_in_every_vip)
{
	struct config *config =
		config_text_good(CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS) "," DNS(TWO_BACKENDS)));

	config = edited(config, &(struct model_edit){ .kind = MODEL_DRAIN, .backend = "b1" });
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[0]), 0);
	ck_assert_uint_eq(model_weight(&config->vips[1].backends[0]), 0);
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[1]), 50);
	ck_assert_str_eq(model_admin(&config->vips[0].backends[0]), "drained");

	config = edited(config, &(struct model_edit){ .kind = MODEL_UNDRAIN,
						      .backend = "198.51.100.7",
						      .vip = "dns" });
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[0]), 0);
	ck_assert_uint_eq(model_weight(&config->vips[1].backends[0]), 100);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_weight_lasts_through_a_drain)
{
	struct config *config = config_text_good(CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS)));
	struct config_backend *backend;

	config = edited(config,
			&(struct model_edit){ .kind = MODEL_WEIGHT, .backend = "b1", .weight = 7 });
	config = edited(config, &(struct model_edit){ .kind = MODEL_DRAIN, .backend = "b1" });
	config = edited(config, &(struct model_edit){ .kind = MODEL_UNDRAIN, .backend = "b1" });
	backend = &config->vips[0].backends[0];
	ck_assert_uint_eq(model_weight(backend), 7);
	ck_assert_uint_eq(backend->weight, 100);

	config = edited(config, &(struct model_edit){
					.kind = MODEL_WEIGHT, .backend = "b1", .weight = 100 });
	ck_assert(!config->vips[0].backends[0].reweighted);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_keeps_the_last_backend_unless_forced)
{
	struct config *config = config_text_good(CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS)));
	struct config *to = NULL;
	struct model_edit edit = { .kind = MODEL_WEIGHT, .backend = "b2" };

	config = edited(config, &(struct model_edit){ .kind = MODEL_DRAIN, .backend = "b1" });
	errors.count = 0;
	ck_assert_int_eq(model_edit(config, &edit, &to, &errors), -EPERM);
	ck_assert_ptr_null(to);
	ck_assert_str_eq(errors.items[0].code, "last_backend");
	edit.force = true;
	config = edited(config, &edit);
	ck_assert_uint_eq(model_weight(&config->vips[0].backends[1]), 0);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_edit_says_what_is_not_there)
{
	struct config *config = config_text_good(CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS)));
	struct config *to = NULL;

	errors.count = 0;
	ck_assert_int_eq(model_edit(config, &(struct model_edit){ .backend = "b3" }, &to, &errors),
			 -ENOENT);
	ck_assert_str_eq(errors.items[0].code, "unknown_backend");
	errors.count = 0;
	ck_assert_int_eq(model_edit(config, &(struct model_edit){ .backend = "b1", .vip = "x" },
				    &to, &errors),
			 -ENOENT);
	ck_assert_str_eq(errors.items[0].code, "unknown_vip");
	ck_assert_ptr_null(to);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_plan_names_changes_only)
{
	struct config *from =
		config_text_good(CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS) "," DNS(TWO_BACKENDS)));
	/* dns goes, web has another weight, a third comes. */
	struct config *to = config_text_good(CONFIG_TEXT(CONFIG_WEB(
		"{\"address\":\"198.51.100.7\",\"weight\":9},{\"address\":\"198.51.100.8\","
		"\"weight\":50}") ",{\"address\":\"192.0.2.3\",\"port\":1,\"protocol\":\"tcp\","
				  "\"backends\":[{\"address\":\"198.51.100.7\"}]}"));
	struct model_plan *plan = NULL;

	ck_assert_int_eq(model_plan(from, to, &plan), 0);
	ck_assert_uint_eq(plan->count, 3);
	ck_assert_int_eq(plan->changes[0].kind, MODEL_CHANGED);
	ck_assert_uint_eq(plan->changes[0].from, 0);
	ck_assert_uint_eq(plan->changes[0].to, 0);
	ck_assert_int_eq(plan->changes[1].kind, MODEL_ADDED);
	ck_assert_uint_eq(plan->changes[1].to, 1);
	ck_assert_int_eq(plan->changes[2].kind, MODEL_REMOVED);
	ck_assert_uint_eq(plan->changes[2].from, 1);
	model_plan_destroy(plan);
	config_destroy(from);
	config_destroy(to);
}
END_TEST

START_TEST(test_model_plan_ignores_order_and_names)
{
	struct config *from = config_text_good(CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS)));
	struct config *to = config_text_good(CONFIG_TEXT(
		"{\"name\":\"renamed\",\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\","
		"\"backends\":[{\"address\":\"198.51.100.8\",\"weight\":50},"
		"{\"address\":\"198.51.100.7\"}]}"));

	ck_assert_uint_eq(plan_count(from, to), 0);
	ck_assert_uint_eq(plan_count(from, from), 0);
	/* As many backends, but another one. */
	to->vips[0].backends[0].address.bytes[15]++;
	ck_assert_uint_eq(plan_count(from, to), 1);
	config_destroy(from);
	config_destroy(to);
}
END_TEST

#define NET(port, members)                                                              \
	"{\"address\":\"192.0.2.0/24\",\"port\":" port ",\"protocol\":\"tcp\"," members \
	"\"backends\":[{\"address\":\"198.51.100.7\"}]}"

START_TEST(test_model_plan_takes_each_policy_for_a_change)
{
	static const char *const texts[] = {
		CONFIG_TEXT(NET("\"any\"", "\"mode\":\"gue\",")),
		CONFIG_TEXT(NET("\"any\"", "\"fragments\":\"drop\",")),
		CONFIG_TEXT(NET("\"any\"", "\"icmp_echo\":\"host\",")),
		CONFIG_TEXT(NET("\"any\"", "\"no_backend\":\"host\",")),
	};
	struct config *from = config_text_good(CONFIG_TEXT(NET("\"any\"", "")));
	/* What is left out and the default are one. */
	struct config *same = config_text_good(CONFIG_TEXT(
		NET("\"0-65535\"", "\"mode\":\"ipip\",\"fragments\":\"follow\","
				   "\"icmp_echo\":\"answer\",\"no_backend\":\"drop\",")));

	ck_assert_uint_eq(plan_count(from, same), 0);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct config *to = config_text_good(texts[i]);

		ck_assert_uint_eq(plan_count(from, to), 1);
		config_destroy(to);
	}
	config_destroy(from);
	config_destroy(same);
}
END_TEST

START_TEST(test_model_view_plan_tells_policies)
{
	struct config *from =
		config_text_good(CONFIG_TEXT(NET("80", "") "," NET("81", "") "," NET("82", "")));
	struct config *to = config_text_good(
		CONFIG_TEXT(NET("80", "\"mode\":\"l2dsr\",") "," NET("81", "\"table_size\":251,")));
	struct model_plan *plan = NULL;
	cJSON *changes;
	const cJSON *item;

	ck_assert_int_eq(model_plan(from, to, &plan), 0);
	changes = model_view_plan(plan, from, to);
	item = changes->child;
	ck_assert_str_eq(json_get_string(item, "vip", ""), "192.0.2.0/24:80/tcp");
	ck_assert_str_eq(json_get_string(item, "change", ""), "changed");
	ck_assert_str_eq(json_get_string(json_get(item, "policy_before"), "mode", ""), "ipip");
	ck_assert_str_eq(json_get_string(json_get(item, "policy_after"), "mode", ""), "l2dsr");
	ck_assert_str_eq(json_get_string(json_get(item, "policy_after"), "no_backend", ""), "drop");
	for (item = item->next; item != NULL; item = item->next) {
		ck_assert_ptr_null(json_get(item, "policy_before"));
		ck_assert_ptr_null(json_get(item, "policy_after"));
	}
	cJSON_Delete(changes);
	model_plan_destroy(plan);
	config_destroy(from);
	config_destroy(to);
}
END_TEST

START_TEST(test_model_view_plane_vip_has_all_members)
{
	struct config *config = config_text_good(
		CONFIG_TEXT(NET("\"80-90\"", "\"mode\":\"gue\",\"no_backend\":\"host\",")));
	cJSON *vip = model_view_plane_vip(&config->vips[0]);
	char text[ADDR_ENDPOINT_TEXT_MAX] = "as it was";

	ck_assert_str_eq(json_get_string(vip, "address", ""), "192.0.2.0/24");
	ck_assert_str_eq(json_get_string(vip, "port", ""), "80-90");
	ck_assert_str_eq(json_get_string(vip, "mode", ""), "gue");
	ck_assert_str_eq(json_get_string(vip, "fragments", ""), "follow");
	ck_assert_str_eq(json_get_string(vip, "icmp_echo", ""), "answer");
	ck_assert_str_eq(json_get_string(vip, "no_backend", ""), "host");
	ck_assert(model_view_endpoint_text(vip, text));
	ck_assert_str_eq(text, "192.0.2.0/24:80-90/tcp");
	cJSON_ReplaceItemInObjectCaseSensitive(vip, "port", cJSON_CreateNumber(0));
	ck_assert(model_view_endpoint_text(vip, text));
	ck_assert_str_eq(text, "192.0.2.0/24:0/tcp");
	cJSON_ReplaceItemInObjectCaseSensitive(vip, "port", cJSON_CreateString("90-80"));
	ck_assert(!model_view_endpoint_text(vip, text));
	ck_assert_str_eq(text, "192.0.2.0/24:0/tcp");
	cJSON_Delete(vip);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_carries_runtime_settings_over)
{
	struct config *from = config_text_good(CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS)));
	struct config *to = config_text_good(CONFIG_TEXT(
		CONFIG_WEB("{\"address\":\"198.51.100.9\"}," TWO_BACKENDS) "," DNS(TWO_BACKENDS)));
	cJSON *kept = cJSON_CreateArray();

	from = edited(from, &(struct model_edit){ .kind = MODEL_DRAIN, .backend = "b1" });
	from = edited(from,
		      &(struct model_edit){ .kind = MODEL_WEIGHT, .backend = "b2", .weight = 3 });
	ck_assert_int_eq(model_carry(from, to, &(struct model_notes){ kept, NULL }), 0);
	ck_assert_int_eq(cJSON_GetArraySize(kept), 2);
	ck_assert_uint_eq(model_weight(&to->vips[0].backends[0]), 100);
	ck_assert_uint_eq(model_weight(&to->vips[0].backends[1]), 0);
	ck_assert_uint_eq(model_weight(&to->vips[0].backends[2]), 3);
	ck_assert_uint_eq(model_weight(&to->vips[1].backends[0]), 100); /* another VIP */
	cJSON_Delete(kept);
	config_destroy(from);
	config_destroy(to);
}
END_TEST

START_TEST(test_model_carry_ends_what_the_file_says_too)
{
	struct config *from = config_text_good(CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS)));
	struct config *to = config_text_good(
		CONFIG_TEXT(CONFIG_WEB("{\"address\":\"198.51.100.7\",\"weight\":3}")));
	cJSON *kept = cJSON_CreateArray();

	from = edited(from,
		      &(struct model_edit){ .kind = MODEL_WEIGHT, .backend = "b1", .weight = 3 });
	ck_assert_int_eq(model_carry(from, to, &(struct model_notes){ kept, NULL }), 0);
	ck_assert_int_eq(cJSON_GetArraySize(kept), 0);
	ck_assert(!to->vips[0].backends[0].reweighted);
	cJSON_Delete(kept);
	config_destroy(from);
	config_destroy(to);
}
END_TEST

START_TEST(test_model_view_config_reads_back_the_same)
{
	struct config *config = config_text_good(
		CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS) ",{\"address\":\"2001:db8::/64\","
						     "\"port\":\"50-60\",\"mode\":\"gue\","
						     "\"icmp_echo\":\"host\",\"protocol\":\"udp\","
						     "\"backends\":[{\"address\":\"198.51.100.7\","
						     "\"name\":\"b1\"}]}"));
	cJSON *json = model_view_config(config);
	char *text = cJSON_PrintUnformatted(json);
	struct config *again = config_text_good(text);

	ck_assert_uint_eq(plan_count(config, again), 0);
	ck_assert_str_eq(again->vips[1].name, config->vips[1].name);
	ck_assert_str_eq(again->vips[0].backends[1].name, "b2");
	ck_assert_str_eq(again->planes[0].socket, "/run/p0.sock");
	free(text);
	cJSON_Delete(json);
	config_destroy(again);
	config_destroy(config);
}
END_TEST

START_TEST(test_model_view_changed_tells_weights)
{
	struct config *from = config_text_good(CONFIG_TEXT(CONFIG_WEB(TWO_BACKENDS)));
	struct config *to = NULL;
	struct model_plan *plan = NULL;
	const cJSON *item;
	cJSON *changed;

	ck_assert_int_eq(config_copy(from, &to), 0);
	to = edited(to, &(struct model_edit){ .kind = MODEL_DRAIN, .backend = "b2" });
	ck_assert_int_eq(model_plan(from, to, &plan), 0);
	changed = model_view_changed(plan, from, to);
	ck_assert_int_eq(cJSON_GetArraySize(changed), 1);
	item = changed->child;
	ck_assert_str_eq(json_get_string(item, "vip", ""), "192.0.2.1:80/tcp");
	ck_assert_str_eq(json_get_string(item, "backend", ""), "198.51.100.8");
	ck_assert_int_eq(json_get_integer(item, "weight_before", -1), 50);
	ck_assert_int_eq(json_get_integer(item, "weight_after", -1), 0);
	cJSON_Delete(changed);
	model_plan_destroy(plan);
	config_destroy(from);
	config_destroy(to);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_model_drain_and_undrain_in_every_vip,
				       test_model_weight_lasts_through_a_drain,
				       test_model_keeps_the_last_backend_unless_forced,
				       test_model_edit_says_what_is_not_there,
				       test_model_plan_names_changes_only,
				       test_model_plan_ignores_order_and_names,
				       test_model_plan_takes_each_policy_for_a_change,
				       test_model_view_plan_tells_policies,
				       test_model_view_plane_vip_has_all_members,
				       test_model_carries_runtime_settings_over,
				       test_model_carry_ends_what_the_file_says_too,
				       test_model_view_config_reads_back_the_same,
				       test_model_view_changed_tells_weights,
				       NULL };

	return run_tests("model", tests);
}
