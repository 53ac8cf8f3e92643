#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes cases.h and the cases_*.h it names: the packets that every engine must treat alike, and what becomes of them.

By another hand than the core: scapy builds what goes in and what must come out (with its own checksums). What the cases stand
on is in cases_world.py, the rows are in cases_forward.py and its siblings. Nothing of dataplane/ is run or read.

    make_cases.py            write them, and remove cases_*.h of topics that are no more
    make_cases.py --check    exit 1 when one of them is not what this writes

A frame is written as hexadecimal digits; "{61*1400}" stands for a byte repeated."""

import collections
import itertools
import json
import pathlib
import sys

import cases_big
import cases_extension
import cases_forward
import cases_fragment
import cases_group
import cases_icmp
import cases_refused
import cases_rows

from cases_table import table
from cases_world import BEYOND_VIP, DEAD_VIP, KEY, PATTERN, PATTERN_VIPS, PORTS, ROW_VIPS, SOURCE, STATE, WORLDS

FOLDER = pathlib.Path(__file__).parent
LINES_IN_FILE = 675  # so that a file stays under 700 lines
SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */"
WRITTEN = "/* Written by make_cases.py, which says how; do not edit. Included by case_table.c alone. */"
AS_IT_IS = "/* clang-format off */"


def text(given):
    """Hexadecimal, long runs as {byte*count}, what comes again and again in patterns as it is."""
    parts = []
    for value, run in itertools.groupby(given):
        count = len(list(run))
        parts.append(f"{{{value:02x}*{count}}}" if count > 12 else f"{value:02x}" * count)
    return "".join(parts)


def vip_line(one):
    line = json.dumps(one, separators=(",", ":")).replace('"', "'")
    return f'\t"{line}",'


def port_line(port):
    prefixes = ", ".join(f'"{p}"' for p in port["for"])
    return (f'\t{{ .mac = "{port["mac"]}", .mtu = {port["mtu"]}, .gateway_mac = "{port["gateway"]}", .prefixes = {{ {prefixes} }}, '
            f'.vlan = "{port["vlan"]}" }},')


def endpoint(address, port, protocol):
    return f"{f'[{address}]' if ':' in address else address}:{port}/{protocol}"


def world_line(world):
    members = [f'.entropy_ipv{version} = "{net}"' for version, net in sorted(world.items())]
    return f"\t{{ {', '.join(members) or '0'} }},"


def state_file(sets):
    owners = ", ".join(f'"{a}"' for a in PATTERN)
    vips = ", ".join(f'"{endpoint(*one)}"' for one in PATTERN_VIPS)
    yield from (SPDX, WRITTEN, AS_IT_IS, f'static const char case_key[] = "{KEY.hex()}";',
                f'static const char case_source_ipv4[] = "{SOURCE[4]}";', f'static const char case_source_ipv6[] = "{SOURCE[6]}";', "",
                "/* `vips` of plane.prepare, with ' for \". */", "static const char *const case_vips[] = {", *map(vip_line, STATE),
                "};", "",
                "static const struct case_port case_ports[] = {", *map(port_line, PORTS), "};", "",
                "/* What else the plane is configured with, by world. */",
                "static const struct case_world case_worlds[] = {", *map(world_line, WORLDS), "};", "",
                "/* Row r of these VIPs belongs to case_pattern_owners[r % 5], NULL: to nobody. */",
                f"static const char *const case_pattern_vips[] = {{ {vips} }};",
                f"static const char *const case_pattern_owners[5] = {{ {owners}, NULL }};", "",
                "/* Its backends' slots are made dead. */", f'static const char case_dead_vip[] = "{endpoint(*DEAD_VIP)}";',
                "/* Its rows are made to name a slot that it does not have. */",
                f'static const char case_beyond_vip[] = "{endpoint(*BEYOND_VIP)}";', "")
    yield from ("/* VIPs whose rows remember. */", "static const char *const case_row_vips[] = {",
                *(f'\t"{endpoint(*one)}",' for one in ROW_VIPS), "};", "")
    for name in sets:
        yield f'#include "{name}.h"'
    yield from ("", "static const struct case_set case_sets[] = {")
    for name, rows in sets.items():
        yield f"\t{{ {name}, {len(rows)}, {rows[0].world}, {tracks_name(name) if rows[0].track else 'NULL'} }},"
    yield "};"


def tracks_name(name):
    return name.replace("cases_", "tracks_")


def memory_text(memory):
    return f"{{ {memory.row:#x}, {{ {', '.join(f'{word:#x}' if word else '0' for word in memory.flows)} }} }}"


def track_lines(track):
    yield f"{{ {track.vip}, {track.row}, {track.bucket}, {track.tick}, {track.dead}, {int(track.is_looked_up)},"
    yield f"  {memory_text(track.before)},"
    yield f"  {memory_text(track.after)}, {{ {', '.join(map(str, track.counted))} }} }},"


def lines_of(row):
    return 3 + (len(list(track_lines(row.track))) if row.track else 0)


def rows_file(name, rows):
    yield from (SPDX, WRITTEN, AS_IT_IS, f"static const struct packet_case {name}[] = {{")
    for row in rows:
        yield f'{{ "{row.name}", {int(row.is_fresh)}, {row.in_port}, {row.verdict}, {row.port},'
        yield f'  "{text(row.given)}",'
        yield f'  "{text(row.out)}" }},' if row.out else "  NULL },"
    yield "};"
    if rows[0].track:
        yield from ("", f"static const struct case_track {tracks_name(name)}[] = {{")
        for row in rows:
            yield from track_lines(row.track)
        yield "};"


def in_files():
    """Rows by the name of their array and file: a topic, in parts where it is long. A sequence stays together."""
    sets = collections.OrderedDict()
    for topic, topic_rows in itertools.groupby(table.rows, lambda row: row.topic):
        rows, parts = list(topic_rows), []
        for row in rows:
            if not parts or sum(map(lines_of, parts[-1])) >= LINES_IN_FILE and row.is_fresh:
                parts.append([])
            parts[-1].append(row)
        for i, part in enumerate(parts):
            name = f"cases_{topic}" + (f"_{i + 1}" if len(parts) > 1 else "")
            assert name not in sets, name
            sets[name] = part
    return sets


def main():
    for module in (cases_forward, cases_fragment, cases_extension, cases_icmp, cases_big, cases_refused, cases_group, cases_rows):
        module.fill()
    sets = in_files()
    files = {"cases.h": state_file(sets), **{f"{name}.h": rows_file(name, rows) for name, rows in sets.items()}}
    left = {path.name for path in FOLDER.glob("cases*.h")} - set(files)
    wrong = [f"{name} is of no topic" for name in sorted(left)]
    for name, lines in files.items():
        path, made = FOLDER / name, "\n".join(lines) + "\n"
        if sys.argv[1:] != ["--check"]:
            path.write_text(made, encoding="ascii")
        elif not path.exists() or path.read_text(encoding="ascii") != made:
            wrong.append(f"{name} is not what tests/packet/make_cases.py writes")
    if sys.argv[1:] != ["--check"]:
        for name in left:
            (FOLDER / name).unlink()
    elif wrong:
        sys.exit("tests/packet: " + "; ".join(wrong) + ": run tests/packet/make_cases.py")
    verdicts = collections.Counter(row.verdict for row in table.rows)
    names = {row.name for row in table.rows if row.is_fresh}
    print(f"{len(table.rows)} cases, {len(names)} by themselves or at the start of a sequence, {len(verdicts)} verdicts")


if __name__ == "__main__":
    main()
