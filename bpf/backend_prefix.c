/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend_prefix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"

enum {
	MAPPED_BITS = 96, /* what an IPv4 prefix is longer by when it is written as IPv6 */
	ADDRESS_BITS = 128,
};

/* A decimal number without sign or leading zero, at most @max; -1: it is not. */
static int
length_parse(const char *text, int max)
{
	int value = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (*text - '0');
		if (value > max)
			return -1;
	}
	return value;
}

static bool
bit_is_set(const uint8_t *bytes, uint32_t bit)
{
	return (bytes[bit / 8] & (0x80u >> (bit % 8))) != 0;
}

int
backend_prefix_parse(const char *text, struct backend_prefix *ret_prefix)
{
	struct backend_prefix prefix = { .bits = ADDRESS_BITS };
	char address_text[ADDR_TEXT_MAX];
	const char *slash = strchr(text, '/');
	struct addr address;
	size_t size = slash == NULL ? strlen(text) : (size_t)(slash - text);
	int length;

	if (size >= sizeof address_text)
		return -EINVAL;
	memcpy(address_text, text, size);
	address_text[size] = '\0';
	if (addr_parse(address_text, &address) < 0)
		return -EINVAL;
	memcpy(prefix.address.bytes, address.bytes, sizeof prefix.address.bytes);
	if (slash != NULL) {
		length = length_parse(slash + 1, addr_is_ipv4(&address) ? ADDRESS_BITS - MAPPED_BITS
									: ADDRESS_BITS);
		if (length < 0)
			return -EINVAL;
		prefix.bits = (uint32_t)length + (addr_is_ipv4(&address) ? MAPPED_BITS : 0);
	}
	for (uint32_t bit = prefix.bits; bit < ADDRESS_BITS; bit++) {
		if (bit_is_set(prefix.address.bytes, bit))
			return -EINVAL;
	}
	*ret_prefix = prefix;
	return 0;
}

bool
backend_prefix_is_ipv4(const struct backend_prefix *prefix)
{
	struct addr address;

	memcpy(address.bytes, prefix->address.bytes, sizeof address.bytes);
	return prefix->bits >= MAPPED_BITS && addr_is_ipv4(&address);
}

char *
backend_prefix_format(const struct backend_prefix *prefix, char text[BACKEND_PREFIX_TEXT_MAX])
{
	char address_text[ADDR_TEXT_MAX];
	uint32_t bits = prefix->bits;
	struct addr address;

	memcpy(address.bytes, prefix->address.bytes, sizeof address.bytes);
	(void)addr_format(&address, address_text);
	if (bits == ADDRESS_BITS)
		(void)snprintf(text, BACKEND_PREFIX_TEXT_MAX, "%s", address_text);
	else
		(void)snprintf(text, BACKEND_PREFIX_TEXT_MAX, "%s/%u", address_text,
			       backend_prefix_is_ipv4(prefix) ? bits - MAPPED_BITS : bits);
	return text;
}

bool
backend_prefix_has(const struct backend_prefix *prefix, const uint8_t address[16])
{
	for (uint32_t bit = 0; bit < prefix->bits; bit++) {
		if (bit_is_set(prefix->address.bytes, bit) != bit_is_set(address, bit))
			return false;
	}
	return true;
}
