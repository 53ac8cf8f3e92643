# SPDX-License-Identifier: BSD-2-Clause
"""What planted faults have in common: the core's headers with a change, compilers and programs with a time limit, two at a time."""

import concurrent.futures
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
CORE = TOP / "dataplane" / "core"
JOBS = 2
SECONDS_MAX = 60  # of one compiler or program
LINES_MAX = 5  # of a compiler's complaint


class Broken(Exception):
    """The fault cannot be tried: why."""


def run(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX,
                          errors="replace", check=False)


def build(command):
    result = run(command)
    if result.returncode != 0:
        raise Broken("does not build: " + "\n".join(result.stderr.splitlines()[:LINES_MAX]))


def planted(directory, changes):
    """Writes the headers with these changes into the directory: (header, text that stands there once, text instead)... One that
    is there already is changed further."""
    for header, text, instead in changes:
        path = directory / header
        original = (path if path.exists() else CORE / header).read_text(encoding="utf-8")
        if original.count(text) != 1:
            raise Broken(f"{header} has its text {original.count(text)} times instead of once: plant it anew")
        path.write_text(original.replace(text, instead), encoding="utf-8")


def try_all(try_one, faults):
    """@param try_one returns (is it as it should be, line to print). Returns how many are."""
    fine = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for is_fine, line in pool.map(try_one, faults):
            print(line, flush=True)
            fine += is_fine
    return fine
