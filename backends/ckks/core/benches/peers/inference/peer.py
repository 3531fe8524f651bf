"""What the inference peers have in common: they read a network and images, and write what they measured.

The network is affine layers with a square between any two. `NETWORK.npz` holds `weight0`, `bias0`, `weight1`, ...
(outputs x inputs) and `images` (count x inputs).
"""

import json
import resource
import sys

import numpy as np


def load():
    file = np.load(sys.argv[1])
    count = sum(name.startswith("weight") for name in file.files)
    layers = [(file[f"weight{index}"], file[f"bias{index}"]) for index in range(count)]
    return layers, file["images"]


def peak_rss():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def report(*, degree, modulus_bits, seconds, logits, sent_bytes, key_bytes, images_per_second, note="", rss=None):
    """One line of JSON: `modulus_bits` with special primes, `None` for what cannot be told."""
    print(
        "RESULT "
        + json.dumps(
            {
                "degree": degree,
                "modulus_bits": modulus_bits,
                "seconds": seconds,
                "logits": np.asarray(logits).tolist(),
                "sent_bytes": sent_bytes,
                "key_bytes": key_bytes,
                "images_per_second": images_per_second,
                "peak_rss_bytes": rss or peak_rss(),
                "note": note,
            }
        )
    )
