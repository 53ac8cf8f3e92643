#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Planted faults: shows that the case table and the differential fuzzer see a fault in the core when there is one.

    run.py CLANG LIBRARY... [-- NAME...]

For each fault below, one header of dataplane/core is copied, changed, and laid over its original in the compiler's view
of the file system alone (-ivfsoverlay); the sources are not touched. The packet path (dataplane/plane/tables.c) is compiled
with it and linked before LIBRARY..., which are made once: of two with the same functions the linker takes the first.
canary.c then looks for the fault by the case table, and by random sequences of frames beside the packet model. Who must
find it is said with each. The core as it is must pass both.

A fault is text that stands in the header exactly once, and what stands there instead: when the header changes so that
it does not match any more, the fault is to be planted anew, and until then the run fails."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

from planted import CORE, TOP, Broken, build, planted, run, try_all

FUZZ_INPUTS = 200000
SEED = 1
CFLAGS = ["-std=gnu11", "-O0", "-fPIE", "-D_GNU_SOURCE", "-Wno-everything"]
LIBS = ["-lcjson", "-lmnl", "-lm"]

CASES, FUZZ, BOTH = {"cases"}, {"fuzz"}, {"cases", "fuzz"}

# name, header, text, text instead, who must find it
FAULTS = [
    ("inner checksum not adjusted", "encap.h",
     "ip->checksum = fl_checksum_adjusted(ip->checksum, before, (uint16_t)(before - 1));", "(void)before;", BOTH),
    ("outer checksum off by one", "encap.h",
     "fl_checksum_fold(backend->header_sum + (tos << 8)", "fl_checksum_fold(backend->header_sum + 1 + (tos << 8)", BOTH),
    ("checksum without its last carry", "checksum.h",
     "\tsum = (sum & 0xffff) + (sum >> 16);\n\tsum = (sum & 0xffff) + (sum >> 16);",
     "\tsum = (sum & 0xffff) + (sum >> 16);", FUZZ),
    ("TTL untouched", "encap.h", "ip->ttl--;", ";", BOTH),
    ("hop limit untouched", "encap.h", "ip->hop_limit--;", ";", BOTH),
    ("TTL 1 forwarded", "decide.h", "packet->ttl <= 1", "packet->ttl < 1", BOTH),
    ("wrong counter", "parse.h",
     "source->half[1] == 0 ? FL_DROP_SOURCE_UNSPECIFIED", "source->half[1] == 0 ? FL_DROP_SOURCE_LOOPBACK", BOTH),
    ("wrong event", "decide.h", "core->events[FL_EVENT_ANSWER_LIMITED]++",
     "core->events[FL_EVENT_FRAGMENT_EVICTED]++", FUZZ),
    ("header length of IPv4 unchecked", "parse.h",
     "if (ip->version_ihl >> 4 != 4 || header_bytes < sizeof *ip)", "if (ip->version_ihl >> 4 != 4)", BOTH),
    ("frame's length for the packet's", "parse.h",
     "packet->l3_bytes = (uint16_t)total_bytes;", "packet->l3_bytes = (uint16_t)l3_room;", BOTH),
    ("extension header 8 bytes too long", "parse.h",
     "return ((uint32_t)extension->length + 1) * 8;", "return ((uint32_t)extension->length + 2) * 8;", BOTH),
    ("AH measured as the others", "parse.h",
     "return ((uint32_t)extension->length + 2) * 4;", "return ((uint32_t)extension->length + 1) * 8;", BOTH),
    ("one extension header too many", "parse.h", "count++ == FL_EXTENSIONS_MAX", "count++ == FL_EXTENSIONS_MAX + 1", BOTH),
    ("fragment's payload read as ports", "parse.h",
     "} else if (packet->fragment == FL_FRAGMENT_LATER) {", "} else if (false) {", BOTH),
    ("fragment found after its life", "fragment.h",
     "fl_fragment_age(word, now_ns) < FL_FRAGMENT_LIFE_STEPS", "fl_fragment_age(word, now_ns) < FL_FRAGMENT_LIFE_STEPS + 2",
     FUZZ),
    ("fragment of another packet found", "flowhash.h", "(uint64_t)packet->fragment_id |", "0 |", BOTH),
    ("refused sources that are the host's", "parse.h",
     "packet->source == FL_FORWARD) ||\n\t    fl_verdict_is_pass((enum fl_verdict)packet->on_vip))", "packet->source == FL_FORWARD))", BOTH),
    ("frame to a group forwarded", "parse.h", "packet->is_to_group = ethernet->dst[0] & 1;", "packet->is_to_group = 0;", BOTH),
    ("frame to a multicast MAC forwarded", "parse.h", "ethernet->dst[0] & 1;", "ethernet->dst[0] == 0xffff;", BOTH),
    ("source before the group MAC", "parse.h",
     "packet->is_to_group ? FL_DROP_LINK_GROUP : packet->source",
     "packet->source != FL_FORWARD ? packet->source : FL_DROP_LINK_GROUP", BOTH),
    ("source of a quoted IPv4 packet unverified", "icmp.h",
     "(ip.fragment & fl_to_be16(FL_IPV4_OFFSET_MASK)) ||\n\t    ip.src != fl_addr_ipv4(&packet->to.address))",
     "(ip.fragment & fl_to_be16(FL_IPV4_OFFSET_MASK)))", BOTH),
    ("length that a quoted packet says unchecked", "icmp.h",
     "fl_from_be16(ip.total_bytes) < header_bytes + FL_QUOTED_L4_BYTES ||", "", BOTH),
    ("quoted ports not exchanged", "icmp.h", "packet->src_port = ports.dst;", "packet->src_port = ports.src;", BOTH),
    ("prefix one bit too short", "base.h", "__builtin_bswap64(~0ull << (64 - bits))",
     "__builtin_bswap64(~0ull << (65 - bits))", BOTH),
    ("last port of a range left out", "access.h", "port <= page->range[i].last", "port < page->range[i].last", BOTH),
    ("GUE length 8 short", "encap.h",
     "out->bytes = fl_to_be16((uint16_t)(packet->l3_bytes + sizeof *out));",
     "out->bytes = fl_to_be16((uint16_t)packet->l3_bytes);", BOTH),
    ("flow label from the low bits of the hash", "encap.h", "(uint32_t)(hash >> 44)", "(uint32_t)(hash & 0xfffff)", BOTH),
    ("echo answered to the VIP itself", "answer.h", "\tip->src = ip->dst;\n\tip->dst = src;", "\t(void)src;", BOTH),
    ("zero checksum in an echo answer", "answer.h", "if (icmp->checksum == 0)", "if (false)", CASES),
    ("inner tag lost", "decide.h", "decision->tag[1] = packet->tag[1];", "decision->tag[1] = 0;", BOTH),
    ("too-big without the outer headers", "decide.h", "decision->mtu = (uint32_t)mtu;",
     "decision->mtu = fl_port_mtu(decision->port_word);", BOTH),
    ("own tunnel not recognised", "decide.h",
     "if (fl_is_own_source(view->config, &packet->src))", "if (false)", BOTH),
    ("own l2dsr frame not recognised", "decide.h",
     "if (packet->src_mac == (decision->port_word & FL_MAC_MASK))", "if (false)", BOTH),
    ("nobody's, and dropped where it is the host's", "decide.h", "return decision->vip->service.flags & FL_VIP_TO_HOST ? FL_PASS_NO_BACKEND",
     "return false ? FL_PASS_NO_BACKEND", BOTH),
    ("touch omitted", "track.h", "if (touched != track->entry && !fl_track_swap(track, track->entry, touched))", "if (false)", BOTH),
    ("open entry evicted", "track.h",
     "if (age >= window->evict_units && fl_flow_state(word) != FL_FLOW_OPEN)", "if (age >= window->evict_units)", BOTH),
    ("youngest entry evicted first", "track.h",
     "return facts & FL_ENTRY_MAY_GO ? facts & FL_ENTRY_IDLE_MASK : 0;",
     "return facts & FL_ENTRY_MAY_GO ? FL_ENTRY_IDLE_MASK - (facts & FL_ENTRY_IDLE_MASK) : 0;", BOTH),
    ("cur and prev exchanged", "track.h", ".def = is_moving ? prev : cur,", ".def = is_moving ? cur : prev,", BOTH),
    ("hold ignored", "track.h", ".new = is_holding ? prev : cur };", ".new = cur };", BOTH),
    ("hold a tick too long", "track.h", "(int32_t)(window->row_ticks - window->hold_ticks);",
     "(int32_t)(window->row_ticks - window->hold_ticks) - 1;", BOTH),
    ("stamp in ticks", "track.h", "(uint8_t)(track->tick >> (track->facts >> FL_ENTRY_UNIT_BIT))", "(uint8_t)track->tick", BOTH),
    ("stamp in the unit of another VIP", "track.h", "(track->tick >> (track->facts >> FL_ENTRY_UNIT_BIT))",
     "(track->tick >> track->window.unit_shift)", CASES),
    ("entry a unit too long alive", "track.h", "if (age > window->live_units)", "if (age > window->live_units + 1)", BOTH),
    ("closed tuple new at once", "track.h", "if (age >= window->closed_units)", "if (true)", BOTH),
    ("closing never open again", "track.h", "else if (state == FL_FLOW_SYN || track->flow->segment & FL_SEGMENT_PAYLOAD ||",
     "else if (state == FL_FLOW_SYN ||", BOTH),
    ("RST pinned", "track.h", "\t    track->flow->segment & FL_SEGMENT_RST)", "\t    false)",
     BOTH),
    ("ICMP error leaves a trace", "track.h", "return FL_SEGMENT_WATCH;", "return 0;", BOTH),
    ("foreign entry does not keep the row", "track.h", "fl_row_state(track->row_word) != FL_ROW_SETTLING ||\n\t    slot ==",
     "true ||\n\t    slot ==", BOTH),
    ("untracked flow does not keep the row", "track.h", "\tif (!fl_track_prolong(track, 0))", "\tif (false)", BOTH),
    ("full, and to the new owner", "track.h", "fl_track_slot(track, fl_track_owners(track).def)", "track->slot_base + owner", BOTH),
    ("word of a dead slot left", "track.h", "if (track->facts & FL_ENTRY_DEAD)", "if (false)", BOTH),
    ("dead owner not skipped", "track.h", "if (fl_track_is_dead(track, owners.def))", "if (false)", BOTH),
    ("stamp ahead taken for old", "flow.h", "return age < FL_FLOW_AGE_AHEAD ? age : 0;", "return age;", BOTH),
    ("fingerprint from the bits of row and bucket", "flow.h", "return hash >> (64 - FL_FLOW_FP_BITS);", "return hash & FL_FLOW_FP_MASK;",
     BOTH),
]


