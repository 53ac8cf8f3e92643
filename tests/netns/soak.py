# SPDX-License-Identifier: BSD-2-Clause
"""
Connections through two balancers while everything around them changes; tools/soak runs it.

    client (ledger drive) -- rt, equal-cost routes -- lb: fairlead-dpdk, lb2: fairlead-xdp, one fairleadd -- b1...b6 (ledger serve)

Every event is of a kind below, in an order that the seed makes; all kinds come equally often but those that cannot be at that
moment. A connection is broken when its client says so (ledger_drive.c). It may be so only where the backend that it belongs to was
killed while it was open; or, before any backend answered it, where a host says at once that nobody is there (refused, reset, closed)
while rows still led to a killed one.

Prints lines of figures; exit 0: as it should be.
"""

import argparse
import collections
import json
import queue
import random
import secrets
import signal
import subprocess
import sys
import threading
import time

from cluster import DPDK, LB4, LB6, SECOND4, SECOND6, USER, VIP4, VIP6, XDP, Site, backend4, vip
from lab import BUILD, Rpc, wait_until

LEDGER = BUILD / "tests/netns/ledger"
BACKENDS = range(1, 7)
SERVING_MIN = 3            # backends that have rows, always
TARGETS = [("web4", VIP4, 8000, "ipip"), ("web6", VIP6, 8000, "ipip"), ("gue4", VIP4, 8001, "gue")]
WINDOW_S = 20
HOLD_S = 3
LONG, SHORT_S = 2000, 50   # connections that stay, and new ones a second
PACE_MS, QUIET_MS = 600, 8000  # QUIET_MS: 1.5 times of it is silence, and less than the window
LIMIT_MS = 20000           # without an answer for so long: broken
SOURCES = 8                # client addresses of each family
BLOCKS_S_MIN = 2000
EVENT_PAUSE_S = 0.4, 1.6
DEAD_S = 4                 # a killed backend comes back after this at least
GONE_S = 1                 # after its removal one that began before may still be refused so late
AT_ONCE = {"refused", "reset", "closed"}  # what it says: one that was accepted, but whose first block was under way, is closed
ALL_KINDS_S = 90           # a run as long has each kind of event
SAID_MAX = 20              # of what broke
FLOOD_S = 8                # of each phase
FLOOD_RSS_KB_MAX = 1024    # that the planes may grow by
FLOOD_RATIO_MIN = 0.5      # of the blocks a second without it
FLOWS = 16384              # that a plane can track: what the soak needs, and less than a flood's
NOT_NOW = {"busy", "plane_unavailable", "generation_conflict", "generation_out_of_order"}
PLANES = {"plane0": ("lb", DPDK, LB4, LB6), "plane1": ("lb2", XDP, SECOND4, SECOND6)}


