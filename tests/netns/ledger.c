/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ledger of TCP connections, for tests that no connection breaks:
 *
 *   ledger serve NAME PORT...                  a backend: answers every block with its name
 *   ledger drive OPTION... ADDRESS PORT...     clients: many connections, and which of them broke
 *   ledger flood INTERFACE MAC ADDRESS PORT SEED  SYNs from random sources of 198.18.0.0/15
 *
 * Each says "ready" when it is and goes on until its standard input ends; then it says one JSON
 * object. A line on standard input asks for that object at once.
 */
#include <err.h>
#include <string.h>

#include "ledger.h"

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} modes[] = { { "serve", ledger_serve },
		      { "drive", ledger_drive },
		      { "flood", ledger_flood } };

	for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			return modes[i].run(argc - 1, argv + 1);
	errx(64, "usage: ledger serve|drive|flood ARGUMENT...");
}
