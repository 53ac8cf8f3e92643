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

static enum addr_class
classify_ipv4(const uint8_t *bytes)
{
	if (bytes[0] == 0)
		return ADDR_UNSPECIFIED;
	if (bytes[0] == 127)
		return ADDR_LOOPBACK;
	if (bytes[0] == 169 && bytes[1] == 254)
		return ADDR_LINK_LOCAL;
	if (bytes[0] >= 240)
		return ADDR_BROADCAST;
	return bytes[0] >= 224 ? ADDR_MULTICAST : ADDR_USABLE;
}

enum addr_class
addr_classify(const struct addr *address)
{
	static const struct addr zero;
	const uint8_t *bytes = address->bytes;

	if (addr_is_ipv4(address))
		return classify_ipv4(bytes + sizeof mapped_prefix);
	if (memcmp(bytes, zero.bytes, 15) == 0 && bytes[15] <= 1)
		return bytes[15] == 0 ? ADDR_UNSPECIFIED : ADDR_LOOPBACK;
	if (bytes[0] == 0xff)
		return ADDR_MULTICAST;
	return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80 ? ADDR_LINK_LOCAL : ADDR_USABLE;
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

/* 1-65535 without superfluous zeros, up to the slash. Returns the slash; NULL: not a port. */
static const char *
parse_port(const char *text, uint16_t *ret_port)
{
	uint32_t port = 0;

	if (*text == '0')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++) {
		port = port * 10 + (uint32_t)(*text - '0');
		if (port > UINT16_MAX)
			return NULL;
	}
	if (port == 0 || *text != '/')
		return NULL;
	*ret_port = (uint16_t)port;
	return text;
}

int
addr_endpoint_parse(const char *text, struct addr_endpoint *ret_endpoint)
{
	struct addr_endpoint endpoint = { 0 };
	bool bracketed = text[0] == '[';
	const char *address = text + bracketed;
	const char *end = strchr(address, bracketed ? ']' : ':');
	char copy[ADDR_TEXT_MAX];

	if (end == NULL || (size_t)(end - address) >= sizeof copy || (bracketed && end[1] != ':'))
		return -EINVAL;
	memcpy(copy, address, (size_t)(end - address));
	copy[end - address] = '\0';
	if (addr_parse(copy, &endpoint.address) < 0 || addr_is_ipv4(&endpoint.address) == bracketed)
		return -EINVAL;
	end = parse_port(end + 1 + bracketed, &endpoint.port);
	if (end == NULL)
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
	char address[ADDR_TEXT_MAX];
	bool ipv4 = addr_is_ipv4(&endpoint->address);

	(void)snprintf(text, ADDR_ENDPOINT_TEXT_MAX, "%s%s%s:%u/%s", ipv4 ? "" : "[",
		       addr_format(&endpoint->address, address), ipv4 ? "" : "]", endpoint->port,
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
