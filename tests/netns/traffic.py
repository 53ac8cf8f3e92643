# SPDX-License-Identifier: BSD-2-Clause
"""
Traffic of tests, a process each:

    traffic.py serve NAME PORT,PORT... ADDRESS...    TCP: says NAME and a line end, then sends everything back.
                                                     UDP: NAME, a blank, and the datagram back
    traffic.py stream PROGRESS ADDRESS PORT RATE     numbered datagrams from SOURCES ports, RATE a second
    traffic.py count PROGRESS PORT ADDRESS...        takes those, and counts each number once
    traffic.py hold ADDRESS PORT COUNT               keeps COUNT connections open, data going to and fro on each
    traffic.py capture PROGRESS INTERFACE            tells the kinds of frames that come in, and how many of each

It says "ready" when it is, goes on until its standard input ends, and then says one JSON object. PROGRESS is a file of
8 bytes, the count so far in this machine's order.
"""

import asyncio
import collections
import json
import mmap
import select
import selectors
import socket
import struct
import sys
import threading
import time

RECEIVE_BYTES = 256 << 20  # what a receiver may be late by: nothing is lost in its socket
SOURCES = 64
BURST_MAX = 64             # datagrams sent at once when the sender was kept waiting
MESSAGE_BYTES = 64
HOLD_PAUSE_S = 0.2
HOLD_ANSWER_S = 20         # a connection that gets no answer in this time is broken
ETH_P_ALL = 3
GUE_PORT = 6080


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def say(**answer):
    print(json.dumps(answer), flush=True)


def ready():
    print("ready", flush=True)


class Progress:
    def __init__(self, path):
        with open(path, "r+b") as file:
            self.bytes = mmap.mmap(file.fileno(), 8)

    def set(self, count):
        self.bytes[:] = struct.pack("=Q", count)


class Until:
    """True in a condition until standard input ends."""

    def __init__(self):
        self.over = False
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self):
        sys.stdin.read()
        self.over = True


# --- the servers ---


def serve(name, ports, *addresses):
    loop = selectors.DefaultSelector()
    loop.register(sys.stdin, selectors.EVENT_READ, None)

    def accept(listener):
        connection, _ = listener.accept()
        connection.sendall(f"{name}\n".encode())
        loop.register(connection, selectors.EVENT_READ, echo)

    def echo(connection):
        try:
            data = connection.recv(65536)
            if data:
                connection.sendall(data)
                return
        except ConnectionError:
            pass
        loop.unregister(connection)
        connection.close()

    def answer(udp):
        data, peer = udp.recvfrom(65536)
        udp.sendto(name.encode() + b" " + data, peer)

    for address in addresses:
        for port in map(int, ports.split(",")):
            loop.register(socket.create_server((address, port), family=family(address), backlog=1024),
                          selectors.EVENT_READ, accept)
            udp = socket.socket(family(address), socket.SOCK_DGRAM)
            udp.bind((address, port))
            loop.register(udp, selectors.EVENT_READ, answer)
    ready()
    while True:
        for key, _ in loop.select():
            if key.data is None:
                return
            key.data(key.fileobj)


# --- datagrams, numbered and counted ---


def stream(progress, address, port, rate):
    progress, rate, until = Progress(progress), int(rate), Until()
    sockets = [socket.socket(family(address), socket.SOCK_DGRAM) for _ in range(SOURCES)]
    for udp in sockets:
        udp.connect((address, int(port)))
    ready()
    sent, refused, started = 0, 0, time.monotonic()
    due_from = started
    while not until.over:
        due = int((time.monotonic() - due_from) * rate)
        if due == 0:
            time.sleep(0.0005)  # time is the point: the rate
            continue
        due = min(due, BURST_MAX)
        due_from = max(due_from + due / rate, time.monotonic() - BURST_MAX / rate)
        for _ in range(due):
            try:
                sockets[sent % SOURCES].send(struct.pack("!Q", sent))
                sent += 1
            except ConnectionError:  # what was told about an earlier one
                refused += 1
        progress.set(sent)
    say(sent=sent, refused=refused, seconds=time.monotonic() - started)


def count(progress, port, *addresses):
    progress = Progress(progress)
    sockets = [socket.socket(family(address), socket.SOCK_DGRAM) for address in addresses]
    for udp, address in zip(sockets, addresses):
        udp.setsockopt(socket.SOL_SOCKET, 33, RECEIVE_BYTES)  # SO_RCVBUFFORCE
        udp.bind((address, int(port)))
        udp.setblocking(False)
    seen, packets, distinct = bytearray(), 0, 0
    ready()
    while True:
        readable, _, _ = select.select([sys.stdin, *sockets], [], [])
        for udp in readable:
            if udp is sys.stdin:
                continue
            for _ in range(1000):
                try:
                    number, = struct.unpack("!Q", udp.recv(64))
                except BlockingIOError:
                    break
                packets += 1
                if number >= len(seen):
                    seen.extend(bytes(number + 65536 - len(seen)))
                distinct += not seen[number]
                seen[number] = 1
        progress.set(distinct)
        if readable == [sys.stdin]:
            break
    say(packets=packets, distinct=distinct)


