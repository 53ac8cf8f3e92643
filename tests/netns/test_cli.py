# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: whoever asks fairlead for help gets it.
Method: the real program, without a daemon.
"""

import subprocess

import pytest

from lab import program


def fairlead(*words):
    done = subprocess.run([program("fairlead"), *words], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [[], ["backend"], ["backend", "drain"], ["status"]])
def test_help_is_a_command_too(words):
    asked = fairlead("help", *words)
    assert asked == fairlead(*words, "--help") and asked[0] == 0 and asked[2] == ""
    assert "Usage: fairlead " in asked[1] and "fairlead help COMMAND" in asked[1] and ("--over" in asked[1]) == (words in ([], ["backend"]))


def test_without_a_command_it_says_where_help_is():
    assert fairlead() == (64, "", "fairlead: no command given; fairlead --help shows all\n")
