#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts what a suite ran, for tools/check: prints "PASSED FAILED".

    tally.py meson LOG.json    of meson test: libcheck's and the packet suite's own counts, lines "N passed, N failed", else a
                               program is one test
    tally.py pytest LOG.xml    of pytest's JUnit file
    tally.py figures LOG.json  instead: what tests of meson said that is worth to be read when all is well

What was skipped has failed: tools/check runs where everything can run. A missing log counts as nothing run."""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree


FIGURES = r"^(?:packet|worker over rings|outside eye|xdp): .*$|^canaries killed .*$|^planted rows bugs .*$|^rows (?:explored|walked|that jump|spin): .*$|^seed \d+; replay: .*$"


def count_output(output):
    passed = failed = 0
    for checks, failures, errors in re.findall(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", output, re.M):
        failed += int(failures) + int(errors)
        passed += int(checks) - int(failures) - int(errors)
    for engines in re.findall(r"^packet: \d+ cases, engine (.*)$", output, re.M):
        for right, run in re.findall(r"\w+: (\d+)/(\d+)", engines):
            passed += int(right)
            failed += int(run) - int(right)
    for checks, failures in re.findall(r"^worker over rings: (\d+) checks, (\d+) failed$", output, re.M):
        passed += int(checks) - int(failures)
        failed += int(failures)
    for killed, planted in re.findall(r"^(?:canaries killed|planted rows bugs found|.* bugs refuted) (\d+)/(\d+)", output, re.M):
        passed += int(killed)
        failed += int(planted) - int(killed)
    for ok, bad in re.findall(r"^(\d+) passed, (\d+) failed$", output, re.M):
        passed += int(ok)
        failed += int(bad)
    return passed, failed


def tally_meson(path):
    passed = failed = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        ok, bad = count_output(test.get("stdout") or "")
        if test["result"] != "OK":
            bad = max(bad, 1)
        elif ok + bad == 0:
            ok = 1
        passed, failed = passed + ok, failed + bad
    return passed, failed


def print_figures(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        for figure in re.findall(FIGURES, json.loads(line).get("stdout") or "", re.M):
            print(figure)


def tally_pytest(path):
    suite = xml.etree.ElementTree.parse(path).getroot().find("testsuite")
    failed = sum(int(suite.get(name)) for name in ("failures", "errors", "skipped"))
    return max(int(suite.get("tests")) - failed, 0), failed


def main():
    kind, path = sys.argv[1], pathlib.Path(sys.argv[2])
    if kind == "figures":
        if path.exists():
            print_figures(path)
        return
    passed, failed = (tally_meson if kind == "meson" else tally_pytest)(path) if path.exists() else (0, 0)
    print(passed, failed)


main()
