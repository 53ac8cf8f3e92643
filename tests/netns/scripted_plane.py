# SPDX-License-Identifier: BSD-2-Clause
"""A plane that does what a test tells it: refuses, lies, hangs, dies between two calls.

It speaks the plane protocol (docs/formats.md 2) and keeps VIPs, but forwards nothing. For faults that a
real plane cannot be brought to; the end-to-end suite runs the real ones.
"""

import copy
import hashlib
import json
import threading

from lab import Gone, LineServer


def digest_of(vips):
    text = json.dumps(sorted(vips.items()), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def vip_key(vip):
    return f'{vip["address"]} {vip["port"]} {vip["protocol"]}'


# What the daemon sends of a tcp VIP whose configuration says nothing.
POLICY = {"mode": "ipip", "fragments": "follow", "icmp_echo": "answer", "no_backend": "drop",
          "window_s": 900, "hold_s": 3}


def vip_value(vip):
    owners = sorted((b["address"], b["weight"]) for b in vip["backends"])
    return {"table_size": vip["table_size"], "backends": [list(o) for o in owners],
            "policy": {name: vip.get(name, default) for name, default in POLICY.items()}}


class ScriptedPlane(LineServer):
    """What was committed outlives stop(), as in a plane's tables. Faults are attributes, read at each call."""

    def __init__(self, path, name="plane0"):
        super().__init__(path)
        self.name = name
        self.key_check = "5d1c0a9b7e6f4321"
        self.protocol = 1
        self.generation = 0
        self.vips = {}
        self.refuse = None  # error object to answer plane.prepare with
        self.false_digest = None
        self.hang = None  # method that is never answered
        self.busy = None  # method whose answer, and all after it, waits until release()
        self.garbage = None  # method that is answered with bytes that are no JSON
        self.die = None  # method at which the connection is closed
        self.die_for_good = False  # and the socket too
        self.commit_error = None
        self.stats_error = None
        self.tracks = True  # False: answers as planes did before they tracked flows
        # address -> {"rows_leaving", "flows", "idle_ms"}: what holds a backend without weight; others are drained
        self.holds = {}
        self.rows_digest = None  # of plane.stats; None: does not tell it
        self.flows_cut = {}  # address -> flows that go when it is not listed any more
        self.vip_tracking = {"rows_moving": 7, "rows_settling": 5, "stable_in_ms": 9000, "flows": 11, "flow_failures": 1,
                             "flow_evictions": 2, "row_races": 3, "windows_extended": 4}

    # --- life ---

    def forget(self):
        """As after a reboot."""
        with self.changed:
            self.generation, self.vips = 0, {}

    def release(self):
        with self.changed:
            self.busy = None
            self.changed.notify_all()

    # --- what tests look at ---

    @property
    def digest(self):
        return digest_of(self.vips)

    def __str__(self):
        return f"{self.name}, generation {self.generation}, calls {[name for name, _ in self.calls][-12:]}"

    # --- serving ---

    def answer(self, session, request):
        method = request["method"]
        params = request.get("params", {})
        with self.changed:
            session.setdefault("prepared")
            session.setdefault("parts")
            self.calls.append((method, copy.deepcopy(params)))
            self.changed.notify_all()
            if self.die == method:
                if self.die_for_good:
                    threading.Thread(target=self.stop, daemon=True).start()
                raise Gone
            if self.hang == method:
                return None
            if self.busy == method:
                self.changed.wait_for(lambda: self.busy is None, 60)
            if self.garbage == method:
                return b'{"jsonrpc":"2.0",]\n'
            result, error = self._call(session, method, params)
            self.changed.notify_all()
        reply = {"jsonrpc": "2.0", "id": request["id"]}
        reply.update({"error": error} if error else {"result": result})
        return (json.dumps(reply, separators=(",", ":")) + "\n").encode()

    def _call(self, session, method, params):
        handler = getattr(self, "_" + method.replace("plane.", ""), None)
        if handler is None:
            return None, {"code": -32601, "message": "no such method"}
        return handler(session, params)

    @staticmethod
    def _error(code, message, path=""):
        item = {"code": code, "path": path, "message": message, "hint": ""}
        return None, {"code": -32000, "message": message, "data": {**item, "errors": [item]}}

    def _hello(self, session, params):
        prepared = session["prepared"]
        return {
            "protocol": self.protocol,
            "version": "0.1.0",
            "kind": "scripted",
            "name": self.name,
            "generation": self.generation,
            "digest": self.digest,
            "prepared": prepared[0] if prepared else None,
            "key_check": self.key_check,
            "encapsulation": ["ipv4", "ipv6"],
            "limits": {"vips": 1024, "backends": 65536, "rows": 8388608, "flows": 0},
        }, None

    def _prepare(self, session, params):
        assert set(params) <= {"generation", "full", "more", "vips", "remove"}
        assert not (params.get("full") and params.get("remove"))
        if session["prepared"]:
            return self._error("already_prepared", "a change is prepared already")
        if params["generation"] <= self.generation:
            return self._error("generation_out_of_order", "the generation is not newer")
        if self.refuse is not None:
            session["parts"] = None
            return None, self.refuse
        parts = session["parts"] or {"vips": {} if params.get("full") else dict(self.vips), "k": 0,
                                     "given": []}
        session["parts"] = parts
        parts["k"] += 1
        for vip in params["vips"]:
            parts["vips"][vip_key(vip)] = vip_value(vip)
            parts["given"].append(vip)
        for vip in params.get("remove", []):
            del parts["vips"][vip_key(vip)]
        if params.get("more"):
            return {"generation": params["generation"], "parts": parts["k"]}, None
        session["parts"] = None
        session["prepared"] = (params["generation"], parts["vips"])
        return {
            "generation": params["generation"],
            "digest": self.false_digest or digest_of(parts["vips"]),
            "vips": [self._moved(vip) for vip in parts["given"]],
            "warnings": [],
        }, None

    def _moved(self, vip):
        old = self.vips.get(vip_key(vip))
        change = "added" if old is None else "same" if old == vip_value(vip) else "changed"
        rows = vip["table_size"]
        moved = {"added": rows, "same": 0, "changed": rows // 10}[change]
        answer = {"address": vip["address"], "port": vip["port"], "protocol": vip["protocol"],
                  "change": change, "rows": rows, "rows_moved": moved, "rows_minimum": moved}
        if self.tracks:
            had = {a for a, _ in old["backends"]} if old else set()
            gone = had - {b["address"] for b in vip["backends"]}
            answer["flows_cut"] = sum(self.flows_cut.get(a, 0) for a in gone)
        return answer

    def _commit(self, session, params):
        if not session["prepared"] or session["prepared"][0] != params["generation"]:
            return self._error("not_prepared", "nothing is prepared")
        if self.commit_error is not None:
            session["prepared"] = None
            return None, self.commit_error
        self.generation, self.vips = session["prepared"]
        session["prepared"] = None
        return {"generation": self.generation, "digest": self.digest}, None

    def _abort(self, session, params):
        if not session["prepared"] or session["prepared"][0] != params["generation"]:
            return self._error("not_prepared", "nothing is prepared")
        session["prepared"] = None
        return {"generation": self.generation}, None

    def _held(self, address, weight):
        if not self.tracks:
            return {}
        drained = not weight and address not in self.holds
        nothing = {"rows_leaving": 0, "flows": 0, **({} if drained else {"idle_ms": 0})}
        return {**nothing, **self.holds.get(address, {}), "drained": drained}

    def _stats(self, session, params):
        if self.stats_error is not None:
            return None, self.stats_error
        wanted = vip_key(params["vip"]) if "vip" in params else None
        vips = []
        for key, value in self.vips.items():
            address, port, protocol = key.split(" ")
            if wanted not in (None, key):
                continue
            vips.append({
                "address": address, "port": int(port) if port.isdigit() else port, "protocol": protocol,
                "table_size": value["table_size"], "packets": 30, "bytes": 1800,
                "backends": [{"address": a, "weight": w, "rows": 100 if w else 0, "packets": 15,
                              "bytes": 900, "next_hop": "reachable", "port": "eth0",
                              "mac": "02:00:00:00:00:01", **self._held(a, w)} for a, w in value["backends"]],
                **(self.vip_tracking if self.tracks else {}),
            })
        return {
            "generation": self.generation, "digest": self.digest, "received": 1000,
            "verdicts": [{"verdict": "forward", "packets": 890}, {"verdict": "answer_echo", "packets": 10},
                         {"verdict": "pass_not_ip", "packets": 60},
                         {"verdict": "drop_unreachable", "packets": 40}, {"verdict": "drop_bug", "packets": 0}],
            "events": [{"event": "fragment_evicted", "count": 3}, {"event": "answer_limited", "count": 0}],
            "vips": vips, "ports": [], "cores": [],
            **({"rows_digest": self.rows_digest} if self.rows_digest else {}),
        }, None

    def _explain(self, session, params):
        return {
            "verdict": "forward", "backend": "198.51.100.7", "generation": self.generation,
            "steps": [{"step": "parse", "text": f'{params["protocol"]} from {params["source"]}'},
                      {"step": "vip", "text": "control\x1b[31m characters"},
                      {"step": "row", "text": f'to {params["destination"]} port {params["destination_port"]}'}],
        }, None
