/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * What every core header stands on. Freestanding: no header of DPDK, libbpf or libc may be
 * included in this folder; a test compiles each header alone, natively and for BPF.
 *
 * Little-endian machines that take unaligned loads (x86-64, arm64): packet bytes are read in place,
 * through structs with naturally aligned fields, because `packed` makes clang emit byte loads for
 * BPF.
 */
#ifndef FL_BASE_H
#define FL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FL_INLINE static inline __attribute__((always_inline))

/** On a struct that is laid over packet bytes: may stand for any object, at any address. */
#define FL_WIRE __attribute__((may_alias))

/** A word of packet bytes, at any address. */
struct FL_WIRE fl_word {
	uint32_t word;
};

/** One whole load of a word that another thread may write. */
#define FL_READ_ONCE(word) (*(const volatile __typeof__(word) *)&(word))

/** One whole store of a word that another thread may read. */
#define FL_WRITE_ONCE(word, value) (*(volatile __typeof__(word) *)&(word) = (value))

/** Store @p desired where @p expected is. @return false: something else was there. */
#define FL_SWAP(word, expected, desired) \
	(__sync_val_compare_and_swap(&(word), expected, desired) == (expected))

#define FL_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define FL_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/**
 * Before a loop: written out in full, so that every index is a constant. A loader without
 * CAP_PERFMON may not add a number that varies to a pointer on two ways through a program.
 */
#define FL_UNROLL _Pragma("GCC unroll 32")

/** What comes after is not computed before @p word is: else the eight words of a bucket are all
 * held at once, and the stack of a BPF program is small. */
#define FL_IN_TURN(word) __asm__ volatile("" : "+r"(word))

/**
 * A frame is never at address 0. Tells the compiler, which would else compare packet pointers with
 * 0, and that the BPF verifier forbids to a loader without CAP_PERFMON.
 */
#define FL_ASSUME_THERE(pointer)                 \
	do {                                     \
		if ((pointer) == NULL)           \
			__builtin_unreachable(); \
	} while (0)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the core is little-endian");

typedef uint16_t fl_be16; /**< network byte order, as loaded from the packet */
typedef uint32_t fl_be32; /**< network byte order */

FL_INLINE uint16_t
fl_from_be16(fl_be16 value)
{
	return __builtin_bswap16(value);
}

FL_INLINE fl_be16
fl_to_be16(uint16_t value)
{
	return __builtin_bswap16(value);
}

FL_INLINE fl_be32
fl_to_be32(uint32_t value)
{
	return __builtin_bswap32(value);
}

/**
 * Either family: IPv6 as it is, IPv4 as IPv4-mapped (RFC 4291 2.5.5.2). As loaded, wire order. The
 * packet path writes and reads halves: a load that is wider than the store before it has to wait.
 */
struct fl_addr {
	union {
		uint64_t half[2];
		fl_be32 word[4];
	};
};

#define FL_ADDR_MAPPED_WORD 0xffff0000u /**< word[2] of an IPv4-mapped address, as loaded */

FL_INLINE struct fl_addr
fl_addr_from_ipv4(fl_be32 address)
{
	return (struct fl_addr){ .half = { 0, (uint64_t)address << 32 | FL_ADDR_MAPPED_WORD } };
}

FL_INLINE struct fl_addr
fl_addr_from_ipv6(const uint64_t half[2])
{
	return (struct fl_addr){ .half = { half[0], half[1] } };
}

FL_INLINE bool
fl_addr_is_ipv4(const struct fl_addr *address)
{
	return address->half[0] == 0 && (uint32_t)address->half[1] == FL_ADDR_MAPPED_WORD;
}

/** The IPv4 address that is mapped. */
FL_INLINE fl_be32
fl_addr_ipv4(const struct fl_addr *address)
{
	return (fl_be32)(address->half[1] >> 32);
}

FL_INLINE bool
fl_addr_equal(const struct fl_addr *a, const struct fl_addr *b)
{
	return ((a->half[0] ^ b->half[0]) | (a->half[1] ^ b->half[1])) == 0;
}

/** The first @p bits bits of eight bytes in memory order, as a mask. */
FL_INLINE uint64_t
fl_mask64(uint32_t bits)
{
	return bits == 0 ? 0 : __builtin_bswap64(~0ull << (64 - bits));
}

/** The address without its host bits. @param bits of the 128 that stay. */
FL_INLINE struct fl_addr
fl_addr_masked(const struct fl_addr *address, uint32_t bits)
{
	struct fl_addr masked = *address;

	if (bits < 64) {
		masked.half[0] &= fl_mask64(bits & 63);
		masked.half[1] = 0;
	} else if (bits < 128) {
		masked.half[1] &= fl_mask64(bits & 63);
	}
	return masked;
}

#endif
