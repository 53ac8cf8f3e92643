# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: no planned change breaks a connection, nor does a flood of SYNs; and the harness that says so can see breakage.
Method: tools/soak: seeded events under 2000 connections of numbered blocks, whose backends say who they are; the same with planes
whose rows change at once, which has to break some; a flood of random sources on stable rows and on rows just changed.
"""

import re
import subprocess

from lab import TOP

SECONDS, PLAIN_SECONDS = 90, 20
LIMIT_S = 600  # --plain compiles the planes


def soak(capsys, *options):
    done = subprocess.run([TOP / "tools/soak", "--built", *options], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    with capsys.disabled():
        print(f"\n{done.stdout.strip()}")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def unexpected(said):
    """Connections that broke, of each line that says so."""
    return [int(count) for count in re.findall(r" broken_unexpected=(\d+)\b", said)]


def test_soak_breaks_no_connection(capsys):
    assert unexpected(soak(capsys, "--seconds", str(SECONDS))) == [0]


def test_soak_sees_a_plain_table(capsys):
    said = soak(capsys, "--plain", "--seconds", str(PLAIN_SECONDS), "--only", "add,drain,undrain,remove,weight")
    assert len(unexpected(said)) == 1 and unexpected(said)[0] > 0


def test_soak_under_a_flood(capsys):
    assert unexpected(soak(capsys, "--flood")) == [0, 0]
