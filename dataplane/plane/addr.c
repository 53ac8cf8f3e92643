/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Text is read strictly, so that each address, endpoint and MAC has one meaning; inet_pton(3) and
 * inet_ntop(3) do the families.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { FAMILY_BITS_IPV4 = 96 /* of an IPv4-mapped address, the same in all */ };

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

bool
addr_is_ipv4(const struct addr *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

int
addr_parse(const char *text, struct addr *ret_address)
{
	struct addr address;

	memcpy(address.bytes, mapped_prefix, sizeof mapped_prefix);
	if (inet_pton(AF_INET, text, address.bytes + sizeof mapped_prefix) != 1 &&
	    (inet_pton(AF_INET6, text, address.bytes) != 1 || addr_is_ipv4(&address)))
		return -EINVAL;
	*ret_address = address;
	return 0;
}

char *
addr_format(const struct addr *address, char text[ADDR_TEXT_MAX])
{
	const char *written;

	_Static_assert((int)ADDR_TEXT_MAX == (int)INET6_ADDRSTRLEN, "room for any address");
	if (addr_is_ipv4(address))
		written = inet_ntop(AF_INET, address->bytes + sizeof mapped_prefix, text,
				    ADDR_TEXT_MAX);
	else
		written = inet_ntop(AF_INET6, address->bytes, text, ADDR_TEXT_MAX);
	assert(written != NULL);
	(void)written;
	return text;
}

bool
addr_prefix_is_ipv4(const struct addr_prefix *prefix)
{
	/* Host bits are 0: with fewer than the family's bits the address is not mapped. */
	return addr_is_ipv4(&prefix->address);
}

/* Whether the first @p bits bits are the same; at most ADDR_BITS. */
static bool
bits_equal(const struct addr *left, const struct addr *right, unsigned bits)
{
	unsigned bytes = bits / 8;
	uint8_t mask = (uint8_t)(0xff00u >> bits % 8);

	return memcmp(left->bytes, right->bytes, bytes) == 0 &&
	       (mask == 0 || ((left->bytes[bytes] ^ right->bytes[bytes]) & mask) == 0);
}

bool
addr_prefix_has(const struct addr_prefix *prefix, const struct addr *address)
{
	return addr_prefix_is_ipv4(prefix) == addr_is_ipv4(address) &&
	       bits_equal(&prefix->address, address, prefix->bits);
}

/* What cannot be a VIP or a backend. */
static const struct {
	struct addr_prefix prefix;
	enum addr_class class;
} specials[] = {
	{ { { { [10] = 0xff, [11] = 0xff } }, 96 + 8 }, ADDR_UNSPECIFIED },
	{ { { { [10] = 0xff, [11] = 0xff, [12] = 127 } }, 96 + 8 }, ADDR_LOOPBACK },
	{ { { { [10] = 0xff, [11] = 0xff, [12] = 169, [13] = 254 } }, 96 + 16 }, ADDR_LINK_LOCAL },
	{ { { { [10] = 0xff, [11] = 0xff, [12] = 224 } }, 96 + 4 }, ADDR_MULTICAST },
	{ { { { [10] = 0xff, [11] = 0xff, [12] = 240 } }, 96 + 4 }, ADDR_BROADCAST },
	{ { { { 0 } }, 128 }, ADDR_UNSPECIFIED },
	{ { { { [15] = 1 } }, 128 }, ADDR_LOOPBACK },
	{ { { { [0] = 0xff } }, 8 }, ADDR_MULTICAST },
	{ { { { [0] = 0xfe, [1] = 0x80 } }, 10 }, ADDR_LINK_LOCAL },
};

enum addr_class
addr_prefix_classify(const struct addr_prefix *prefix)
{
	for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
		const struct addr_prefix *special = &specials[i].prefix;
		unsigned bits = special->bits < prefix->bits ? special->bits : prefix->bits;

		if (addr_prefix_is_ipv4(special) == addr_prefix_is_ipv4(prefix) &&
		    bits_equal(&special->address, &prefix->address, bits))
			return specials[i].class;
	}
	return ADDR_USABLE;
}

