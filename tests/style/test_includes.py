# SPDX-License-Identifier: BSD-2-Clause
"""Goal: no file includes what its folder may not use.

Method: the table "What may use what" of docs/architecture.md is read, every phrase of it must be known here, and each
#include of each C file is held against its folder's row. A *.bpf.c, wherever it lies, follows the row of BPF programs."""

import functools
import pathlib
import re

import pytest

import sources
from sources import none

FREESTANDING = {"stdint.h", "stdbool.h", "stddef.h"}
# system headers that are not libc's: pattern, the word of the table that allows them
LIBRARIES = ((r"cjson/", "cJSON"), (r"libmnl/", "libmnl"), (r"uthash\.h|utlist\.h", "uthash"), (r"event2/", "libevent"),
             (r"cap-ng\.h", "libcap-ng"), (r"rte_|cmdline", "DPDK"), (r"check\.h", "check"), (r"bpf/", "libbpf"),
             (r"curl/", "libcurl"), (r"openssl/", "OpenSSL"))
BPF_HEADERS = {"bpf/bpf_helpers.h", "bpf/bpf_endian.h", "bpf/bpf_tracing.h", "bpf/bpf_core_read.h"}
FOLDERS = {"core": "dataplane/core", "plane": "dataplane/plane", "control": "control", "bpf": "bpf"}


class Row:
    """One row of the table: what a folder's files may include."""

    def __init__(self, folder, may, may_not):
        self.folder = folder
        self.everything = may == "everything"
        self.libc = "libc" not in may_not and may != "freestanding C headers"
        self.uapi = self.libc
        self.libraries, self.folders, self.single = set(), set(), set()
        for phrase in [] if self.everything else self.phrases(may):
            self.allow(phrase)

    @staticmethod
    def phrases(may):
        """Comma-separated; "plane's a.h, b.h and c.h" is one."""
        for owner, names in re.findall(r"(\w+)'s ((?:\w+\.h(?:, | and )?)+)", may):
            yield f"{owner}'s {names}"
        rest = re.sub(r"\w+'s (?:\w+\.h(?:, | and )?)+", "", may)
        yield from (phrase.strip() for phrase in rest.split(",") if phrase.strip())

    def allow(self, phrase):
        owned = re.match(r"(\w+)'s (.*\.h)", phrase)
        if owned:
            self.single |= {f"{FOLDERS[owned.group(1)]}/{name}" for name in re.findall(r"\w+\.h", owned.group(2))}
        elif phrase in FOLDERS:
            self.folders.add(FOLDERS[phrase])
        elif phrase in ("libc", "freestanding C headers"):
            pass  # every row has these, or must not: see libc
        elif phrase == "UAPI":
            self.uapi = True
        elif phrase == "libbpf's BPF headers":
            self.single |= BPF_HEADERS
        elif re.match(r"libbpf( for .*)?$", phrase):
            self.libraries.add("libbpf")
        else:
            assert phrase in [name for _, name in LIBRARIES], f"docs/architecture.md, {self.folder}: what is \"{phrase}\"?"
            self.libraries.add(phrase)

    def refuses_system(self, name):
        if self.everything or name in FREESTANDING or name in self.single:
            return False
        for pattern, library in LIBRARIES:
            if re.match(pattern, name):
                return library not in self.libraries
        return not (self.uapi if re.match(r"linux/|asm/", name) else self.libc)

    def refuses_own(self, path):
        parent = str(path.parent)
        return not (self.everything or parent == self.folder.split(" ")[0] or parent in self.folders or
                    str(path) in self.single)


@functools.lru_cache(maxsize=None)
def table():
    section = sources.text("docs/architecture.md").split("## What may use what\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\|([^|]+)\|([^|]+)\|([^|]*)\|$", section, re.M)
    rows = {cells[0].strip(): Row(*(cell.strip() for cell in cells)) for cells in rows if cells[0].strip() not in ("folder", "---")}
    assert set(rows) == {"dataplane/core", "dataplane/plane", "dataplane/dpdk", "bpf (programs)", "bpf (processes)", "control",
                         "tools", "tests"}
    return rows


def row_of(path):
    if path.name.endswith(".bpf.c"):
        row = Row(str(path.parent), "", "libc")
        programs = table()["bpf (programs)"]
        row.uapi, row.single, row.folders = programs.uapi, programs.single, programs.folders
        return row
    folder = str(path.parent)
    return next(row for name, row in table().items() if
                folder == name or folder.startswith(name.split(" ")[0] + "/") or name == f"{folder} (processes)")


def resolve(path, name):
    """The project's headers that #include "name" may mean: beside the file, or by its last part anywhere."""
    beside = pathlib.PurePosixPath(*normal((path.parent / name).parts))
    if beside in sources.files(".h"):
        return [beside]
    return [header for header in sources.files(".h") if header.name == pathlib.PurePosixPath(name).name]


def normal(parts):
    result = []
    for part in parts:
        if part == ".." and result:
            result.pop()
        elif part != ".":
            result.append(part)
    return result


def includes(path):
    for number, line in enumerate(sources.text(path).split("\n"), 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1) == "<", match.group(2)


def wrong_includes(path):
    row = row_of(path)
    for number, is_system, name in includes(path):
        if is_system:
            refused = row.refuses_system(name)
        elif name.endswith(".skel.h"):
            refused = False  # generated from a BPF program of the same folder
        else:
            meant = resolve(path, name)
            refused = not meant or all(row.refuses_own(header) for header in meant)
        if refused:
            yield f"{path}:{number}: {name}"


C_FOLDERS = sorted({str(path.parent) for path in sources.files(".c", ".h")})


@pytest.mark.parametrize("folder", C_FOLDERS)
def test_includes_stay_inside_the_table(folder):
    paths = [path for path in sources.files(".c", ".h") if str(path.parent) == folder]
    none([wrong for path in paths for wrong in wrong_includes(path)])


def test_header_shared_with_a_bpf_program_follows_both_rows():
    wrong = []
    for program in [path for path in sources.files(".c") if path.name.endswith(".bpf.c")]:
        for _, is_system, name in includes(program):
            for header in [] if is_system else resolve(program, name):
                wrong += [f"{header}: {inner}" for _, system, inner in includes(header)
                          if system and row_of(program).refuses_system(inner)]
    none(wrong)


def test_table_refuses_what_it_says():
    """The canary of this file: includes that must be refused are."""
    rows = table()
    path = pathlib.PurePosixPath
    assert rows["dataplane/core"].refuses_system("string.h")
    assert not rows["dataplane/core"].refuses_system("stdint.h")
    assert rows["dataplane/plane"].refuses_system("rte_mbuf.h")
    assert rows["dataplane/plane"].refuses_own(path("control/model.h"))
    assert not rows["dataplane/plane"].refuses_own(path("dataplane/core/parse.h"))
    assert rows["dataplane/dpdk"].refuses_own(path("control/model.h"))
    assert rows["control"].refuses_own(path("dataplane/plane/tables.h"))
    assert not rows["control"].refuses_own(path("dataplane/plane/rpc.h"))
    assert rows["control"].refuses_own(path("dataplane/core/base.h"))
    assert rows["control"].refuses_system("bpf/bpf.h")
    assert rows["tools"].refuses_system("event2/event.h")
    assert rows["tools"].refuses_own(path("control/model.h"))
    assert row_of(path("bpf/x.bpf.c")).refuses_system("string.h")
    assert not row_of(path("bpf/x.bpf.c")).refuses_system("linux/bpf.h")
