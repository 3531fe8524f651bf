#!/usr/bin/env python3
"""Times rotation and multiplication of Microsoft SEAL, as TenSEAL 0.3.18 ships it, beside this crate's.

    python3.11 -m venv /tmp/peers && /tmp/peers/bin/pip install tenseal==0.3.18
    cargo bench -p veilbench-ckks -- 'rotate/|multiply/' && /tmp/peers/bin/python backends/ckks/benches/peers/compare_tenseal.py

Both measure the processor time of one thread and take the fastest sample. Ours is read from criterion's folder
(CARGO_TARGET_DIR or ./target), so run the two one after the other on the same machine. SEAL always has one special
prime and a digit for every data prime: its chain is our data primes and one of 50 bits.
"""

import json
import os
import time
from pathlib import Path

import tenseal.sealapi as seal

SETS = {
    "8192-3": (8192, [50] * 3),
    "16384-8": (16384, [50] + [40] * 7),
    "16384-6": (16384, [50] * 6),
}
SAMPLES = 20


def fastest(operation):
    """The fewest microseconds of processor time in SAMPLES runs."""
    times = []
    for _ in range(SAMPLES):
        start = time.thread_time()
        operation()
        times.append(time.thread_time() - start)
    return min(times) * 1e6


def peer(degree, data_bits):
    """Microseconds of a rotation and of a multiplication with relinearisation."""
    parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
    parameters.set_poly_modulus_degree(degree)
    parameters.set_coeff_modulus(seal.CoeffModulus.Create(degree, data_bits + [50]))
    context = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)
    generator = seal.KeyGenerator(context)
    public, galois, relinearisation = seal.PublicKey(), seal.GaloisKeys(), seal.RelinKeys()
    generator.create_public_key(public)
    generator.create_galois_keys([3], galois)
    generator.create_relin_keys(relinearisation)
    plaintext, ciphertext, result = seal.Plaintext(), seal.Ciphertext(), seal.Ciphertext()
    seal.CKKSEncoder(context).encode([0.5] * (degree // 2), 2.0**40, plaintext)
    seal.Encryptor(context, public).encrypt(plaintext, ciphertext)
    evaluator = seal.Evaluator(context)

    def multiply():
        evaluator.multiply(ciphertext, ciphertext, result)
        evaluator.relinearize_inplace(result, relinearisation)

    return fastest(lambda: evaluator.rotate_vector(ciphertext, 1, galois, result)), fastest(multiply)


def ours(operation, name):
    """Microseconds from the last run of our bench."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    sample = json.loads((target / "criterion" / "ckks" / operation / name / "new" / "sample.json").read_text())
    return min(time / count for time, count in zip(sample["times"], sample["iters"])) / 1e3


print(f"{'set':10} {'operation':10} {'TenSEAL us':>12} {'ours us':>12} {'ratio':>8}")
for name, (degree, data_bits) in SETS.items():
    for operation, theirs in zip(("rotate", "multiply"), peer(degree, data_bits)):
        mine = ours(operation, name)
        print(f"{name:10} {operation:10} {theirs:12.0f} {mine:12.0f} {theirs / mine:8.1f}", flush=True)
