#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reads `llvm-cov export` for tools/coverage: prints what of each header of dataplane/core was run, in per cent.

    core_coverage.py EXPORT.json CORE_FOLDER ALLOWED

A core function is compiled into every program that uses it. Here it counts once: what one of them ran was run. (llvm-cov
report takes the best copy of each function, and counts the lines of copies that no program calls as not run.) A condition
of MC/DC counts when one program showed it to decide by itself: pairs whose halves were run by two programs are not counted.

ALLOWED names what cannot be reached, a line each: HEADER, what (line, branch or mcdc), a part of the source line without
its spaces at both ends, after it " -- " and the reason. What is allowed does not count as missed; what is allowed and was
reached is an error: the list is only of what is true."""

import collections
import json
import pathlib
import sys

LEAST = {"line": 100.0, "branch": 98.0, "mcdc": 95.0}


def lines_of(segments):
    """Whether each line that has code was run: {line: bool}, as llvm's LineCoverageStats."""
    by_line = collections.defaultdict(list)
    for segment in segments:
        by_line[segment[0]].append(segment)
    lines, wrapped = {}, None
    for line in range(min(by_line, default=1), max(by_line, default=0) + 1):
        here = by_line.get(line, [])
        # line, column, count, has a count, begins a region, is a gap
        starts = [s for s in here if s[3] and s[4] and not s[5]]
        skipped = bool(here) and not here[0][3] and here[0][4]
        is_mapped = not skipped and (bool(starts) or (wrapped is not None and wrapped[3]))
        if is_mapped or any(s[3] and s[4] for s in here):
            counts = [s[2] for s in starts] + ([wrapped[2]] if wrapped is not None else [])
            lines[line] = max(counts, default=0) > 0
        if here:
            wrapped = here[-1]
    return lines


CONDITION, EXPANSION = 6, 1  # kinds of regions: of a branch that is a condition of a decision; a macro's call


class Copy:
    """A core function as one program has it. The n-th branch of each copy is the same one: they have one source."""

    def __init__(self, export):
        self.name = export["name"].split(":")[-1]
        self.path = pathlib.Path(export["filenames"][0])  # not its name alone: dataplane/plane has a tables.h too
        self.branches, self.records = export["branches"], export["mcdc_records"]
        # file number of what a macro became: where the macro is called
        self.calls = {region[6]: (region[5], region[0], region[1]) for region in export["regions"] if region[7] == EXPANSION}

    def place(self, region, file):
        """Line and column in the function's own text."""
        line, column = region[:2]
        while file in self.calls:
            file, line, column = self.calls[file]
        return line, column

    def branch_outcomes(self):
        for number, branch in enumerate(self.branches):
            line, column = self.place(branch, branch[6])
            for outcome, count in (("true", branch[4]), ("false", branch[5])):
                yield (self.name, number, outcome), (line, column, f"never {outcome}"), count > 0

    def conditions(self):
        free = [branch for branch in self.branches if branch[8] == CONDITION]
        for number, record in enumerate(self.records):
            inside = [b for b in free if tuple(record[:2]) <= tuple(b[:2]) and tuple(b[2:4]) <= tuple(record[2:4])]
            line, column = self.place(record, inside[0][6] if inside else 0)
            for branch in inside[:len(record[-1])]:
                free.remove(branch)
            for condition, shown in enumerate(record[-1], 1):
                yield (self.name, number, condition), (line, column, f"condition {condition} not shown to decide"), shown


class Header:
    """One file: what there is of each kind, what was missed, what of that is allowed."""

    def __init__(self, path, segments, copies):
        self.name = path.name
        self.text = path.read_text(encoding="utf-8").split("\n")
        self.found = {"line": {}, "branch": {}, "mcdc": {}}
        self.where = {kind: {} for kind in self.found}
        for line, was_run in lines_of(segments).items():
            self.see("line", line, (line, 1, "not run"), was_run)
        for copy in copies:
            for seen in copy.branch_outcomes():
                self.see("branch", *seen)
            for seen in copy.conditions():
                self.see("mcdc", *seen)

    def see(self, kind, key, where, covered):
        self.found[kind][key] = self.found[kind].get(key, False) or covered
        self.where[kind][key] = where

    def missed(self, kind):
        return [key for key, covered in self.found[kind].items() if not covered]

    def source(self, kind, key):
        return self.text[self.where[kind][key][0] - 1].strip()

    def allow(self, kind, part):
        """Take what is allowed out. @return how much it was."""
        keys = [key for key in self.missed(kind) if part in self.source(kind, key)]
        for key in keys:
            del self.found[kind][key]
        return len(keys)

    def places(self, kind):
        for key in sorted(self.missed(kind), key=self.where[kind].get):
            line, column, what = self.where[kind][key]
            yield f"{self.name}:{line}:{column}: {what}: {self.source(kind, key)}"


def per_cent(found):
    return 100.0 if not found else 100.0 * sum(found.values()) / len(found)


def allowed_of(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line and not line.startswith("#"):
            rule, _, reason = line.partition(" -- ")
            header, kind, part = rule.split(" ", 2)
            assert kind in LEAST and reason, f"{path}:{number}: HEADER line|branch|mcdc SOURCE -- REASON"
            yield header, kind, part, reason


def main():
    export_path, core, allowed_path = map(pathlib.Path, sys.argv[1:])
    export = json.loads(export_path.read_text(encoding="utf-8"))["data"][0]
    segments = {pathlib.Path(file["filename"]).name: file["segments"] for file in export["files"]}
    # of a function that a program does not call there is nothing but its name
    copies = [Copy(function) for function in export["functions"] if len(function["regions"]) > 1]
    headers = [Header(path, segments.get(path.name, []), [copy for copy in copies if copy.path == path])
               for path in sorted(core.glob("*.h"))]
    failed = []
    for header, kind, part, reason in allowed_of(allowed_path):
        count = sum(h.allow(kind, part) for h in headers if h.name == header)
        print(f"not reachable: {header}, {kind} of \"{part}\": {count}: {reason}")
        if count == 0:
            failed.append(f"{header}: \"{part}\" is allowed as not reachable, but was reached or is not there")
    for header in headers:
        for kind in LEAST:
            print("".join(f"{place}\n" for place in header.places(kind)), end="")
    print(f"{'header':<14}" + "".join(f"{kind:>16}" for kind in LEAST))
    total = collections.defaultdict(dict)
    for header in headers:
        for kind, found in header.found.items():
            total[kind].update({(header.name, key): covered for key, covered in found.items()})
    for name, kinds in [*((h.name, h.found) for h in headers), ("total", total)]:
        print(f"{name:<14}" + "".join(f"{per_cent(kinds[kind]):9.2f} {len(kinds[kind]):6}" for kind in LEAST))
    for kind, least in LEAST.items():
        if not total[kind]:
            failed.append(f"no {kind} found at all")
        if per_cent(total[kind]) < least:
            failed.append(f"{kind} coverage {per_cent(total[kind]):.2f} per cent, at least {least:.0f} wanted")
    for sentence in failed:
        print(sentence)
    sys.exit(1 if failed else 0)


main()
