/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Addresses as text, for configuration and protocols. Both families in 16 bytes, IPv4 as
 * IPv4-mapped IPv6 (RFC 4291 2.5.5.2). Any thread; no state.
 */
#ifndef PLANE_ADDR_H
#define PLANE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ADDR_TEXT_MAX = 46,	     /**< longest address text with its NUL (INET6_ADDRSTRLEN) */
	ADDR_ENDPOINT_TEXT_MAX = 64, /**< longest "[address]:port/protocol" with its NUL */
};

struct addr {
	uint8_t bytes[16]; /**< network byte order */
};

/** Why an address cannot be a VIP or a backend; ADDR_USABLE when it can. */
enum addr_class {
	ADDR_USABLE,
	ADDR_UNSPECIFIED, /**< 0.0.0.0/8 or :: */
	ADDR_LOOPBACK,
	ADDR_MULTICAST,
	ADDR_BROADCAST,	 /**< 255.255.255.255 and 240.0.0.0/4 */
	ADDR_LINK_LOCAL, /**< 169.254/16, fe80::/10: has no meaning without an interface */
};

/** A transport endpoint: what names a VIP. Text form: 192.0.2.1:80/tcp or [2001:db8::1]:53/udp. */
struct addr_endpoint {
	struct addr address;
	uint16_t port;	  /**< host byte order */
	uint8_t protocol; /**< IPPROTO_TCP or IPPROTO_UDP */
};

/**
 * @return 0; -EINVAL: @p text is not an IPv4 or IPv6 address in the forms of inet_pton(3), or is
 *         an IPv4-mapped IPv6 address (one spelling for one address).
 */
int addr_parse(const char *text, struct addr *ret_address);

/** Writes at most ADDR_TEXT_MAX bytes; canonical form (RFC 5952). @return @p text. */
char *addr_format(const struct addr *address, char text[ADDR_TEXT_MAX]);

bool addr_is_ipv4(const struct addr *address);
enum addr_class addr_classify(const struct addr *address);

/** "multicast", "loopback", ... for messages. */
const char *addr_class_name(enum addr_class class);

/** @return 0; -EINVAL: not in the text form of struct addr_endpoint. */
int addr_endpoint_parse(const char *text, struct addr_endpoint *ret_endpoint);
char *addr_endpoint_format(const struct addr_endpoint *endpoint, char text[ADDR_ENDPOINT_TEXT_MAX]);

/** @return IPPROTO_TCP, IPPROTO_UDP, or 0 for another word. */
uint8_t addr_protocol_parse(const char *text);
const char *addr_protocol_name(uint8_t protocol);

/** MAC "02:00:5e:00:00:01". @return 0; -EINVAL. */
int addr_mac_parse(const char *text, uint8_t ret_mac[6]);

#endif
