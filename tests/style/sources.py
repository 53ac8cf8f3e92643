# SPDX-License-Identifier: BSD-2-Clause
"""The project's own files, and what of a C file is code."""

import functools
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]


@functools.lru_cache(maxsize=None)
def files(*suffixes):
    """Tracked and new files, as paths from the top; ignored ones are not among them."""
    listed = subprocess.run(["git", "-c", f"safe.directory={TOP}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=TOP, check=True, capture_output=True, text=True).stdout.split("\0")
    assert len(listed) > 50, "git lists hardly any file"
    found = [pathlib.PurePosixPath(name) for name in sorted(set(listed)) if name and (TOP / name).is_file()]
    return [path for path in found if not suffixes or path.suffix in suffixes]


def none(wrong):
    """Fails with all that is wrong, one a line."""
    wrong = list(wrong)
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong)


def text(path):
    return (TOP / path).read_text(encoding="utf-8", errors="surrogateescape")


def is_script(path, *interpreters):
    with open(TOP / path, "rb") as stream:
        first = stream.readline()
    return first.startswith(b"#!") and any(name.encode() in first for name in interpreters)


def _blank(match):
    kept = match.group(0)
    if kept.startswith("/"):
        return re.sub(r"[^\n]", " ", kept)
    return kept[0] + " " * (len(kept) - 2) + kept[-1]


def code(path):
    """A C file with comments and the inside of strings blanked; lines stay where they are."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, _blank, text(path), flags=re.S)


def functions(path):
    """(name, line, parameters, lines) of each function a file defines: it opens and ends in column 0."""
    lines = code(path).split("\n")
    start = None
    for number, line in enumerate(lines):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            heading = _heading(lines, start)
            if heading:
                yield heading[0], start + 1, heading[1], number - start
            start = None


def _heading(lines, start):
    first = start
    while first > 0 and lines[first - 1].strip() and not lines[first - 1].startswith(("}", "#")) and \
            not lines[first - 1].rstrip().endswith(";"):
        first -= 1
    heading = re.sub(r"__attribute__\(\(.*?\)\)+", "", " ".join(lines[first:start]))
    match = re.search(r"(\w+)\s*\((.*)\)\s*$", heading)
    if match is None or "=" in heading:
        return None
    depth, parameters = 0, 1
    for character in match.group(2):
        depth += (character == "(") - (character == ")")
        parameters += character == "," and depth == 0
    if match.group(2).strip() in ("", "void"):
        parameters = 0
    if match.group(2).rstrip().endswith("..."):
        parameters -= 2  # a message (format, ...) does not count
    return match.group(1), parameters
