/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses and ports of packet_world.h, as bytes, picked at random. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "packet_dictionary.h"
#include "packet_world.h"

enum { CLIENTS = 4, TRIES_MAX = 64 };

uint32_t
random_below(struct random *random, uint32_t end)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return (uint32_t)((random->state * UINT64_C(0x2545f4914f6cdd1d) >> 32) % end);
}

bool
random_chance(struct random *random, uint32_t times)
{
	return random_below(random, times) == 0;
}

/* Text, perhaps with "/bits". @param ret_bits of the address's own 32 or 128 */
static bool
parse_prefix(const char *text, uint8_t ret_address[16], uint32_t *ret_bits)
{
	char address[64];
	size_t length = strcspn(text, "/");
	bool is_ipv6 = strchr(text, ':') != NULL;

	if (length >= sizeof address)
		abort();
	memcpy(address, text, length);
	address[length] = '\0';
	*ret_bits = is_ipv6 ? 128 : 32;
	if (text[length] == '/')
		*ret_bits = (uint32_t)strtoul(text + length + 1, NULL, 10);
	if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, address, ret_address) != 1)
		abort();
	return is_ipv6;
}

void
dictionary_address_of(struct random *random, const char *prefix, uint8_t *ret_address)
{
	uint8_t address[16] = { 0 };
	uint32_t bits, kind = random_below(random, 3);
	bool is_ipv6 = parse_prefix(prefix, address, &bits);
	uint32_t all = is_ipv6 ? 128 : 32;

	for (uint32_t bit = bits; bit < all && kind != 0; bit++)
		if (kind == 1 || random_chance(random, 2))
			address[bit / 8] |= (uint8_t)(128u >> bit % 8);
	memcpy(ret_address, address, all / 8);
}

void
dictionary_source(struct random *random, bool is_ipv6, uint8_t *ret_address)
{
	static const char *const odd4[] = { "224.0.0.1",
					    "239.255.255.255",
					    "240.0.0.1",
					    "255.255.255.255",
					    "127.0.0.0/8",
					    "0.0.0.0/8",
					    "1.0.0.0",
					    "223.255.255.255",
					    "192.0.2.10",
					    PACKET_WORLD_SOURCE_IPV4,
					    PACKET_WORLD_ENTROPY_IPV4 };
	static const char *const odd6[] = { "ff00::/8",
					    "::1",
					    "::",
					    "::2",
					    "fe80::1",
					    "::ffff:198.51.100.7",
					    "2001:db8:2::10",
					    PACKET_WORLD_SOURCE_IPV6,
					    PACKET_WORLD_ENTROPY_IPV6 };
	uint32_t client = random_below(random, CLIENTS);

	if (random_chance(random, 8)) {
		dictionary_address_of(random,
				      is_ipv6 ? RANDOM_OF(random, odd6) : RANDOM_OF(random, odd4),
				      ret_address);
		return;
	}
	dictionary_address_of(random, is_ipv6 ? "2001:db8:c::/128" : "198.51.100.0/32",
			      ret_address);
	ret_address[is_ipv6 ? 15 : 3] = (uint8_t)(7 + client);
}

void
dictionary_destination(struct random *random, bool is_ipv6, uint8_t *ret_address)
{
	for (uint32_t tries = 0; tries < TRIES_MAX; tries++) {
		const struct packet_world_vip *vip =
			&packet_world_vips[random_below(random, PACKET_WORLD_VIP_COUNT)];

		if ((strchr(vip->address, ':') != NULL) == is_ipv6) {
			dictionary_address_of(random, vip->address, ret_address);
			return;
		}
	}
}

uint16_t
dictionary_port(struct random *random)
{
	const struct packet_world_vip *vip =
		&packet_world_vips[random_below(random, PACKET_WORLD_VIP_COUNT)];
	uint32_t in_range = random_below(random, (uint32_t)vip->port_last - vip->port_first + 1);

	switch (random_below(random, 8)) {
	case 0:
		return (uint16_t)(vip->port_first - 1);
	case 1:
		return (uint16_t)(vip->port_last + 1);
	case 2:
		return vip->port_last;
	case 3:
		return (uint16_t)(vip->port_first + in_range);
	case 4:
		return random_chance(random, 4) ? 6080 : 0;
	default:
		return vip->port_first;
	}
}
