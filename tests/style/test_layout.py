# SPDX-License-Identifier: BSD-2-Clause
"""Goal: what is in the repository is what belongs there, and every file says under which licence.

Method: names and text of all tracked and new files."""

import re

import pytest

import sources
from sources import none

TOP_LEVEL = {"meson.build", "dataplane", "bpf", "control", "tools", "tests", "docs", "README.md", "LICENSE"}
FOLDERS = ["dataplane/core", "dataplane/plane", "dataplane/dpdk", "bpf", "control", "tools", "tests"]
BYTES_MAX = 512 * 1024
# put together, so that this file is not found by itself
UNFINISHED = r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")) + r")\b|not " + "implemented yet|for " + "now\\b"
MACHINE = "|".join(("/wo" + "rk/", "/fa" + "rm/", "/ro" + "ot/", "/ho" + "me/[a-z]", "deb\\.deb" + "ian\\.org"))


def test_top_level_holds_what_it_should():
    entries = {path.parts[0] for path in sources.files()}
    none(sorted(name for name in entries - TOP_LEVEL if not name.startswith(".")))
    assert TOP_LEVEL - entries == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_has_a_readme(folder):
    readme = sources.text(f"{folder}/README.md")
    assert readme.startswith(f"# {folder}\n")
    assert 10 <= readme.count("\n") <= 40
    assert re.search(r"[Mm]ay use", readme) and re.search(r"[Tt]est", readme)


def test_every_source_names_its_licence():
    paths = [path for path in sources.files() if path.suffix in (".c", ".h", ".py", ".sh") or
             sources.is_script(path, "bash", "/sh", "python")]
    assert len(paths) > 50
    none([str(path) for path in paths if "SPDX-License-Identifier: " not in "\n".join(sources.text(path).split("\n")[:3])])


def found(pattern):
    return [f"{path}:{number}: {line.strip()[:100]}" for path in sources.files()
            for number, line in enumerate(sources.text(path).split("\n"), 1) if re.search(pattern, line)]


def test_nothing_is_left_unfinished():
    none(found(UNFINISHED))


def test_no_path_of_a_machine():
    none(found(MACHINE))


def test_no_large_or_binary_file():
    none([str(path) for path in sources.files() if (sources.TOP / path).stat().st_size > BYTES_MAX])
    none([str(path) for path in sources.files(".o", ".a", ".so", ".pyc", ".ko", ".pcap")])


def test_every_unit_test_is_built():
    """A test file that no meson.build names never runs; a name without a file tests nothing."""
    registered = set()
    for path in sources.files():
        if path.name == "meson.build":
            for block in re.findall(r"unit_tests \+= \{(.*?)\}", sources.text(path), re.S):
                registered |= set(re.findall(r"'(\w+)':", block))
    written = {path.stem[len("test_"):] for path in sources.files(".c") if str(path.parent) == "tests/unit" and
               path.name.startswith("test_")}
    assert registered == written


def test_programs_have_their_run_bit():
    for name in ("tools/quickstart", "tools/check", "tools/bench", "tools/coverage", "tools/fuzz", ".ci/run"):
        assert (sources.TOP / name).stat().st_mode & 0o111, name