enum addr_class
addr_classify(const struct addr *address)
{
	return addr_prefix_classify(
		&(const struct addr_prefix){ .address = *address, .bits = ADDR_BITS });
}

const char *addr_class_name(enum addr_class class)
{
	switch (class) {
	case ADDR_USABLE:
		return "usable";
	case ADDR_UNSPECIFIED:
		return "unspecified";
	case ADDR_LOOPBACK:
		return "loopback";
	case ADDR_MULTICAST:
		return "multicast";
	case ADDR_BROADCAST:
		return "broadcast or reserved";
	case ADDR_LINK_LOCAL:
		return "link-local";
	}
	return "unknown";
}

/* Digits without superfluous zeros, at most @p max. Returns what is behind them; NULL: none. */
static const char *
parse_number(const char *text, uint32_t max, uint32_t *ret_number)
{
	const char *digits = text;
	uint32_t number = 0;

	for (; *text >= '0' && *text <= '9'; text++) {
		number = number * 10 + (uint32_t)(*text - '0');
		if (number > max || (number < 10 && text > digits))
			return NULL;
	}
	if (text == digits)
		return NULL;
	*ret_number = number;
	return text;
}

/* "address/bits" or "address", host bits as they are. */
static int
prefix_split(const char *text, struct addr *ret_address, uint8_t *ret_bits)
{
	const char *slash = strchr(text, '/');
	size_t size = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char copy[ADDR_TEXT_MAX];
	unsigned family;
	uint32_t bits;

	if (size >= sizeof copy)
		return -EINVAL;
	memcpy(copy, text, size);
	copy[size] = '\0';
	if (addr_parse(copy, ret_address) < 0)
		return -EINVAL;
	*ret_bits = ADDR_BITS;
	if (slash == NULL)
		return 0;
	text = parse_number(slash + 1, 999, &bits);
	if (text == NULL || *text != '\0')
		return -EINVAL;
	family = addr_is_ipv4(ret_address) ? FAMILY_BITS_IPV4 : 0;
	if (family + bits > ADDR_BITS)
		return -ERANGE;
	*ret_bits = (uint8_t)(family + bits);
	return 0;
}

struct addr_prefix
addr_prefix_of(const struct addr *address, uint8_t bits)
{
	struct addr_prefix prefix = { .bits = bits };
	unsigned bytes = bits / 8;

	memcpy(prefix.address.bytes, address->bytes, bytes);
	if (bits % 8 != 0)
		prefix.address.bytes[bytes] =
			address->bytes[bytes] & (uint8_t)(0xff00u >> bits % 8);
	return prefix;
}

int
addr_prefix_cover(const char *text, struct addr_prefix *ret_prefix)
{
	struct addr address;
	uint8_t bits;
	int r = prefix_split(text, &address, &bits);

	if (r == 0)
		*ret_prefix = addr_prefix_of(&address, bits);
	return r;
}

int
addr_prefix_parse(const char *text, struct addr_prefix *ret_prefix)
{
	struct addr_prefix prefix;
	struct addr address;
	uint8_t bits;
	int r = prefix_split(text, &address, &bits);

	if (r < 0)
		return r;
	prefix = addr_prefix_of(&address, bits);
	if (memcmp(&prefix.address, &address, sizeof address) != 0)
		return -EDOM;
	*ret_prefix = prefix;
	return 0;
}

char *
addr_prefix_format(const struct addr_prefix *prefix, char text[ADDR_PREFIX_TEXT_MAX])
{
	unsigned family = addr_prefix_is_ipv4(prefix) ? FAMILY_BITS_IPV4 : 0;
	char address[ADDR_TEXT_MAX];

	if (prefix->bits == ADDR_BITS)
		return addr_format(&prefix->address, text);
	(void)snprintf(text, ADDR_PREFIX_TEXT_MAX, "%s/%u", addr_format(&prefix->address, address),
		       (prefix->bits - family) & 0xffu);
	return text;
}

