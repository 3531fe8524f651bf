"""Microsoft SEAL as TenSEAL ships it, as a peer of compare.py: `DEGREE DATA_BITS`, one special prime."""

import sys
import time

import tenseal.sealapi as seal


def main():
    degree, bits = int(sys.argv[1]), [int(b) for b in sys.argv[2].split(",")] + [50]
    parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
    parameters.set_poly_modulus_degree(degree)
    parameters.set_coeff_modulus(seal.CoeffModulus.Create(degree, bits))
    context = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.NONE)
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

    operations = {"rotate": lambda: evaluator.rotate_vector(ciphertext, 1, galois, result), "multiply": multiply}
    print("ready", flush=True)
    for line in sys.stdin:
        operation, samples = line.split()
        times = []
        for _ in range(int(samples)):
            start = time.thread_time()
            operations[operation]()
            times.append(time.thread_time() - start)
        print(min(times) * 1e6, flush=True)


main()