class Clients:
    """ledger drive: what it says, as it says it."""

    def __init__(self, site, seed):
        sources = [f"{net}{2 + i}" for net in ("10.76.0.", "fd76::") for i in range(SOURCES)]
        for source in sources:
            if source not in ("10.76.0.2", "fd76::2"):
                more = ["/64", "nodad"] if ":" in source else ["/24"]
                site.ip("client", "address", "add", source + more[0], "dev", "eth0", *more[1:])
        site.run("client", ["sysctl", "-qw", "net.ipv4.ip_local_port_range=2048 65000"])
        words = [word for source in sources for word in ("--from", source)]
        targets = [word for _, address, port, _ in TARGETS for word in (address, port)]
        self.site, self.broken, self.said, self.ready = site, [], queue.Queue(), threading.Event()
        options = {"seed": seed, "long": LONG, "short": SHORT_S, "pace-ms": PACE_MS, "quiet-ms": QUIET_MS, "limit-ms": LIMIT_MS}
        words += [word for name, value in options.items() for word in (f"--{name}", value)]
        self.process = site.popen("client", [LEDGER, "drive", *words, *targets],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        assert self.ready.wait(60), f"not all of {LONG} connections were answered in time; {self.broken[:3]}"

    def read(self):
        for line in self.process.stdout:
            if line == "ready\n":
                self.ready.set()
                continue
            said = json.loads(line)
            if "connection" in said:
                self.broken.append(said | {"at": said["at_ms"] / 1000})  # of the same clock as ours
            else:
                self.said.put(said)

    def totals(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        try:
            return self.said.get(timeout=10)
        except queue.Empty:
            raise AssertionError("the clients (ledger drive) do not answer") from None

    def settle(self):
        """Wait until nobody waits for long: what hangs is answered, or broken."""
        wait_until(lambda: self.totals()["hanging"] == 0, 2 * LIMIT_MS / 1000, "an answer to each connection, or its end")


class Control:
    """One connection to fairleadd."""

    def __init__(self, site):
        self.site, self.rpc, self.refused = site, None, collections.Counter()

    def close(self):
        if self.rpc is not None:
            self.rpc.close()
            self.rpc = None

    def ask(self, *calls):
        """All requests in one piece; their answers."""
        if self.rpc is None:
            self.rpc = Rpc(self.site.control_socket, timeout=30)
        return self.rpc.ask_all(*calls)

    def change(self, *calls):
        """Make these changes in this order, again from the first that was refused while a plane is on its way; AssertionError
        where one is refused for good."""
        deadline = time.monotonic() + 20
        while calls:
            answers, again = self.ask(*calls), []
            for call, answer in zip(calls, answers):
                code = answer.get("error", {}).get("data", {}).get("code")
                assert code is None or code in NOT_NOW and time.monotonic() < deadline, f"{call[0]}: {answer['error']}"
                if code is not None:
                    self.refused[code] += 1
                if code is not None or again:
                    again.append(call)
            calls = again
            if calls:
                time.sleep(0.1)  # time is the point: nobody says when a plane is there again


class Soak:
    def __init__(self, site, seed):
        self.site, self.random, self.seed = site, random.Random(seed), seed
        self.control, self.servers, self.planes = Control(site), {}, {}
        self.weights = {i: 100 for i in BACKENDS if i != BACKENDS[-1]}  # of the file
        self.drained, self.dead = set(), {}  # dead: when it was killed
        self.deaths = []  # backend, before it was killed, after that, when planes had it no more
        self.events, self.history = collections.Counter(), []
        # by the packet's own bytes, as on a wire: policy 1 takes the hash that the client's socket has in the same kernel, and
        # TCP gives itself another one with each time-out, so that retransmissions would take the other way
        site.run("rt", ["sysctl", "-qw", *(f"net.ipv{n}.fib_multipath_hash_{what}" for n in (4, 6)
                                           for what in ("policy=3", "fields=55"))])
        site.through("lb", "lb2")
        for i in BACKENDS:
            words = [w for balancer in (LB4, LB6, SECOND4, SECOND6) for w in ("--from", balancer)]
            site.backend(i, "up", *words, "--vip", VIP4, "--vip", VIP6)
            self.start_server(i)
        for name in PLANES:
            self.start_plane(name, wait=True)
        site.write_config(self.vips())
        self.daemon = site.start_control()
        self.wait_in_sync()
        site.wait_reachable()
        self.clients = Clients(site, seed)

    # -- processes ------------------------------------------------------------------------------

    def start_server(self, i):
        ports = sorted({port for _, _, port, _ in TARGETS})
        server = self.site.popen(f"b{i}", [LEDGER, "serve", f"b{i}", *ports], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 text=True)
        assert server.stdout.readline() == "ready\n", f"the server of b{i}"
        self.servers[i] = server

    def start_plane(self, name, wait=False):
        namespace, kind, source4, source6 = PLANES[name]
        more = {"encap_source_ipv4": source4, "encap_source_ipv6": source6,
                "limits": {"vips": 64, "backends": 4096, "rows": 1 << 16, "flows": FLOWS}}
        if wait:
            self.planes[name] = self.site.start_plane(name, kind, namespace, **more)
            return
        path = self.site.plane_config(name, kind, **more)
        self.planes[name] = self.site.popen(namespace, [BUILD / f"fairlead-{kind}", path], log=f"{name}-{secrets.token_hex(2)}.log")

    def in_sync(self):
        for name, process in self.planes.items():
            assert process.poll() is None, f"{name} ended by itself with {process.returncode}"
        answer, = self.control.ask(("status", {}))
        return all(plane["in_sync"] for plane in answer["result"]["planes"])

    def wait_in_sync(self):
        wait_until(self.in_sync, 30, "all planes in sync")

    # -- what serves ----------------------------------------------------------------------------

    def vips(self):
        backends = {backend4(i): weight for i, weight in self.weights.items()}
        return [vip(name, address, port, backends, mode=mode, window_s=WINDOW_S, hold_s=HOLD_S) for name, address, port, mode in TARGETS]

    def apply_call(self):
        return "config.apply", {"text": self.site.write_config(self.vips()).read_text(), "file": str(self.site.config_file)}

    def serving(self):
        return [i for i in self.weights if i not in self.drained]

    def spare(self):
        """A backend that may go; None."""
        serving = self.serving()
        return self.random.choice(serving) if len(serving) > SERVING_MIN else None

    def weight(self):
        return self.random.choice((10, 50, 100, 100, 150, 200))

    # -- events: each makes it and returns True, or cannot ------------------------------------------

    def add(self):
        away = [i for i in BACKENDS if i not in self.weights and time.monotonic() > self.dead.get(i, 0) + DEAD_S]
        if not away:
            return False
        i = self.random.choice(away)
        if self.dead.pop(i, None) is not None:
            self.start_server(i)
        self.weights[i] = self.weight()
        self.control.change(self.apply_call())
        return True

    def remove(self):
        i = self.spare()
        if i is None:
            return False
        del self.weights[i]
        self.control.change(self.apply_call())
        return True

    def drain(self):
        i = self.spare()
        if i is None:
            return False
        self.drained.add(i)
        self.control.change(("backend.drain", {"backend": backend4(i)}))
        return True

    def undrain(self):
        if not self.drained:
            return False
        i = self.random.choice(sorted(self.drained))
        self.drained.remove(i)
        self.control.change(("backend.undrain", {"backend": backend4(i)}))
        return True

    def reweigh(self):
        i = self.random.choice(self.serving())
        self.weights[i] = self.weight()
        return "backend.weight", {"backend": backend4(i), "weight": self.weights[i]}

    def weigh(self):
        self.control.change(self.reweigh())
        return True

    def reload(self):
        for i in self.random.sample(self.serving(), 2):
            self.weights[i] = self.weight()
        self.control.change(self.apply_call())
        return True

    def two_changes(self):
        """The second is asked for before the first was answered: removed and back, or two weights."""
        i = self.spare()
        if i is None or self.random.random() < 0.5:
            self.control.change(self.reweigh(), self.reweigh())
            return True
        weight = self.weights.pop(i)
        away = self.apply_call()
        self.weights[i] = weight
        self.control.change(away, self.apply_call())
        return True

    def end_control(self, how):
        """The new one serves what the old one did: drains and weights are in its state directory."""
        self.site.write_config(self.vips())
        self.control.close()
        code = self.site.stop(self.daemon, how)
        assert code == (0 if how == signal.SIGTERM else -how), f"fairleadd ended with {code}"
        self.daemon = self.site.start_control()
        return True

    def end_plane(self, name, how):
        """One plane at a time is away, and not again before what was lost with the last one came: TCP waits twice as long each
        time. Its next start is not waited for."""
        if not self.in_sync() or self.clients.totals()["hanging"] > 0:
            return False
        code = self.site.stop(self.planes[name], how)
        assert code == (0 if how == signal.SIGTERM else -how), f"{name} ended with {code}"
        self.start_plane(name)
        return True

    def kill_backend(self):
        """Its server is killed, and a health check that sees it at once takes it away. Not while a plane is away, which would go on
        sending there."""
        i = self.spare()
        if i is None or self.dead or not self.in_sync():
            return False
        self.dead[i] = time.monotonic()
        self.site.stop(self.servers[i], signal.SIGKILL)
        killed = time.monotonic()
        del self.weights[i]
        self.control.change(("backend.remove", {"backend": backend4(i), "now": True}), self.apply_call())
        self.deaths.append((f"b{i}", self.dead[i], killed, time.monotonic()))
        return True

    def kinds(self):
        return {
            "add": self.add, "remove": self.remove, "drain": self.drain, "undrain": self.undrain, "weight": self.weigh,
            "reload": self.reload, "two_changes": self.two_changes,
            "restart_fairleadd": lambda: self.end_control(signal.SIGTERM),
            "kill_fairleadd": lambda: self.end_control(signal.SIGKILL),
            "restart_dpdk": lambda: self.end_plane("plane0", signal.SIGTERM),
            "kill_dpdk": lambda: self.end_plane("plane0", signal.SIGKILL),
            "restart_xdp": lambda: self.end_plane("plane1", signal.SIGTERM),
            "kill_xdp": lambda: self.end_plane("plane1", signal.SIGKILL),
            "kill_backend": self.kill_backend}

    def run(self, seconds, only=None):
        """@param only these kinds."""
        kinds, waiting = {kind: event for kind, event in self.kinds().items() if only is None or kind in only}, []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not any(kind in kinds for kind in waiting):
                waiting += self.random.sample(sorted(kinds), len(kinds))
            for kind in waiting:
                began = time.monotonic()
                if kinds[kind]():
                    self.events[kind] += 1
                    self.history.append((began, time.monotonic(), kind))
                    waiting.remove(kind)
                    break
            else:
                waiting += self.random.sample(sorted(kinds), len(kinds))
            time.sleep(self.random.uniform(*EVENT_PAUSE_S))  # time is the point: events a second

    def excused(self, broken):
        """By the death of a backend."""
        at, opened = broken["at"] + 0.001, broken["at"] - broken["age_ms"] / 1000 - 0.001  # milliseconds were cut
        if broken["backend"]:
            return any(name == broken["backend"] and opened <= killed and before <= at for name, before, killed, _ in self.deaths)
        return broken["broken"] in AT_ONCE and any(before <= at <= gone + GONE_S and opened <= gone
                                                   for _, before, _, gone in self.deaths)

    def unexpected(self):
        return [broken for broken in self.clients.broken if not self.excused(broken)]


def say_broken(run, started):
    """What broke, between the events."""
    lines = [(began, f"{kind}, until {ended - started:.2f} s") for began, ended, kind in run.history]
    for one in run.unexpected()[:SAID_MAX]:
        lines.append((one["at"], f"  BROKEN: {one['broken']}, of {one['backend'] or 'nobody yet'}, from "
                                 f"{one['from']} to {one['to']}, open for {one['age_ms']} ms, {one['blocks']} blocks, "
                                 f"silent for {one['silent_ms']} ms"))
    print("\n".join(f"{at - started:7.2f} s: {text}" for at, text in sorted(lines)), flush=True)


def soak(site, words):
    run = Soak(site, words.seed)
    before, started = run.clients.totals(), time.monotonic()
    run.run(words.seconds, words.only and words.only.split(","))
    after, took = run.clients.totals(), time.monotonic() - started
    if not words.plain:
        run.clients.settle()
        run.wait_in_sync()
        for name in PLANES:
            site.stats(name)
    unexpected = run.unexpected()
    blocks_s = (after["blocks"] - before["blocks"]) / took
    events = sum(run.events.values())
    if unexpected and not words.plain:
        say_broken(run, started)
    figures = {"seconds": f"{took:.0f}", "connections": after["connections"], "long": LONG, "blocks": after["blocks"],
               "events": events, "broken_unexpected": len(unexpected), "broken_dead_backend": len(run.clients.broken) - len(unexpected),
               "blocks_s": f"{blocks_s:.0f}", "slowest_ms": after["slowest_ms"], "seed": words.seed}
    print(f"soak{' of a plain table' if words.plain else ''}: " + " ".join(f"{k}={v}" for k, v in figures.items()))
    print("events: " + " ".join(f"{kind}={count}" for kind, count in sorted(run.events.items())) +
          "".join(f" not_now_{code}={count}" for code, count in run.control.refused.items()))
    wrong = []
    if bool(unexpected) != words.plain:
        wrong.append("a plain table breaks connections, and none was seen" if words.plain else "connections broke")
    if blocks_s < BLOCKS_S_MIN:
        wrong.append(f"under {BLOCKS_S_MIN} blocks a second: the run says nothing")
    if events < words.seconds / 2:
        wrong.append("less than an event in 2 s: the run says nothing")
    missing = [kind for kind in sorted(run.kinds()) if run.events[kind] == 0]
    if missing and words.seconds >= ALL_KINDS_S and not words.only:
        wrong.append(f"no event {', '.join(missing)}: the run says nothing about it")
    return wrong


# --- the flood ---

class Flood:
    """ledger flood, from start() to its end."""

    def __init__(self, site, seed):
        _, address, port, _ = TARGETS[0]
        self.process = site.popen("client", [LEDGER, "flood", "eth0", site.mac("rt", "eth1"), address, port, seed],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.site = site
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        said, _ = self.process.communicate(timeout=20)
        self.site.processes.remove(self.process)
        return json.loads(said)


def dropped(run):
    """SYNs of floods that came to the backends."""
    count = 0
    for server in run.servers.values():
        server.stdin.write("\n")
        server.stdin.flush()
        count += json.loads(server.stdout.readline())["flood_dropped"]
    return count


def memory(run):
    """Of both planes: resident kB."""
    kilobytes = 0
    for process in run.planes.values():
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            kilobytes += next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return kilobytes


def counted(run, member):
    """Of each plane: a member of plane.stats, the sum of all VIPs."""
    counts = []
    for name in PLANES:
        with Rpc(run.site.dir / f"{name}.sock") as rpc:
            counts.append(sum(served[member] for served in rpc.call("plane.stats")["vips"]))
    return counts


def goodput(run):
    """Blocks a second in a while."""
    before = run.clients.totals()
    time.sleep(FLOOD_S)  # time is the point: a rate
    after = run.clients.totals()
    return (after["blocks"] - before["blocks"]) / (after["seconds"] - before["seconds"])


def flood_phase(run, seed, moves):
    """@param moves: rows change just before; a backend is drained."""
    quiet, kilobytes, came = goodput(run), memory(run), dropped(run)
    if moves:
        assert run.drain()
    moving = counted(run, "rows_moving")
    flood = Flood(run.site, seed)
    during, flows = goodput(run), counted(run, "flows")
    said = flood.end()
    run.clients.settle()
    grown, came = memory(run) - kilobytes, dropped(run) - came
    ratio, name = during / quiet, "rows just changed" if moves else "stable rows"
    print(f"flood, {name}: syn_s={said['sent'] / said['seconds']:.0f} at_backends={came} of={said['sent']} "
          f"blocks_s={quiet:.0f} blocks_s_during={during:.0f} ratio={ratio:.2f} rows_moving={sum(moving)} flows={sum(flows)} "
          f"flows_max={len(PLANES) * FLOWS} rss_grown_kb={grown} broken_unexpected={len(run.unexpected())}", flush=True)
    wrong = [] if came > 0 else ["the backends saw no SYN of the flood"]
    if grown > FLOOD_RSS_KB_MAX or sum(flows) > len(PLANES) * FLOWS:
        wrong.append(f"memory grew by {grown} kB, to {sum(flows)} flows")
    if ratio < FLOOD_RATIO_MIN:
        wrong.append(f"established connections had {ratio:.2f} of their blocks a second, less than {FLOOD_RATIO_MIN}")
    if moves != (min(moving) > 0) or moves != (max(moving) > 0) or (moves and min(flows) == 0):
        wrong.append(f"{name}: {moving} rows moving, {flows} flows tracked, of {', '.join(PLANES)}")
    return wrong


def flood(site, words):
    run = Soak(site, words.seed)
    started = time.monotonic()
    wrong = [what for moves in (False, True) for what in flood_phase(run, words.seed + moves, moves)]
    if run.unexpected():
        say_broken(run, started)
    return [*wrong, "connections broke"] if run.unexpected() else wrong


def main():
    parser = argparse.ArgumentParser(description="see tools/soak")
    parser.add_argument("--seconds", type=int, default=90)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--only", help="KIND,... of events")
    parser.add_argument("--plain", action="store_true", help="the planes' rows are plain: connections have to break")
    parser.add_argument("--flood", action="store_true")
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the site is taken away then too
    with Site(len(BACKENDS)) as site:
        try:
            wrong = (flood if words.flood else soak)(site, words)
        except (AssertionError, OSError) as error:
            wrong = [str(error) or repr(error)]
    if wrong:
        options = "".join(f" --{name}" for name in ("plain", "flood") if getattr(words, name))
        options += f" --only {words.only}" if words.only else ""
        print(f"soak: FAILED: {'; '.join(wrong)}\nagain: sudo tools/soak --seconds {words.seconds} --seed {words.seed}{options}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
