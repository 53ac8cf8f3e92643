#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Verifies rows.pml with spin, and shows that it would see a bug: with each of BUGS an assertion must fail.

    rows_spin.py COMPILER

It ends with "rows spin: ..."."""

import pathlib
import re
import subprocess
import sys
import tempfile
import time

MODEL = pathlib.Path(__file__).resolve().parent / "rows.pml"
BUGS = ("PLANT_NO_WAIT", "PLANT_NO_SWEEP", "PLANT_STORE")
SECONDS_MAX = 120  # of one run
DEPTH_MAX = 100000
MEMORY_MIB = 4096


def run(command, directory):
    done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX,
                          check=False)
    return done.returncode, done.stdout + done.stderr


def verify(compiler, bug):
    """(states, depth, errors) of the model with the bug; None: without."""
    with tempfile.TemporaryDirectory(prefix="rows-spin-") as directory:
        for command in (["spin", *([f"-D{bug}"] if bug else []), "-a", str(MODEL)],
                        [compiler, "-O2", "-w", "-DSAFETY", f"-DMEMLIM={MEMORY_MIB}", "-DCOLLAPSE", "-o", "pan", "pan.c"]):
            code, said = run(command, directory)
            if code != 0:
                sys.exit(f"rows spin: {command[0]} failed: {said[-400:]}")
        _, said = run(["./pan", f"-m{DEPTH_MAX}", "-E"], directory)
    states = re.search(r"(\d+) states, stored", said)
    depth = re.search(r"depth reached (\d+)", said)
    errors = re.search(r"errors: (\d+)", said)
    if not (states and depth and errors) or "max search depth too small" in said or "out of memory" in said:
        sys.exit(f"rows spin: the search is not complete: {said[-400:]}")
    return int(states.group(1)), int(depth.group(1)), int(errors.group(1))


def main():
    compiler = sys.argv[1]
    started = time.monotonic()
    states, depth, errors = verify(compiler, None)
    refuted = 0
    for bug in BUGS:
        _, at, found = verify(compiler, bug)
        print(f"{bug}: {'an assertion fails' if found else 'NOT SEEN'}, depth {at}", flush=True)
        refuted += found > 0
    print(f"rows spin: {states} states, depth {depth}, {errors} errors, bugs refuted {refuted}/{len(BUGS)}, "
          f"{time.monotonic() - started:.0f} s")
    return 0 if errors == 0 and refuted == len(BUGS) else 1


sys.exit(main())
