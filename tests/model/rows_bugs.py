#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Planted bugs: shows that rows_explore sees it when a rule of two-owner rows is left out.

    rows_bugs.py COMPILER [NAME...]

Each bug is a change to a copy of the core's headers (text that stands there once, and what stands there instead), or, of the
plane, a definition that rows_world.c or rows_plane.c knows. rows_explore is compiled with it and must find a connection that breaks. Breadth-first,
so the number of events is that of the shortest way there. The copy without a bug is what `rows_explore` itself runs on."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "canary"))
from planted import CORE, SECONDS_MAX, Broken, build, planted, run, try_all  # noqa: E402
SOURCES = ("rows_world.c", "rows_plane.c", "rows_code.c", "rows_explore.c")
CFLAGS = ["-std=gnu11", "-O2", "-D_GNU_SOURCE", "-w"]
SMALL = ["--flows", "1", "--window", "3", "--hold", "0"]
HOLD = ["--flows", "1", "--window", "5", "--hold", "3"]
UNIT = ["--flows", "1", "--window", "7", "--hold", "2", "--unit", "1"]
UDP = ["--udp", *SMALL]

# name, sizes, [definition], [(header, text, text instead)]
BUGS = [
    ("P4: use of another's entry does not keep the row", SMALL, [], [
        ("track.h", "if (fl_row_state(track->row_word) != FL_ROW_SETTLING ||", "if (true ||")]),
    ("P4: a lost swap is not decided again", SMALL, [], [
        ("track.h", " == FL_ROW_SETTLING)\n\t\treturn slot;", " <= FL_ROW_SETTLING)\n\t\treturn slot;")]),
    ("P4: after the entry, not before it", SMALL, [], [
        ("track.h", "\tif (slot == FL_TRACK_RETRY)\n\t\treturn slot;\n\tif (touched",
         "\tif (slot == FL_TRACK_RETRY && fl_track_swap(track, track->entry, touched))\n\t\treturn slot;\n\tif (touched")]),
    ("S2: a SYN does not look for an entry", SMALL, [], [
        ("track.h", "return track->facts & FL_ENTRY_LIVE ? fl_track_syn_known(track)", "return false ? fl_track_syn_known(track)")]),
    ("S3: a closing flow's tuple is new at once", HOLD, [], [
        ("track.h", "if (!(track->facts & FL_ENTRY_CLOSED)) /* S2 */", "if (false)")]),
    ("S4: a full table sends to cur", SMALL, [], [
        ("track.h", "fl_track_slot(track, fl_track_owners(track).def)", "fl_track_slot(track, owner)")]),
    ("no hold", HOLD, [], [
        ("track.h", "bool is_holding = is_moving &&", "bool is_holding = false && is_moving &&")]),
    ("hold one tick shorter", HOLD, ["ROWS_PLANT_HOLD=-1"], []),
    ("no R1", SMALL, [], [
        ("track.h", "if (slot == FL_TRACK_NOBODY || fl_track_is_fresh(track))", "if (true)")]),
    ("R1: a lost swap is not decided again", SMALL, [], [
        ("track.h", "if (!fl_track_prolong(track, 0))\n\t\treturn FL_TRACK_RETRY;", "if (!fl_track_prolong(track, 0))\n\t\treturn slot;")]),
    ("E0: an entry of a dead slot counts", SMALL, [], [
        ("track.h", "if (!fl_backend_is_live(backend))\n\t\treturn FL_ENTRY_DEAD;",
         "if (backend == NULL)\n\t\treturn FL_ENTRY_DEAD;")]),
    ("E0: a dead slot's entry sends to cur", SMALL, [], [
        ("track.h", "uint32_t owner = fl_track_owners(track).def;",
         "uint32_t owner = track->facts & FL_ENTRY_DEAD ? fl_row_cur(track->row_word) : fl_track_owners(track).def;")]),
    ("any SYN may be evicted", SMALL, [], [
        ("track.h", "if (age >= window->evict_units && fl_flow_state(word) != FL_FLOW_OPEN)",
         "if (fl_flow_state(word) == FL_FLOW_SYN || (age >= window->evict_units && fl_flow_state(word) != FL_FLOW_OPEN))")]),
    ("an open flow may be evicted", SMALL, [], [
        ("track.h", "if (age >= window->evict_units && fl_flow_state(word) != FL_FLOW_OPEN)", "if (age >= window->evict_units)")]),
    ("a closing entry is never open again", HOLD, [], [
        ("track.h", "else if (state == FL_FLOW_SYN || track->flow->segment & FL_SEGMENT_PAYLOAD ||\n\t\t track->facts & FL_ENTRY_CLOSED)",
         "else if (state == FL_FLOW_SYN)")]),
    ("T1: MOVING goes on without its previous owner", SMALL, [], [
        ("row.h", "if (was_moving && !now->prev_is_live) {", "if (false) {")]),
    ("T2: SETTLING instead of MOVING", SMALL, [], [
        ("row.h", "return fl_row_word(FL_ROW_MOVING, owner, cur, now->tick + now->window->row_ticks);",
         "return fl_row_settling(owner, now);")]),
    ("T4: prev is replaced at every change", SMALL, [], [
        ("row.h", ": (row & ~0xffffull) | owner; /* T4 */",
         ": fl_row_word(FL_ROW_MOVING, owner, cur, now->tick + now->window->row_ticks);")]),
    ("T7: a dead owner's row is STABLE at once", SMALL, [], [
        ("row.h", ": fl_row_settling(owner, now); /* T7, T8 */", ": fl_row_stable(owner);")]),
    ("timer: MOVING becomes STABLE", SMALL, [], [
        ("row.h", "if (fl_row_state(row) == FL_ROW_MOVING && window->row_ticks > 0)", "if (false)")]),
    ("entries live one unit longer", SMALL, ["ROWS_PLANT_LIVE=1"], []),
    ("entries live one unit less", SMALL, ["ROWS_PLANT_LIVE=-1"], []),
    ("row window one tick short", SMALL, ["ROWS_PLANT_ROW=-1"], []),
    ("row window one tick short, units of two", UNIT, ["ROWS_PLANT_ROW=-1"], []),
    ("no purge before a slot comes up", SMALL, ["ROWS_PLANT_NO_PURGE=true"], []),
    ("a commit takes away who still counts as live", SMALL, ["ROWS_PLANT_TAKEN=true"], []),
    ("no purge before a slot comes up, flows without SYNs", UDP, ["ROWS_PLANT_NO_PURGE=true"], []),
    ("P2: flows without SYNs go to cur while the row moves", UDP, [], [
        ("track.h", ".def = is_moving ? prev : cur,", ".def = cur,")]),
    ("the clock jumps", SMALL, ["ROWS_PLANT_JUMP=true"], []),
]


