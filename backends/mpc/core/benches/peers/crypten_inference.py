"""CrypTen 0.4.1: two processes over loopback, weights and images secret. Prints seconds of each run as JSON.

    python crypten_inference.py NETWORK BATCH RUNS WEIGHTS.npz
"""

import json
import multiprocessing
import os
import sys
import time

import numpy as np

from networks import LAYERS, clear, images


def party(rank, port, network, batch, runs, path, results):
    os.environ.update(
        WORLD_SIZE="2", RANK=str(rank), DISTRIBUTED_BACKEND="gloo", RENDEZVOUS=f"tcp://127.0.0.1:{port}",
        GLOO_SOCKET_IFNAME="lo", OMP_NUM_THREADS="1",
    )
    import crypten
    import torch

    torch.set_num_threads(1)
    crypten.init()
    weights = {name: torch.tensor(value) for name, value in np.load(path).items()}
    secret = {name: crypten.cryptensor(value, src=1) for name, value in weights.items()}
    pixels = torch.tensor(images(network, batch))

    def infer():
        x = crypten.cryptensor(pixels, src=0)
        for kind, *rest in LAYERS[network]:
            if kind == "dense":
                x = x.matmul(secret[f"{rest[0]}.weight"].t()) + secret[f"{rest[0]}.bias"]
            elif kind == "conv":
                bias = secret[f"{rest[0]}.bias"].view(1, -1, 1, 1)
                x = x.conv2d(secret[f"{rest[0]}.weight"], stride=rest[1]) + bias
            elif kind == "relu":
                x = x.relu()
            elif kind == "pool":
                x = x.avg_pool2d(2)
            else:
                x = x.flatten(start_dim=1)
        return x.get_plain_text(dst=0)

    seconds = []
    for _ in range(runs + 1):
        crypten.communicator.get().barrier()
        start = time.perf_counter()
        logits = infer()
        seconds.append(time.perf_counter() - start)
    if rank == 0:
        expected = clear(network, {name: value.numpy() for name, value in weights.items()}, pixels.numpy())
        error = float(np.abs(logits.numpy() - expected).max())
        results.put({"seconds": seconds[1:], "error": error})


def main():
    network, batch, runs, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    port = 20000 + os.getpid() % 20000
    arguments = (port, network, batch, runs, path, results)
    parties = [context.Process(target=party, args=(rank, *arguments)) for rank in range(2)]
    for process in parties:
        process.start()
    print(json.dumps(results.get(timeout=3500)))
    for process in parties:
        process.join()


if __name__ == "__main__":
    main()