def overlay(directory, header, text, instead):
    """The compiler's arguments that put the fault in the header's place."""
    planted(directory, [(header, text, instead)])
    contents = [{"type": "file", "name": header, "external-contents": str(directory / header)}]
    view = {"version": 0, "case-sensitive": "true", "use-external-names": "false",
            "roots": [{"type": "directory", "name": str(CORE), "contents": contents}]}
    path = directory / "overlay.yaml"
    path.write_text(json.dumps(view), encoding="utf-8")
    return ["-ivfsoverlay", str(path)]


def link(clang, libraries, directory, arguments):
    packet_path, canary = directory / "tables.o", directory / "canary"
    build([clang, *CFLAGS, *arguments, "-c", str(TOP / "dataplane/plane/tables.c"), "-o", str(packet_path)])
    build([clang, "-pie", "-o", str(canary), str(packet_path), *libraries, *LIBS])
    return canary


def look(canary, by):
    """(found, what was seen, seconds)"""
    started = time.monotonic()
    try:
        result = run([str(canary), by, str(FUZZ_INPUTS), str(SEED)])
    except subprocess.TimeoutExpired:
        return True, "it does not end", time.monotonic() - started
    seconds = time.monotonic() - started
    if result.returncode < 0:
        return True, f"crash, signal {-result.returncode}", seconds
    if result.returncode > 1:
        raise Broken(result.stderr.strip())
    return result.returncode == 1, (result.stdout.strip().splitlines() or ["nothing said"])[-1], seconds


