#!/usr/bin/env python3
"""The online time of one image on the `lan` and `wan` profiles beside what loopback, rounds and bytes say it is.

    cargo build --release
    python3 backends/mpc/core/benches/links.py

Expected is the time on loopback + rounds * RTT / 2 + bytes / rate, with the bytes of both directions, because messages of one image
alternate. Times are medians of warm images. Ends with 1 if one differs by more than a tenth.
"""

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Bits a second and round trip in seconds, as `veilbench run --help` names the profiles.
LINKS = {"lan": (1e9, 0.5e-3), "wan": (1e8, 40e-3)}


def measure(executable, backends, networks, images, repetitions):
    """Rows of the summary by backend, network and link."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            executable, "run", "--out", folder, "-b", backends, "-n", networks, "--batch", "1", "--threads", "1",
            "--images", str(images), "--repetitions", str(repetitions), "--link", "loopback",
        ]
        for link in LINKS:
            command += ["--link", link]
        subprocess.run(command, check=True, capture_output=True, timeout=3600)
        with open(f"{folder}/summary.csv", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["status"] == "ok"]
    return {(row["backend"], row["network"], row["link"]): row for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executable", default=str(ROOT / "target/release/veilbench"))
    parser.add_argument("--backends", default="mpc.*")
    parser.add_argument("--networks", default="^(mnist-mlp|mnist-cnn|malaria-cnn)$")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    rows = measure(
        arguments.executable, arguments.backends, arguments.networks, arguments.images, arguments.repetitions
    )
    print("| network | backend | loopback ms | link | expected ms | measured ms | difference |\n|---|---|---|---|---|---|---|")
    worst = 0.0
    for (backend, network, link), row in sorted(rows.items(), key=lambda item: (item[0][1], item[0][0], item[0][2])):
        if link not in LINKS:
            continue
        rate, round_trip = LINKS[link]
        loopback = int(rows[backend, network, "loopback"]["online_wall_ns"]) / 1e9
        expected = loopback + int(row["online_rounds"]) * round_trip / 2 + int(row["online_bytes"]) * 8 / rate
        measured = int(row["online_wall_ns"]) / 1e9
        difference = measured / expected - 1
        worst = max(worst, abs(difference))
        times = f"{1e3 * loopback:.2f} | {link} | {1e3 * expected:.2f} | {1e3 * measured:.2f}"
        print(f"| `{network}` | `{backend}` | {times} | {100 * difference:+.1f} % |", flush=True)
    raise SystemExit(int(worst > 0.1 or not rows))


if __name__ == "__main__":
    main()
