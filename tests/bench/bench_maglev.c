/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Maglev build costs and how good its table is: 1000 backends on 65537 rows, equal and with
 * weights 1..10. Times are the best of 20 builds; moved rows are the mean of 20 removals.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "maglev.h"

enum {
	BACKENDS = 1000,
	ROWS = 65537,
	BUILDS = 20,
	REMOVALS = 20,
};

static struct maglev_backend backends[BACKENDS], fewer[BACKENDS - 1];
static uint16_t rows[ROWS], rows_after[ROWS];
static uint32_t shares[BACKENDS];

static void
set_up(uint32_t weight_max)
{
	for (uint32_t i = 0; i < BACKENDS; i++)
		backends[i] = (struct maglev_backend){
			.address = { { [10] = 0xff,
				       [11] = 0xff,
				       [12] = 10,
				       [14] = (uint8_t)(i >> 8),
				       [15] = (uint8_t)i } },
			.index = (uint16_t)i,
			.weight = (uint16_t)(1 + i % weight_max),
		};
}

static void
build(struct maglev *maglev, const struct maglev_backend *set, uint32_t count, uint16_t *ret_rows)
{
	struct maglev_request request = {
		.backends = set, .backend_count = count, .row_count = ROWS, .rows = ret_rows
	};
	int r = maglev_build(maglev, &request);

	if (r < 0) {
		fprintf(stderr, "bench_maglev: maglev_build: %s\n", strerror(-r));
		exit(EXIT_FAILURE);
	}
}

static double
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double
best_build_ms(struct maglev *maglev)
{
	double best = 0;

	for (int i = 0; i < BUILDS; i++) {
		double start = now_ms(), took;

		build(maglev, backends, BACKENDS, rows);
		took = now_ms() - start;
		if (i == 0 || took < best)
			best = took;
	}
	return best;
}

static void
count_shares(void)
{
	memset(shares, 0, sizeof shares);
	for (uint32_t row = 0; row < ROWS; row++)
		shares[rows[row]]++;
}

static double
max_over_mean(void)
{
	uint32_t largest = 0;

	count_shares();
	for (uint32_t i = 0; i < BACKENDS; i++)
		if (shares[i] > largest)
			largest = shares[i];
	return (double)largest * BACKENDS / ROWS;
}

/*
 * The largest distance of a share from its due, as a part of the due. A due below 100 rows counts
 * as 100, so that 0.01 stands for "1 % or one row, whichever is more".
 */
static double
weight_error(void)
{
	double worst = 0, weight_sum = 0;

	count_shares();
	for (uint32_t i = 0; i < BACKENDS; i++)
		weight_sum += backends[i].weight;
	for (uint32_t i = 0; i < BACKENDS; i++) {
		double due = backends[i].weight * ROWS / weight_sum;
		double off = shares[i] > due ? shares[i] - due : due - shares[i];
		double part = off / (due > 100 ? due : 100);

		if (part > worst)
			worst = part;
	}
	return worst;
}

static double
extra_moved(struct maglev *maglev)
{
	uint32_t moved = 0;

	for (uint32_t i = 0; i < REMOVALS; i++) {
		uint32_t removed = i * (BACKENDS / REMOVALS);

		memcpy(fewer, backends, removed * sizeof *fewer);
		memcpy(fewer + removed, backends + removed + 1,
		       (BACKENDS - 1 - removed) * sizeof *fewer);
		build(maglev, fewer, BACKENDS - 1, rows_after);
		for (uint32_t row = 0; row < ROWS; row++)
			moved += rows[row] != removed && rows[row] != rows_after[row];
	}
	return (double)moved / REMOVALS / ROWS;
}

int
main(void)
{
	struct maglev *maglev;

	if (maglev_create(ROWS, BACKENDS, &maglev) < 0)
		return EXIT_FAILURE;
	set_up(1);
	printf("maglev.build_equal %.3f ms\n", best_build_ms(maglev));
	set_up(10);
	printf("maglev.build_weighted %.3f ms\n", best_build_ms(maglev));
	set_up(1);
	build(maglev, backends, BACKENDS, rows);
	printf("maglev.max_over_mean %.5f ratio\n", max_over_mean());
	set_up(10);
	build(maglev, backends, BACKENDS, rows);
	printf("maglev.weight_error %.5f ratio\n", weight_error());
	set_up(1);
	build(maglev, backends, BACKENDS, rows);
	printf("maglev.extra_moved %.5f ratio\n", extra_moved(maglev));
	maglev_destroy(maglev);
	return EXIT_SUCCESS;
}