def explore(compiler, bug):
    """What rows_explore says of the core with the bug."""
    _, sizes, definitions, changes = bug
    with tempfile.TemporaryDirectory(prefix="rows-bug-") as path:
        core, explorer = pathlib.Path(path) / "core", pathlib.Path(path) / "rows_explore"
        shutil.copytree(CORE, core)
        planted(core, changes)
        build([compiler, *CFLAGS, "-iquote", str(core), *(f"-D{definition}" for definition in definitions),
               *(str(HERE / source) for source in SOURCES), "-o", str(explorer)])
        return run([str(explorer), *sizes])


def try_bug(compiler, bug):
    """(found, line to print)"""
    name = bug[0]
    try:
        explored = explore(compiler, bug)
    except Broken as why:
        return False, f"{name}: {why}"
    except subprocess.TimeoutExpired:
        return False, f"{name}: no break in {SECONDS_MAX} s"
    events = re.search(r"^a connection breaks after (\d+) events$", explored.stdout, re.M)
    if explored.returncode != 1 or not events:
        return False, f"{name}: NOT FOUND: exit {explored.returncode}, {explored.stdout.strip()[-200:]} {explored.stderr.strip()}"
    return True, f"{name}: found, {events.group(1)} events"


def main():
    compiler, *names = sys.argv[1:]
    bugs = [bug for bug in BUGS if not names or bug[0] in names]
    started = time.monotonic()
    found = try_all(lambda bug: try_bug(compiler, bug), bugs)
    print(f"planted rows bugs found {found}/{len(bugs)}, {time.monotonic() - started:.0f} s")
    return 0 if found == len(bugs) > 0 else 1


sys.exit(main())