def try_fault(clang, libraries, fault):
    """(as it should be, lines to print). No fault: the core as it is."""
    name, header, text, instead, finders = fault or ("the core as it is", None, None, None, set())
    with tempfile.TemporaryDirectory(prefix="canary-") as path:
        directory = pathlib.Path(path)
        try:
            arguments = overlay(directory, header, text, instead) if fault else []
            canary = link(clang, libraries, directory, arguments)
            seen = {by: look(canary, by) for by in ("cases", "fuzz") if not fault or by in finders}
        except Broken as why:
            return False, f"{name}: {why}"
    fine = all(found == bool(fault) for found, _, _ in seen.values())
    told = "; ".join(f"{by} {seconds:.2f} s, {what}" for by, (_, what, seconds) in seen.items())
    verdict = ("killed" if fault else "passes") if fine else ("SURVIVED" if fault else "FAILED")
    return fine, f"{name}: {verdict}: {told}"


def main():
    arguments = sys.argv[1:]
    names = arguments[arguments.index("--") + 1:] if "--" in arguments else []
    clang, *libraries = arguments[:arguments.index("--")] if "--" in arguments else arguments
    faults = [fault for fault in FAULTS if not names or fault[0] in names]
    started = time.monotonic()
    is_sound, line = try_fault(clang, libraries, None)
    print(line, flush=True)
    killed = try_all(lambda fault: try_fault(clang, libraries, fault), faults if is_sound else [])
    print(f"canaries killed {killed}/{len(faults)}, {time.monotonic() - started:.0f} s")
    return 0 if is_sound and killed == len(faults) > 0 else 1


sys.exit(main())
