"""SPU 0.9.5, SEMI2K over 64 bits: two runtimes over loopback, weights and images secret. Prints seconds of each run as JSON.

    python spu_inference.py NETWORK BATCH RUNS WEIGHTS.npz
"""

import json
import os
import sys
import threading
import time

import jax.numpy as jnp
import numpy as np
import spu
from jax import lax
from spu import libspu
from spu.utils import frontend

from networks import LAYERS, clear, images


def model(network):
    def infer(weights, x):
        if x.ndim == 4:
            x = jnp.transpose(x, (0, 2, 3, 1))
        for kind, *rest in LAYERS[network]:
            if kind == "dense":
                x = x @ weights[f"{rest[0]}.weight"].T + weights[f"{rest[0]}.bias"]
            elif kind == "conv":
                kernel = jnp.transpose(weights[f"{rest[0]}.weight"], (2, 3, 1, 0))
                x = lax.conv_general_dilated(
                    x, kernel, (rest[1],) * 2, "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                x = x + weights[f"{rest[0]}.bias"]
            elif kind == "relu":
                x = jnp.maximum(x, 0)
            elif kind == "pool":
                x = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") * 0.25
            else:
                x = jnp.transpose(x, (0, 3, 1, 2)).reshape(x.shape[0], -1)
        return x

    return infer


def main():
    network, batch, runs, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    weights = dict(np.load(path))
    pixels = images(network, batch)
    config = libspu.RuntimeConfig(protocol=libspu.ProtocolKind.SEMI2K, field=libspu.FieldType.FM64)
    flat = [weights[name] for name in sorted(weights)] + [pixels]
    names = [f"in{index}" for index in range(len(flat))]
    executable, _ = frontend.compile(
        frontend.Kind.JAX, model(network), (weights, pixels), {}, names,
        [libspu.Visibility.VIS_SECRET] * len(flat), lambda outputs: [f"out{i}" for i in range(len(outputs))],
    )
    io = spu.Io(2, config)
    shares = [io.make_shares(value, libspu.Visibility.VIS_SECRET) for value in flat]
    description = libspu.link.Desc()
    description.recv_timeout_ms = 300_000
    port = 20000 + os.getpid() % 20000
    for rank in range(2):
        description.add_party(f"party{rank}", f"127.0.0.1:{port + rank}")
    gate = threading.Barrier(2)
    seconds, outputs = [], [None, None]

    def party(rank):
        runtime = spu.Runtime(libspu.link.create_brpc(description, rank), libspu.RuntimeConfig(config))
        for name, value in zip(names, shares):
            runtime.set_var(name, value[rank])
        for _ in range(runs + 1):
            gate.wait()
            start = time.perf_counter()
            runtime.run(executable)
            gate.wait()
            if rank == 0:
                seconds.append(time.perf_counter() - start)
        outputs[rank] = runtime.get_var(executable.output_names[0])

    parties = [threading.Thread(target=party, args=(rank,)) for rank in range(2)]
    for thread in parties:
        thread.start()
    for thread in parties:
        thread.join()
    error = float(np.abs(io.reconstruct(outputs) - clear(network, weights, pixels)).max())
    print(json.dumps({"seconds": seconds[1:], "error": error}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
