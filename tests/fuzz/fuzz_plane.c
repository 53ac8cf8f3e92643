/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goal: no sequence of request lines, well formed or not, breaks a plane: the tables hang together
 * after each, and a request that fails, or does not commit, leaves them and the digest as they
 * were.
 *
 * Method: bytes become the lines of a session. Since random bytes rarely are a request, a
 * second form is made of them: each byte picks a method and the members of its parameters from a
 * few values that fit together.
 */
#include "../unit/fake_plane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_MAX = 24, PARAMS_BYTES = 16384, VIPS = 8 };

static struct fake_plane fake;

/** The bytes that are left; after them others that follow from all, so that a short input is a long
 * story too. */
struct choices {
	const uint8_t *pos, *end;
	uint32_t state;
};

static uint32_t
choose(struct choices *choices, uint32_t bound)
{
	uint32_t byte;

	choices->state = choices->state * 1664525u + 1013904223u;
	byte = choices->pos < choices->end ? *choices->pos++ : choices->state >> 24;
	choices->state ^= byte;
	return byte % bound;
}

/** True once in a while: what is wrong with a request must not be wrong with every one. */
static bool
choose_rarely(struct choices *choices)
{
	return choose(choices, 256) == 255;
}

/** Parameters as they are written. */
static char params[PARAMS_BYTES];
static size_t params_used;

static void __attribute__((format(printf, 1, 2))) put(const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(params + params_used, sizeof params - params_used, format, args);
	va_end(args);
	fake_require(length >= 0 && (size_t)length < sizeof params - params_used,
		     "long parameters");
	params_used += (size_t)length;
}

/** A comma, unless it is the first of an array. */
static void
put_separator(void)
{
	if (params[params_used - 1] != '[')
		put(",");
}

/** Backends as the bits of a mask say; rarely one that cannot be. */
static void
put_backends(struct choices *choices)
{
	static const char *const wrong[] = { "10.0.0.1", "192.0.2.1", "127.0.0.1", "x" };
	uint32_t low = choose(choices, 256), mask = low | choose(choices, 256) << 8;
	uint32_t weights = choose(choices, 256);

	put(",'backends':[");
	for (uint32_t i = 0; i < 16; i++) {
		if (!(mask >> i & 1))
			continue;
		put_separator();
		put("{'address':'%s%u','weight':%u}", i % 5 == 4 ? "2001:db8::" : "10.0.0.", i + 1,
		    (weights >> i % 7 & 3) * (i + 1));
	}
	if (choose_rarely(choices)) {
		put_separator();
		put("{'address':'%s','weight':1}", wrong[choose(choices, 4)]);
	}
	put("]");
}

/** Those VIPs whose bit is set in @p mask, whole or their names alone. */
static void
put_vips(struct choices *choices, uint32_t mask, bool whole)
{
	static const char *const addresses[] = { "192.0.2.1", "2001:db8:1::1", "192.0.2.2",
						 "10.0.0.6" };
	static const char *const sizes[] = { "251",  "251",  "251", "509",
					     "1021", "4093", "250", "65537" };

	for (uint32_t number = 0; number < VIPS; number++) {
		if (!(mask >> number & 1))
			continue;
		put_separator();
		put("{'address':'%s','port':80,'protocol':'%s'", addresses[number / 2],
		    number % 2 ? "udp" : "tcp");
		if (whole) {
			uint32_t size_count = choose_rarely(choices) ? 8 : 5;

			put(",'table_size':%s", sizes[choose(choices, size_count)]);
			put_backends(choices);
		}
		put("}");
	}
}

static void
put_prepare(struct choices *choices)
{
	uint64_t generation = fake.plane.state.set.generation + !choose_rarely(choices);
	uint32_t kind = choose(choices, 8);
	uint32_t named = choose(choices, 256) & (choose_rarely(choices) ? 0xff : 0x3f);

	params_used = 0;
	put("{'generation':%llu", (unsigned long long)generation);
	if (kind == 1)
		put(",'full':true");
	if (kind == 6)
		put(",'more':true");
	put(",'vips':[");
	put_vips(choices, named & choose(choices, 256), true);
	put("]");
	if (kind == 2 || kind == 7) {
		put(",'remove':[");
		put_vips(choices, choose(choices, 64) & ~named, false);
		put("]");
	}
	put("}");
}

static void
put_generation(void)
{
	uint64_t prepared = fake.plane.change != NULL ? fake.plane.change->want.generation : 1;

	params_used = 0;
	put("{'generation':%llu}", (unsigned long long)prepared);
}

static void
check_unchanged(struct fake_snapshot before)
{
	fake_require(fake_is_as(&fake, before), "a request that did not commit changed the tables");
}

static void
call_chosen(struct choices *choices)
{
	uint32_t client = choose_rarely(choices);
	struct fake_snapshot before = fake_snapshot(&fake);
	const char *wrong;

	switch (choose(choices, 6)) {
	case 0:
	case 1:
		put_prepare(choices);
		(void)fake_call_as(&fake, client, "plane.prepare", params);
		check_unchanged(before);
		break;
	case 2:
	case 3:
		put_generation();
		fake.vips_add_result = choose_rarely(choices) ? -EIO : 0;
		if (fake_call_as(&fake, client, "plane.commit", params) == NULL)
			check_unchanged(before);
		else
			free(before.bytes);
		break;
	case 4:
		put_generation();
		(void)fake_call_as(&fake, client, "plane.abort", params);
		check_unchanged(before);
		break;
	default:
		fake_disconnect(&fake, client);
		check_unchanged(before);
		(void)fake_call_as(&fake, client, "plane.stats", NULL);
		fake_settle(&fake);
		break;
	}
	wrong = fake_inconsistency(&fake);
	fake_require(wrong == NULL, wrong != NULL ? wrong : "");
}

/** The bytes as they are, cut into lines. */
static void
feed_raw(const uint8_t *data, size_t size)
{
	struct fake_snapshot before = fake_snapshot(&fake);
	uint64_t generation = fake.plane.state.set.generation;
	size_t ignored;

	(void)rpc_session_feed(fake.clients[0].session, (const char *)data, size, 0);
	while (rpc_session_output(fake.clients[0].session, &ignored) != NULL && ignored > 0)
		rpc_session_sent(fake.clients[0].session, ignored);
	if (fake.plane.state.set.generation == generation)
		check_unchanged(before);
	else
		free(before.bytes);
	fake_require(fake_inconsistency(&fake) == NULL, "raw bytes broke the tables");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices choices = { .pos = data, .end = data + size };

	fake_open(&fake, &(struct plane_limits){ 6, 128, 6000 });
	if (choose(&choices, 4) == 0) {
		feed_raw(choices.pos, (size_t)(choices.end - choices.pos));
	} else {
		for (uint32_t i = 0; i < CALLS_MAX; i++)
			call_chosen(&choices);
	}
	fake_close(&fake);
	return 0;
}
