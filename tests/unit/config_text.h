/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Configurations as text, for the tests of control. One thread.
 */
#ifndef TESTS_UNIT_CONFIG_TEXT_H
#define TESTS_UNIT_CONFIG_TEXT_H

#include <string.h>

#include "config.h"
#include "run.h"

#define CONFIG_TEXT(vips)                                                \
	"{\"version\":1,\"planes\":[{\"name\":\"p0\",\"socket\":\"/run/" \
	"p0.sock\"}],\"vips\":[" vips "]}"

#define CONFIG_WEB(backends)                                                            \
	"{\"name\":\"web\",\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\"," \
	"\"backends\":[" backends "]}"

/** What the last config_text_parse() said. */
static struct json_errors config_text_errors;
static struct json_errors config_text_warnings;

static inline int
config_text_parse(const char *text, struct config **ret_config)
{
	const struct config_source source = { .text = text,
					      .size = strlen(text),
					      .file = "test.json",
					      .errors = &config_text_errors,
					      .warnings = &config_text_warnings };

	memset(&config_text_errors, 0, sizeof config_text_errors);
	memset(&config_text_warnings, 0, sizeof config_text_warnings);
	return config_parse(&source, ret_config);
}

/** A configuration that must be good. */
static inline struct config *
config_text_good(const char *text)
{
	struct config *config = NULL;

	ck_assert_msg(config_text_parse(text, &config) == 0, "%s: %s", text,
		      config_text_errors.items[0].message);
	return config;
}

#endif
