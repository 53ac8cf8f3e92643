# SPDX-License-Identifier: BSD-2-Clause
"""Goal: every header of dataplane/core stands alone and is freestanding, for the machine and for BPF.

Method: each is the only thing compiled, without a libc to be found, with warnings as errors."""

import re
import subprocess

import pytest

import sources
from sources import none

HEADERS = [path for path in sources.files(".h") if str(path.parent) == "dataplane/core"]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-std=gnu11", "-ffreestanding"]
COMPILERS = {
    "gcc": ["gcc", *WARNINGS],
    "clang": ["clang", *WARNINGS, "-nostdlibinc"],
    "bpf": ["clang", "-target", "bpf", "-mcpu=v3", "-O2", *WARNINGS, "-nostdlibinc"],
}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_core_header_compiles_alone(header, compiler):
    done = subprocess.run([*COMPILERS[compiler], "-x", "c", "-"], input=f'#include "{header}"\n', cwd=sources.TOP,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_meson_lists_every_core_header():
    listed = re.search(r"core_headers = files\((.*?)\)", sources.text("dataplane/core/meson.build"), re.S).group(1)
    assert sorted(re.findall(r"'([^']+)'", listed)) == [path.name for path in HEADERS]


def test_core_does_not_ask_where_it_is_compiled():
    wrong = [f"{path}: {line}" for path in HEADERS for line in sources.text(path).split("\n")
             if re.match(r"\s*#\s*(if|ifdef|elif)\b", line) or "defined(" in line]
    none(wrong)
