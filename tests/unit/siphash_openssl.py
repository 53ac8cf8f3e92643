#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Goal: siphash.h and OpenSSL agree on random keys and messages.

Method: test_siphash --print SEED gives lines "key message hash"; `openssl mac` hashes the same bytes.
Replay: siphash_openssl.py PROGRAM SEED, with the seed it printed."""

import random
import subprocess
import sys

program = sys.argv[1]
seed = sys.argv[2] if len(sys.argv) > 2 else str(random.SystemRandom().getrandbits(63))
print(f"seed {seed}")
lines = subprocess.run([program, "--print", seed], check=True, capture_output=True, text=True).stdout.splitlines()
assert len(lines) == 45, f"{len(lines)} lines"
for line in lines:
    key, message, ours = line.split(" ")
    theirs = subprocess.run(
        ["openssl", "mac", "-macopt", f"hexkey:{key}", "-macopt", "size:8", "-macopt", "c-rounds:1",
         "-macopt", "d-rounds:3", "SIPHASH"],
        input=bytes.fromhex(message), check=True, capture_output=True).stdout.decode().strip().lower()
    if ours != theirs:
        sys.exit(f"key {key} message {message}: {ours}, OpenSSL {theirs}; seed {seed}")
print(f"{len(lines)} messages agree")
