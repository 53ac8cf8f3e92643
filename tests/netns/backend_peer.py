# SPDX-License-Identifier: BSD-2-Clause
"""
What the namespaces around a backend run in test_backend.py; each command is one process.

    relay IF MODE MAC VIP [OUTER_SOURCE OUTER_DESTINATION]   a minimal balancer: sends what comes for the VIP to MAC
                                 by MODE: ipip, gue (variant 1), gue0 (variant 0), l2dsr (as it is)
    serve IF ADDRESS PORT        TCP: answers an upload with its SHA-256 and the longest frame seen; UDP: echo
    upload IF ADDRESS PORT BYTES connects, sends, prints the SYN-ACK's frame and the answer as JSON
    shake IF ADDRESS PORT        connects, prints the SYN's frame and the SYN-ACK's as JSON
    send IF                      puts the frames on standard input (hex, one a line) on the wire
    listen ADDRESS PORT          prints the first UDP datagram to it and its sender as JSON
    capture IF                   prints each TCP SYN frame that comes in, as hex, one a line

Those that wait for others print "ready" first.
"""

import hashlib
import json
import random
import select
import socket
import struct
import sys

PACKET_OUTGOING = 4
ETH_P_ALL = 3
BUFFER_BYTES = 32 << 20
SO_RCVBUFFORCE = 33
WAIT_SECONDS = 30
TCP_SYN = 0x02
UDP = 17
GUE_PORT = 6080
GUE_SOURCE_PORT = 49152


def ready():
    print("ready", flush=True)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def packet_socket(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((interface, ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    return s


def destination(frame):
    """The packed IP destination of a frame, or None."""
    kind = frame[12:14]
    if kind == b"\x08\x00":
        return frame[30:34]
    return frame[38:54] if kind == b"\x86\xdd" else None


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def outer_header(source, target, protocol, payload_bytes):
    if family(source) == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28, payload_bytes, protocol, 64) + \
            socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + payload_bytes, 0, 0x4000, 64, protocol, 0) + \
        socket.inet_aton(source) + socket.inet_aton(target)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def tunnelled(mode, packet, source, target):
    """@p packet with what the mode puts before it."""
    protocol = 41 if packet[0] >> 4 == 6 else 4
    if mode != "ipip":
        if mode == "gue0":
            packet = struct.pack("!BBH", 0, protocol, 0) + packet
        packet = struct.pack("!HHHH", GUE_SOURCE_PORT, GUE_PORT, 8 + len(packet), 0) + packet
        protocol = UDP
    return outer_header(source, target, protocol, len(packet)) + packet


def relay(interface, mode, mac, vip, source=None, target=None):
    wanted = socket.inet_pton(family(vip), vip)
    wire = packet_socket(interface)
    kind = b"\x86\xdd" if ":" in (source or vip) else b"\x08\x00"
    ready()
    while True:
        frame, where = wire.recvfrom(65536)
        if where[2] == PACKET_OUTGOING or destination(frame) != wanted:
            continue
        # without the padding of short frames
        size = 40 + struct.unpack("!H", frame[18:20])[0] if ":" in vip else \
            struct.unpack("!H", frame[16:18])[0]
        packet = frame[14:14 + size]
        if mode != "l2dsr":
            packet = tunnelled(mode, packet, source, target)
        # a packet that does not fit any more raises here, and the test sees the relay gone
        wire.send(bytes.fromhex(mac.replace(":", "")) + frame[:6] + kind + packet)


def serve(interface, address, port):
    wire = packet_socket(interface)
    tcp = socket.socket(family(address), socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((address, int(port)))
    tcp.listen()
    udp = socket.socket(family(address), socket.SOCK_DGRAM)
    udp.bind((address, int(port)))
    ready()
    while True:
        for s in select.select([tcp, udp], [], [])[0]:
            if s is udp:
                data, sender = udp.recvfrom(65536)
                udp.sendto(data, sender)
                continue
            connection, _ = tcp.accept()
            connection.settimeout(WAIT_SECONDS)
            digest = hashlib.sha256()
            while data := connection.recv(65536):
                digest.update(data)
            answer = {"sha256": digest.hexdigest(), "longest": longest_of(wire)}
            connection.sendall(json.dumps(answer).encode())
            connection.close()


def longest_of(wire):
    buffer = bytearray(1)
    longest = 0
    while select.select([wire], [], [], 0)[0]:
        longest = max(longest, wire.recv_into(buffer, 1, socket.MSG_TRUNC))
    return longest


def syn_frames(wire, port):
    """{"syn": hex, "syn_ack": hex} of the connection to @p port, from what was captured."""
    found = {}
    while select.select([wire], [], [], 0)[0]:
        frame = wire.recv(65536)
        offset = 54 if frame[12:14] == b"\x86\xdd" else 14 + (frame[14] & 15) * 4
        protocol = frame[20] if frame[12:14] == b"\x86\xdd" else frame[23]
        if frame[12:14] not in (b"\x08\x00", b"\x86\xdd") or protocol != 6:
            continue
        source, target = struct.unpack("!HH", frame[offset:offset + 4])
        flags = frame[offset + 13]
        if flags & TCP_SYN and target == port:
            found["syn"] = frame.hex()
        elif flags & TCP_SYN and source == port:
            found["syn_ack"] = frame.hex()
    return found


def shake(interface, address, port):
    wire = packet_socket(interface)
    connection = socket.create_connection((address, int(port)), WAIT_SECONDS)
    print(json.dumps(syn_frames(wire, int(port))))
    connection.close()


def upload(interface, address, port, size):
    data = random.Random(1).randbytes(int(size))
    wire = packet_socket(interface)
    connection = socket.create_connection((address, int(port)), WAIT_SECONDS)
    result = syn_frames(wire, int(port))
    wire.close()
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    text = b""
    while part := connection.recv(65536):
        text += part
    result.update(json.loads(text), expected=hashlib.sha256(data).hexdigest())
    print(json.dumps(result))


def send(interface):
    wire = packet_socket(interface)
    for line in sys.stdin:
        wire.send(bytes.fromhex(line))


def listen(address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.settimeout(WAIT_SECONDS)
    s.bind((address, int(port)))
    ready()
    data, sender = s.recvfrom(65536)
    print(json.dumps({"data": data.hex(), "address": sender[0], "port": sender[1]}), flush=True)


def capture(interface):
    wire = packet_socket(interface)
    ready()
    while True:
        frame, where = wire.recvfrom(65536)
        ipv6 = frame[12:14] == b"\x86\xdd"
        if where[2] == PACKET_OUTGOING or frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
            continue
        offset = 54 if ipv6 else 14 + (frame[14] & 15) * 4
        if frame[20 if ipv6 else 23] == 6 and frame[offset + 13] & TCP_SYN:
            print(frame.hex(), flush=True)


if __name__ == "__main__":
    {f.__name__: f for f in (relay, serve, upload, shake, send, listen, capture)}[
        sys.argv[1]](*sys.argv[2:])