int
addr_ports_parse(const char *text, uint16_t *ret_first, uint16_t *ret_last)
{
	uint32_t first = 0;
	uint32_t last = UINT16_MAX;

	if (strcmp(text, "any") != 0) {
		text = parse_number(text, UINT16_MAX, &first);
		last = first;
		if (text != NULL && *text == '-') {
			text = parse_number(text + 1, UINT16_MAX, &last);
			if (first >= last)
				return -EINVAL;
		}
		if (text == NULL || *text != '\0')
			return -EINVAL;
	}
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return 0;
}

char *
addr_ports_format(uint16_t first, uint16_t last, char text[12])
{
	if (first == 0 && last == UINT16_MAX)
		(void)snprintf(text, 12, "any");
	else if (first == last)
		(void)snprintf(text, 12, "%u", first);
	else
		(void)snprintf(text, 12, "%u-%u", first, last);
	return text;
}

/* The bytes from @p begin up to @p end as a text. false: they do not fit. */
static bool
cut(const char *begin, const char *end, char *ret_text, size_t capacity)
{
	size_t size = (size_t)(end - begin);

	if (size >= capacity)
		return false;
	memcpy(ret_text, begin, size);
	ret_text[size] = '\0';
	return true;
}

int
addr_endpoint_parse(const char *text, struct addr_endpoint *ret_endpoint)
{
	struct addr_endpoint endpoint = { 0 };
	bool bracketed = text[0] == '[';
	const char *address = text + bracketed;
	const char *end = strchr(address, bracketed ? ']' : ':');
	char copy[ADDR_PREFIX_TEXT_MAX];
	const char *ports;

	if (end == NULL || (bracketed && end[1] != ':') || !cut(address, end, copy, sizeof copy))
		return -EINVAL;
	if (addr_prefix_parse(copy, &endpoint.to) < 0 ||
	    addr_is_ipv4(&endpoint.to.address) == bracketed)
		return -EINVAL;
	ports = end + 1 + bracketed;
	end = strchr(ports, '/');
	if (end == NULL || !cut(ports, end, copy, sizeof copy) ||
	    addr_ports_parse(copy, &endpoint.port, &endpoint.port_last) < 0)
		return -EINVAL;
	endpoint.protocol = addr_protocol_parse(end + 1);
	if (endpoint.protocol == 0)
		return -EINVAL;
	*ret_endpoint = endpoint;
	return 0;
}

char *
addr_endpoint_format(const struct addr_endpoint *endpoint, char text[ADDR_ENDPOINT_TEXT_MAX])
{
	char prefix[ADDR_PREFIX_TEXT_MAX];
	char ports[12];
	bool ipv4 = addr_prefix_is_ipv4(&endpoint->to);

	(void)snprintf(text, ADDR_ENDPOINT_TEXT_MAX, "%s%s%s:%s/%s", ipv4 ? "" : "[",
		       addr_prefix_format(&endpoint->to, prefix), ipv4 ? "" : "]",
		       addr_ports_format(endpoint->port, endpoint->port_last, ports),
		       addr_protocol_name(endpoint->protocol));
	return text;
}

uint8_t
addr_protocol_parse(const char *text)
{
	if (strcmp(text, "tcp") == 0)
		return IPPROTO_TCP;
	return strcmp(text, "udp") == 0 ? IPPROTO_UDP : 0;
}

const char *
addr_protocol_name(uint8_t protocol)
{
	if (protocol == IPPROTO_TCP)
		return "tcp";
	return protocol == IPPROTO_UDP ? "udp" : "unknown";
}

/* @return 0..15; -1: not a hexadecimal digit. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

int
addr_mac_parse(const char *text, uint8_t ret_mac[6])
{
	uint8_t mac[6];

	/* Each look is past a character that was not the NUL. */
	for (int i = 0; i < 6; i++, text += 3) {
		int high = hex_value(text[0]), low = high < 0 ? -1 : hex_value(text[1]);

		if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_mac, mac, sizeof mac);
	return 0;
}
