/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash-1-3 under a fixed key over the table's words: good mixing is wanted, secrecy is not. VIPs
 * are added up, so their order does not matter.
 */
#include <string.h>

#include "digest.h"

static const struct fl_key digest_key = { { 0x666169726c656164ull, 0x2074616269657300ull } };

static uint64_t
finish(uint64_t v[4], uint64_t word_count)
{
	FL_SIP_ABSORB(v, FL_SIP_LENGTH_WORD(8 * word_count));
	FL_SIP_FINISH(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
digest_address(const struct addr *address)
{
	uint64_t v[4], words[2];

	memcpy(words, address->bytes, sizeof words);
	fl_sip_start(&digest_key, v);
	FL_SIP_ABSORB(v, words[0]);
	FL_SIP_ABSORB(v, words[1]);
	return finish(v, 2);
}

uint64_t
digest_vip(const struct digest_table *table)
{
	uint64_t v[4];

	fl_sip_start(&digest_key, v);
	FL_SIP_ABSORB(v, table->key->address.half[0]);
	FL_SIP_ABSORB(v, table->key->address.half[1]);
	FL_SIP_ABSORB(v, (uint64_t)table->key->port | (uint64_t)table->key->ip_proto << 16 |
				 (uint64_t)table->key->bits << 24 |
				 (uint64_t)table->key->kind << 32 | (uint64_t)table->policy << 40 |
				 (uint64_t)table->port_last << 48);
	FL_SIP_ABSORB(v, (uint64_t)table->window_s | (uint64_t)table->hold_s << 32);
	FL_SIP_ABSORB(v, (uint64_t)table->row_count);
	for (uint32_t row = 0; row < table->row_count; row++) {
		uint32_t owner = table->owners[row];
		uint64_t identity = owner == FL_ROW_NONE ? 0 : table->identities[owner];

		FL_SIP_ABSORB(v, identity);
	}
	return finish(v, 5 + (uint64_t)table->row_count);
}

uint64_t
digest_add(uint64_t digest, uint64_t vip_digest)
{
	return digest + vip_digest;
}
