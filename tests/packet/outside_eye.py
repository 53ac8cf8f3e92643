#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Goal: what the packet path forwards is right to those who know nothing of it.

Method: packets that are all to be forwarded, made at random here; a program decides them on the tables of the packet cases and
writes what went in and what came out. tshark reads the output (headers malformed, checksums wrong; what is inside GUE, which it
does not open, is laid out for it), and each output is computed again from its input by cases_world.py (scapy, integers).

    outside_eye.py make IN.pcap [--seed N] [--count N] [--world N]    writes inputs
    outside_eye.py check IN.pcap OUT.pcap [--least N] [--world N]     record i of OUT is what became of record i of IN
    outside_eye.py run PROGRAM [--seed N] [--count N]                 both, half in each world: PROGRAM INPUTS IN.pcap OUT.pcap WORLD
    outside_eye.py self [--seed N] [--count N]                        is its own program, then plants faults: each must be seen

Exit 0: nothing is wrong. The seed is printed; the same seed makes the same packets."""

import argparse
import ipaddress
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

from scapy.all import (IP, TCP, UDP, IPOption_NOP, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                       IPv6ExtHdrRouting, Raw, RawPcapReader)
from scapy.layers.inet6 import in6_chksum

import cases_world as world_of

from cases_world import BEYOND_VIP, DEAD_VIP, PATTERN_VIPS, PORTS, STATE, WORLDS

COUNT = 10000
SAID_MAX = 20  # wrong packets that are told in full
TSHARK_SECONDS_MAX = 120
AS_DATA = ("udp.port==0-65535,data", "tcp.port==0-65535,data")  # what is in TCP and UDP is random: nothing to look into
STATUS = ("ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status")
BAD_STATUS = {"0", "4"}  # bad, illegal; 1 good, 2 not verified (quotes), 3 none


def ports_of(vip):
    """(first, last) port of a VIP."""
    if vip["port"] == "any":
        return 0, 65535
    first, _, last = str(vip["port"]).partition("-")
    return int(first), int(last or first)


LOOKED_UP = [(ipaddress.ip_network(vip["address"]), *ports_of(vip), vip) for vip in STATE]


def at_address(address):
    """(prefix, first port, last port, VIP) of those whose address or prefix has it."""
    address = ipaddress.ip_address(address)
    return [one for one in LOOKED_UP if one[0].version == address.version and address in one[0]]


def vip_for(address, port, protocol):
    """The VIP that a packet is for, docs/formats.md, section 7, step 4; None."""
    fit = [(-net.prefixlen, last - first, i, vip) for i, (net, first, last, vip) in enumerate(at_address(address))
           if vip["protocol"] == protocol and first <= port <= last]
    return min(fit)[3] if fit else None


def echo_vip_for(address):
    """The VIP whose backends get echo requests to that address: of the longest prefix, first by port, then protocol."""
    return min((-net.prefixlen, first, vip["protocol"], i, vip) for i, (net, first, _, vip) in enumerate(at_address(address)))[4]


def transport_of(packet):
    """(source, destination, protocol, what is behind the IP headers) of the bytes of a packet."""
    if packet[0] >> 4 == 4:
        src, dst = (str(ipaddress.IPv4Address(packet[at:at + 4])) for at in (12, 16))
        return src, dst, packet[9], packet[(packet[0] & 15) * 4:]
    src, dst = (str(ipaddress.IPv6Address(packet[at:at + 16])) for at in (8, 24))
    protocol, at = packet[6], 40
    while protocol in (0, 43, 44, 60):
        protocol, at = packet[at], at + (8 if protocol == 44 else 8 * packet[at + 1] + 8)
    return src, dst, protocol, packet[at:]


def two_ports(l4):
    return int.from_bytes(l4[:2], "big"), int.from_bytes(l4[2:4], "big")


def flow_of(packet):
    """(flow, VIP) of the bytes of a packet."""
    src, dst, protocol, l4 = transport_of(packet)
    if protocol in (6, 17):
        sport, dport = two_ports(l4)
        return (src, sport, dst, dport, protocol), vip_for(dst, dport, {6: "tcp", 17: "udp"}[protocol])
    if l4[0] in (8, 128):
        return (src, int.from_bytes(l4[4:6], "big"), dst, 0, protocol), echo_vip_for(dst)
    quote_src, quote_dst, protocol, l4 = transport_of(l4[8:])  # an error: the flow of what it quotes, the other way
    sport, dport = two_ports(l4)
    return (quote_dst, dport, quote_src, sport, protocol), vip_for(quote_src, sport, {6: "tcp", 17: "udp"}[protocol])


# The packets.

def is_usable(vip):
    """Every flow of it is forwarded."""
    name = (vip["address"], vip["port"], vip["protocol"])
    backends = [one["address"] for one in vip["backends"] if one["weight"] > 0]
    return name not in (*PATTERN_VIPS, DEAD_VIP, BEYOND_VIP) and bool(backends) and ":99:" not in backends[0] and ".99." not in backends[0]


def room_for(vip):
    """Bytes of the largest packet to any of its backends."""
    return min(PORTS[world_of.port_to(one["address"])]["mtu"] - world_of.outer_bytes(one["address"], vip.get("mode", "ipip"))
               for one in vip["backends"])


def random_client(rng, version):
    if version == 4:
        return str(ipaddress.IPv4Address(rng.randrange(0x0b000000, 0x7f000000)))
    return str(ipaddress.IPv6Address((0x2a << 120) + rng.getrandbits(120)))


def random_ip(rng, src, dst):
    """An IP header with options or extension headers now and then."""
    ttl, tos = rng.choice((2, 3, 57, 64, 128, 255)), rng.choice((0, 0, 1, 2, 3, 0xb8, 0xff))
    if ":" not in dst:
        options = [IPOption_NOP()] * 4 * rng.choice((0, 0, 0, 1, 3, 10))
        return IP(src=src, dst=dst, ttl=ttl, tos=tos, id=rng.getrandbits(16), flags=rng.choice(("", "DF")), options=options)
    ip = IPv6(src=src, dst=dst, hlim=ttl, tc=tos, fl=rng.choice((0, rng.getrandbits(20))))
    if rng.random() < 0.1:
        ip = ip / IPv6ExtHdrHopByHop()
    for header in rng.choices((None, IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(type=2, segleft=0, addresses=[src])), (8, 1, 1), k=2):
        ip = ip if header is None else ip / header
    return ip / IPv6ExtHdrFragment(id=rng.getrandbits(32)) if rng.random() < 0.05 else ip


def random_transport(rng, vip):
    first, last = ports_of(vip)
    kind = TCP if vip["protocol"] == "tcp" else UDP
    more = {"flags": rng.choice(("S", "A", "PA", "FA", "R")), "seq": rng.getrandbits(32)} if kind is TCP else {}
    return kind(sport=rng.randrange(65536), dport=rng.choice((first, last, rng.randint(first, last))), **more)


def random_payload(rng, room):
    size = rng.choice((0, 1, rng.randint(0, 100), rng.randint(0, 1400), room, room - 1))
    return Raw(rng.randbytes(max(0, min(size, room))))


def random_packet(rng, vips):
    vip = rng.choice(vips)
    net = ipaddress.ip_network(vip["address"])
    dst = str(net[rng.randrange(net.num_addresses)])
    src, l4 = random_client(rng, net.version), random_transport(rng, vip)
    echo_vip, kind = echo_vip_for(dst), rng.random()
    if kind < 0.05:  # an error about what the VIP sent to that client
        quote = (IP if net.version == 4 else IPv6)(src=dst, dst=src) / l4.__class__(sport=l4.dport, dport=l4.sport) / Raw(b"answer")
        return with_icmp(random_ip(rng, random_client(rng, net.version), dst), b"\x03\x01" if net.version == 4 else b"\x01\x04",
                         bytes(4) + bytes(quote))
    if kind < 0.5 and echo_vip.get("icmp_echo") == "forward" and is_usable(echo_vip):
        data = rng.randbytes(4) + rng.randbytes(rng.randrange(600))
        return with_icmp(random_ip(rng, src, dst), b"\x08\0" if net.version == 4 else b"\x80\0", data)
    matched = vip_for(dst, l4.dport, vip["protocol"])
    ip = random_ip(rng, src, dst)
    room = room_for(matched) - len(ip / l4)
    return ip / l4 / random_payload(rng, room) if is_usable(matched) and room >= 0 else None


def with_icmp(ip, type_code, data):
    """ICMP or ICMPv6 with its checksum right, as bytes: scapy would not put it behind every chain of headers."""
    message = bytearray(type_code + bytes(2) + data)
    if ip.version == 4:
        sums = world_of.checksum(bytes(message))
        ip.proto = 1
    else:
        sums = in6_chksum(58, IPv6(src=ip.src, dst=ip.dst), bytes(message))
        last = ip.lastlayer()
        last.nh = 58
    message[2:4] = sums.to_bytes(2, "big")
    return ip / Raw(bytes(message))


def random_frame(rng, packet):
    tags = [(rng.choice(world_of.TPIDS), rng.getrandbits(16)) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
    built = world_of.link_header(PORTS[0]["mac"], world_of.CLIENT_MAC, tags, world_of.kind_of(packet)) + packet
    return built + rng.randbytes(max(60 - len(built), rng.choice((0, 0, 0, 7))))


def inputs(seed, count):
    rng = random.Random(seed)
    vips = [vip for vip in STATE if is_usable(vip)]
    made = []
    for _ in range(count * 10):  # enough: about nine of ten packets are good ones
        packet = random_packet(rng, vips)
        if packet is not None:
            packet = bytes(packet)
            vip = flow_of(packet)[1]
            if is_usable(vip) and len(packet) <= room_for(vip):
                made.append(random_frame(rng, packet))
        if len(made) == count:
            return made
    raise AssertionError(f"seed {seed}: only {len(made)} packets")


def write_pcap(path, frames):
    """Ethernet, microseconds, the byte order of this machine; a packet a second."""
    with open(path, "wb") as stream:
        stream.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for number, one in enumerate(frames):
            stream.write(struct.pack("=IIII", number, 0, len(one), len(one)) + one)


def read_pcap(path):
    return [bytes(one) for one, _ in RawPcapReader(str(path))]


# The checks: each gives (number of the packet from 1, what is wrong).

def tshark_wrong(frames, folder):
    path = folder / "tshark.pcap"
    write_pcap(path, frames)
    command = ["tshark", "-n", "-r", str(path)]
    for one in AS_DATA:
        command += ["-d", one]
    for option in ("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE", "udp.ignore_ipv6_zero_checksum:TRUE",
                   "ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE", "tcp.analyze_sequence_numbers:FALSE"):
        command += ["-o", option]
    command += ["-T", "fields", "-e", "frame.number", "-e", "_ws.malformed", "-e", "ip.version", "-e", "ipv6.version"]
    for name in STATUS:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TSHARK_SECONDS_MAX)
    lines = done.stdout.splitlines()
    if len(lines) != len(frames):
        yield 0, f"tshark read {len(lines)} packets of {len(frames)}"
    for line in lines:
        number, malformed, four, six, *status = line.split("\t")
        wrong = [f"{name} {value}" for name, value in zip(STATUS, status) if BAD_STATUS & set(value.split(","))]
        if malformed or wrong or not four + six:
            yield int(number), f"tshark: malformed {malformed or '-'}, {' '.join(wrong) or 'no IP' if not four + six else ' '.join(wrong)}"


def out_of_gue(frame):
    """The frame with what is inside of GUE in place of the outer packet; any other frame is None."""
    _, packet, _ = world_of.split(frame)
    header = 20 if packet[0] >> 4 == 4 else 40
    if packet[9 if header == 20 else 6] != 17 or packet[header + 2:header + 4] != (6080).to_bytes(2, "big"):
        return None
    inner = packet[header + 8:]
    return world_of.link_header("02:00:00:00:00:00", "02:00:00:00:00:00", [], world_of.kind_of(inner)) + inner


def tshark_all_wrong(frames):
    """The frames, and once more what is inside of GUE."""
    numbers, peeled = [], []
    for number, one in enumerate(frames, 1):
        inner = out_of_gue(one)
        if inner is not None:
            numbers.append(number)
            peeled.append(inner)
    with tempfile.TemporaryDirectory() as folder:
        yield from tshark_wrong(frames, pathlib.Path(folder))
        for number, text in tshark_wrong(peeled, pathlib.Path(folder)) if peeled else ():
            yield numbers[number - 1] if number else 0, "inside gue, " + text


def computed_wrong(given, out, world):
    """What differs between an output and what must become of its input; None: nothing."""
    flow, vip = flow_of(world_of.split(given)[1])
    if vip is None:
        return "its input is for no VIP"
    mode, hash64 = vip.get("mode", "ipip"), world_of.flow_hash(*flow)
    allowed = [one["address"] for one in vip["backends"] if one["weight"] > 0]
    expected = [world_of.to_backend(given, backend, mode, hash64, world)[1] for backend in allowed]
    if mode != "l2dsr":  # the backend by the outer destination alone
        _, packet, _ = world_of.split(out)
        target = str(ipaddress.ip_address(packet[16:20] if packet[0] >> 4 == 4 else packet[24:40]))
        if target not in allowed:
            return f"outer destination {target}, allowed: {', '.join(allowed)}"
        expected = [expected[allowed.index(target)]]
    if out in expected:
        return None
    at = next((i for i, (a, b) in enumerate(zip(out, expected[0])) if a != b), min(len(out), len(expected[0])))
    return (f"{mode}, {len(out)} bytes instead of {len(expected[0])}, differs from byte {at}: {out[at:at + 8].hex()} "
            f"instead of {expected[0][at:at + 8].hex()}")


def check(given, out, world, least):
    """Says what is wrong. @return how many packets."""
    wrong = {}
    if len(given) != len(out) or len(out) < least:
        wrong[0] = f"{len(given)} inputs, {len(out)} outputs, at least {least} wanted"
    for number, pair in enumerate(zip(given, out), 1):
        try:
            text = computed_wrong(*pair, world)
        except (IndexError, ValueError, AttributeError, AssertionError) as error:
            text = f"cannot be read: {error!r}"
        if text is not None:
            wrong.setdefault(number, text)
    for number, text in tshark_all_wrong(out):
        wrong.setdefault(number, text)
    for number in sorted(wrong)[:SAID_MAX]:
        print(f"outside eye: packet {number}: {wrong[number]}", file=sys.stderr)
    return len(wrong)


def decided(given, world):
    """What a right program makes of the inputs: any backend that may be."""
    for one in given:
        flow, vip = flow_of(world_of.split(one)[1])
        backend = next(b["address"] for b in vip["backends"] if b["weight"] > 0)
        yield world_of.to_backend(one, backend, vip.get("mode", "ipip"), world_of.flow_hash(*flow), world)[1]


def is_gue(frame):
    return frame[23] == 17 and frame[36:38] == b"\x17\xc0"


def faults(out):
    """(name, the outputs with one fault): each must be seen, at exactly one packet."""
    def planted(name, is_fit, at, change):
        number = next(i for i, one in enumerate(out) if one[12:14] == b"\x08\0" and is_fit(one))
        one = bytearray(out[number])
        one[at] = change(one[at]) & 0xff
        return name, [*out[:number], bytes(one), *out[number + 1:]]
    yield planted("outer ttl", lambda one: one[23] == 4, 22, lambda old: old - 1)
    yield planted("outer checksum", lambda one: one[23] == 4, 24, lambda old: old + 1)
    yield planted("outer id", lambda one: one[23] == 4, 19, lambda old: old + 1)
    yield planted("outer destination", lambda one: one[23] == 4, 33, lambda old: old ^ 0xff)
    yield planted("inner ttl", lambda one: one[23] == 4 and one[14] == 0x45, 42, lambda old: old + 1)
    yield planted("inner checksum", lambda one: one[23] == 4 and one[14] == 0x45, 44, lambda old: old + 1)
    yield planted("last byte", lambda one: True, -1, lambda old: old ^ 1)
    yield planted("next hop's MAC", lambda one: True, 5, lambda old: old ^ 0x80)
    yield planted("checksum inside gue", lambda one: is_gue(one) and one[42] == 0x45, 52, lambda old: old + 1)
    yield planted("gue source port", is_gue, 35, lambda old: old ^ 1)
    yield "one packet short", [*out[:-2], out[-2][:-1], out[-1]]


def self_test(seed, count):
    wrong, share = 0, count // len(WORLDS)
    for world in range(len(WORLDS)):
        given = inputs(seed + world, share)
        wrong += check(given, list(decided(given, world)), world, share)
    given = inputs(seed, min(count, 500))
    out = list(decided(given, 0))
    missed = []
    for name, planted in faults(out):
        is_seen = "checksum" not in name or len(list(tshark_all_wrong(planted))) == 1  # by tshark alone
        if not is_seen or check(given, planted, 0, len(given)) != 1:
            missed.append(name)
    print(f"outside eye: {share * len(WORLDS)} packets, {wrong} wrong; planted faults not seen: {', '.join(missed) or 'none'}")
    return wrong + len(missed)


def run(program, seed, count):
    wrong, checked, share = 0, 0, count // len(WORLDS)
    for world in range(len(WORLDS)):
        with tempfile.TemporaryDirectory() as folder:
            made, given, out = (pathlib.Path(folder) / name for name in ("inputs.pcap", "in.pcap", "out.pcap"))
            write_pcap(made, inputs(seed + world, share))
            done = subprocess.run([program, str(made), str(given), str(out), str(world)], timeout=TSHARK_SECONDS_MAX)
            if done.returncode != 0:
                sys.exit(done.returncode)  # it has said why; 77: it may not load programs here
            outputs = read_pcap(out)
            checked += len(outputs)
            wrong += check(read_pcap(given), outputs, world, share)
    print(f"outside eye: {checked} packets, {wrong} wrong")
    return wrong


def main():
    parser = argparse.ArgumentParser(description="Checks forwarded packets by tshark and scapy.")
    parser.add_argument("what", choices=("make", "check", "run", "self"))
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--least", type=int, default=1)
    parser.add_argument("--world", type=int, default=0, choices=range(len(WORLDS)))
    args = parser.parse_intermixed_args()
    if len(args.paths) != {"make": 1, "check": 2, "run": 1, "self": 0}[args.what]:
        parser.error(f"{args.what}: wrong number of files")
    if args.what != "check":
        print(f"outside eye: seed {args.seed}")
    if args.what == "make":
        write_pcap(args.paths[0], inputs(args.seed, args.count))
        return 0
    if args.what == "check":
        given, out = map(read_pcap, args.paths)
        wrong = check(given, out, args.world, args.least)
        print(f"outside eye: {len(out)} packets, {wrong} wrong")
    else:
        wrong = self_test(args.seed, args.count) if args.what == "self" else run(args.paths[0], args.seed, args.count)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
