#!/usr/bin/env python3
"""Rotation and multiplication with relinearisation here and in SEAL, SEAL + HEXL, TenSEAL and OpenFHE, interleaved.

    python3.11 -m venv /tmp/veilbench-peers/tenseal && /tmp/veilbench-peers/tenseal/bin/pip install tenseal==0.3.18
    python3.10 -m venv /tmp/veilbench-peers/openfhe && /tmp/veilbench-peers/openfhe/bin/pip install openfhe==1.6.1.0.22.4
    apt-get install g++ cmake libcpu-features-dev && backends/ckks/core/benches/peers/build_seal.sh /tmp/veilbench-peers
    cargo bench -p veilbench-ckks --bench peer --no-run
    python3 backends/ckks/core/benches/peers/compare.py /tmp/veilbench-peers

Every peer is a process that has its keys ready and times an operation when asked to. They take turns, so that all meet
the same machine; the figure is the fastest processor time of one thread over all rounds. A peer that is not installed
is left out. SEAL has one special prime of 50 bits and a digit for every data prime, OpenFHE our digits and special
primes of 60 bits; the data primes have the same lengths everywhere.
"""

import os
import subprocess
import sys
from pathlib import Path

SETS = {
    "8192-3": (8192, [50] * 3, [50], 3),
    "16384-8": (16384, [50] + [40] * 7, [50] * 2, 4),
    "16384-6": (16384, [50] * 6, [50] * 2, 3),
    "32768-15": (32768, [50] + [41] * 14, [44] * 5, 3),
    "32768-18": (32768, [50] + [40] * 17, [45] * 3, 6),
    "65536-28": (65536, [50] * 28, [50] * 6, 5),
}
GOALS = {"SEAL+HEXL": 2.5, "SEAL": 6, "TenSEAL": 6, "OpenFHE": 6}
ROUNDS = 5
# Samples of a round: about a quarter of a second of the slowest peer.
SAMPLES = {8192: 60, 16384: 12, 32768: 2, 65536: 1}


class Peer:
    def __init__(self, command):
        environment = dict(os.environ, OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.best = {}
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{command} did not start")

    def ask(self, operation, samples):
        self.process.stdin.write(f"{operation} {samples}\n")
        self.process.stdin.flush()
        answer = float(self.process.stdout.readline())
        self.best[operation] = min(self.best.get(operation, answer), answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def own_binary():
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    found = [p for p in (target / "release" / "deps").glob("peer-*") if p.suffix == "" and os.access(p, os.X_OK)]
    if not found:
        sys.exit("first: cargo bench -p veilbench-ckks --bench peer --no-run")
    return str(max(found, key=lambda path: path.stat().st_mtime))


def commands(folder, degree, data, special, digits):
    here = Path(__file__).parent
    joined = lambda bits: ",".join(map(str, bits))
    all_of_them = {
        "SEAL+HEXL": [folder / "seal-peer-hexl-ON", degree, joined(data)],
        "SEAL": [folder / "seal-peer-hexl-OFF", degree, joined(data)],
        "TenSEAL": [folder / "tenseal/bin/python", here / "tenseal_peer.py", degree, joined(data)],
        "OpenFHE": [folder / "openfhe/bin/python", here / "openfhe_peer.py", degree, joined(data), digits],
    }
    installed = {name: command for name, command in all_of_them.items() if command[0].exists()}
    ours = [own_binary(), degree, joined(data), joined(special), digits]
    return {name: [str(word) for word in command] for name, command in {"here": ours, **installed}.items()}


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "/tmp/veilbench-peers")
    wanted = sys.argv[2:] or list(SETS)
    print("| set | operation | here, us | peer | its us | ratio | goal |")
    print("|---|---|---|---|---|---|---|")
    for name in wanted:
        peers = {peer: Peer(command) for peer, command in commands(folder, *SETS[name]).items()}
        for _ in range(ROUNDS):
            for operation in ("rotate", "multiply"):
                for peer in peers.values():
                    peer.ask(operation, SAMPLES[SETS[name][0]])
        ours = peers["here"].best
        for operation in ("rotate", "multiply"):
            for peer in GOALS:
                if peer in peers:
                    theirs = peers[peer].best[operation]
                    print(f"| {name} | {operation} | {ours[operation]:,.0f} | {peer} | {theirs:,.0f} "
                          f"| {theirs / ours[operation]:.2f} | {GOALS[peer]} |", flush=True)
        for peer in peers.values():
            peer.close()


main()
