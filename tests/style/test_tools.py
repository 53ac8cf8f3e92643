# SPDX-License-Identifier: BSD-2-Clause
"""Goal: tools/check says what it is before it does anything.

Method: it is run with words that end it at once."""

import subprocess

from sources import TOP


def check(*argv):
    return subprocess.run([TOP / "tools/check", *argv], capture_output=True, text=True, timeout=10, check=False)


def test_check_says_what_it_does():
    for option in ("-h", "--help"):
        done = check(option)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout.startswith("usage: sudo tools/check [SUITE...]\n")
        for suite in ("unit", "packet", "kernel", "model", "netns", "fuzz", "style"):
            assert f"\n  {suite} " in done.stdout, suite
    assert check("unit", "--help").returncode == 0


def test_check_names_what_is_no_suite():
    for words, wrong in ((["unti"], "unti"), (["unit", "net ns"], "net ns"), (["--fast"], "--fast"), ([""], "")):
        done = check(*words)
        assert (done.returncode, done.stdout) == (64, "")
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.startswith(f'tools/check: there is no suite "{wrong}"; '), done.stderr
