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
	ADDR_TEXT_MAX = 46,	   /**< longest address text with its NUL (INET6_ADDRSTRLEN) */
	ADDR_PREFIX_TEXT_MAX = 50, /**< longest "address/bits" with its NUL */
	ADDR_ENDPOINT_TEXT_MAX =
		72, /**< longest "[address/bits]:first-last/protocol" with its NUL */
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

/** Addresses whose first bits are alike. */
struct addr_prefix {
	struct addr address; /**< host bits are 0 */
	uint8_t bits;	     /**< of the 128; IPv4 prefixes have 96 + n */
};

#define ADDR_BITS 128 /**< bits of a prefix that is one address */

/**
 * What names a VIP: an address or a prefix, a port or a range of them. Text form: 192.0.2.1:80/tcp,
 * [2001:db8::/64]:8000-8999/udp, 192.0.2.0/24:any/tcp. "any" is 0 to 65535.
 */
struct addr_endpoint {
	struct addr_prefix to;
	uint16_t port;	    /**< host byte order; 0 is a port */
	uint16_t port_last; /**< equal to port, or the end of the range */
	uint8_t protocol;   /**< IPPROTO_TCP or IPPROTO_UDP */
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

/** The class of an address in it that cannot serve; ADDR_USABLE: all can. */
enum addr_class addr_prefix_classify(const struct addr_prefix *prefix);

/** "multicast", "loopback", ... for messages. */
const char *addr_class_name(enum addr_class class);

/**
 * "192.0.2.0/24" or "192.0.2.1", which has all 128 bits.
 * @return 0; -EINVAL: not an address of addr_parse(), or not a decimal number of bits; -ERANGE:
 * more bits than the family has; -EDOM: host bits are set.
 */
int addr_prefix_parse(const char *text, struct addr_prefix *ret_prefix);

/** The prefix of so many bits that an address text lies in: addr_prefix_parse(), host bits cleared.
 * @return 0; -EINVAL and -ERANGE as there. */
int addr_prefix_cover(const char *text, struct addr_prefix *ret_prefix);

/** The prefix of @p bits of the 128 that an address lies in. */
struct addr_prefix addr_prefix_of(const struct addr *address, uint8_t bits);

/** Of IPv4; 96 of its bits are the family's. */
bool addr_prefix_is_ipv4(const struct addr_prefix *prefix);

/** Without "/bits" when it is one address. @return @p text. */
char *addr_prefix_format(const struct addr_prefix *prefix, char text[ADDR_PREFIX_TEXT_MAX]);

/** The address is of the prefix's family and begins with it. */
bool addr_prefix_has(const struct addr_prefix *prefix, const struct addr *address);

/** "80", "8000-8999" or "any". @return 0; -EINVAL: another form, or the first is not below the
 * last.
 */
int addr_ports_parse(const char *text, uint16_t *ret_first, uint16_t *ret_last);

/** At most 12 bytes with NUL. @return @p text. */
char *addr_ports_format(uint16_t first, uint16_t last, char text[12]);

/** @return 0; -EINVAL: not in the text form of struct addr_endpoint. */
int addr_endpoint_parse(const char *text, struct addr_endpoint *ret_endpoint);
char *addr_endpoint_format(const struct addr_endpoint *endpoint, char text[ADDR_ENDPOINT_TEXT_MAX]);

/** @return IPPROTO_TCP, IPPROTO_UDP, or 0 for another word. */
uint8_t addr_protocol_parse(const char *text);
const char *addr_protocol_name(uint8_t protocol);

/** MAC "02:00:5e:00:00:01". @return 0; -EINVAL. */
int addr_mac_parse(const char *text, uint8_t ret_mac[6]);

#endif