# --- connections that stay open ---


async def hold_one(address, port, state):
    try:
        reader, writer = await asyncio.open_connection(address, port)
        name = (await reader.readline()).decode().strip()
        state["names"][name] += 1
        state["open"].release()
        while not state["over"].is_set():
            message = struct.pack("!Q", state["rounds"]).ljust(MESSAGE_BYTES, b"m")
            writer.write(message)
            back = await asyncio.wait_for(reader.readexactly(MESSAGE_BYTES), HOLD_ANSWER_S)
            if back != message:
                raise ConnectionError("another answer")
            state["rounds"] += 1
            await asyncio.sleep(HOLD_PAUSE_S)  # time is the point: the rate of a client
        writer.close()
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
        state["broken"].append(repr(error))
        state["open"].release()


async def hold_all(address, port, connections):
    loop = asyncio.get_running_loop()
    state = {"names": collections.Counter(), "rounds": 0, "broken": [], "open": asyncio.Semaphore(0),
             "over": asyncio.Event()}
    tasks = [asyncio.create_task(hold_one(address, port, state)) for _ in range(connections)]
    for _ in tasks:
        await state["open"].acquire()
    ready()
    await loop.run_in_executor(None, sys.stdin.read)
    state["over"].set()
    await asyncio.gather(*tasks)
    say(connections=connections, names=state["names"], rounds=state["rounds"], broken=len(state["broken"]),
        errors=sorted(set(state["broken"])))


def hold(address, port, connections):
    asyncio.run(hold_all(address, int(port), int(connections)))


# --- what comes in ---


def ip_kind(packet):
    """(version, protocol, destination, header bytes) of an IP packet; None when its length is not @p packet's."""
    if packet[0] >> 4 == 4 and packet[0] & 15 == 5:
        if struct.unpack_from("!H", packet, 2)[0] != len(packet):
            return None
        return 4, packet[9], socket.inet_ntop(socket.AF_INET, packet[16:20]), 20
    if packet[0] >> 4 == 6:
        if struct.unpack_from("!H", packet, 4)[0] != len(packet) - 40:
            return None
        return 6, packet[6], socket.inet_ntop(socket.AF_INET6, packet[24:40]), 40
    return None


def inner_ok(packet):
    """A datagram of stream(), whole."""
    kind = ip_kind(packet)
    return kind is not None and kind[1] == socket.IPPROTO_UDP and len(packet) == kind[3] + 16


def frame_kind(frame):
    """What a frame was made as: [MAC, tunnel or "plain", outer destination]; "cut" in place of the tunnel where its
    parts do not fit together. None for neighbours and groups."""
    if frame[12:14] not in (b"\x08\x00", b"\x86\xdd") or frame[0] & 1:
        return None
    packet, mac = frame[14:], frame[:6].hex(":")
    kind = ip_kind(packet)
    if kind is None:
        return mac, "cut", ""
    version, protocol, destination, header = kind
    if protocol == socket.IPPROTO_ICMPV6:
        return None
    tunnel, inner = "plain", packet
    if protocol in (4, 41):
        tunnel, inner = f"ipip{version}", packet[header:]
        if inner[0] >> 4 != (4 if protocol == 4 else 6):
            return mac, "cut", destination
    elif protocol == socket.IPPROTO_UDP and packet[header + 2:header + 4] == struct.pack("!H", GUE_PORT):
        tunnel, inner = f"gue{version}", packet[header + 8:]
        if struct.unpack_from("!H", packet, header + 4)[0] != len(packet) - header:
            return mac, "cut", destination
    return mac, tunnel if inner_ok(inner) else "cut", destination


def capture(progress, interface):
    progress = Progress(progress)
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, 33, RECEIVE_BYTES)
    tap.bind((interface, 0))
    tap.setblocking(False)
    kinds, frames = collections.Counter(), 0
    ready()
    while True:
        readable, _, _ = select.select([sys.stdin, tap], [], [])
        for _ in range(1000 if tap in readable else 0):
            try:
                frame, address = tap.recvfrom(2048)
            except BlockingIOError:
                break
            kind = frame_kind(frame) if address[2] != socket.PACKET_OUTGOING else None
            if kind is not None:
                kinds[kind] += 1
                frames += 1
        progress.set(frames)
        if readable == [sys.stdin]:
            break
    say(kinds=[[*kind, packets] for kind, packets in kinds.items()])


if __name__ == "__main__":
    {"serve": serve, "stream": stream, "count": count, "hold": hold, "capture": capture}[sys.argv[1]](*sys.argv[2:])
