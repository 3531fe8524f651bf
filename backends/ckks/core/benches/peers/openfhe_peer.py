"""OpenFHE as a peer of compare.py: `DEGREE DATA_BITS DIGITS`. Set OMP_NUM_THREADS=1.

Hybrid key switching with our digits. OpenFHE picks its special primes itself, of 60 bits. Its security check refuses
N = 8192 for any of these chains (it reserves room for the special primes), so it is switched off.
"""

import sys
import time

import openfhe


def main():
    degree, bits, digits = int(sys.argv[1]), [int(b) for b in sys.argv[2].split(",")], int(sys.argv[3])
    parameters = openfhe.CCParamsCKKSRNS()
    parameters.SetSecurityLevel(openfhe.SecurityLevel.HEStd_NotSet)
    parameters.SetRingDim(degree)
    parameters.SetMultiplicativeDepth(len(bits) - 1)
    parameters.SetFirstModSize(bits[0])
    parameters.SetScalingModSize(bits[1])
    parameters.SetScalingTechnique(openfhe.ScalingTechnique.FIXEDMANUAL)
    parameters.SetKeySwitchTechnique(openfhe.KeySwitchTechnique.HYBRID)
    parameters.SetNumLargeDigits(digits)
    parameters.SetBatchSize(degree // 2)
    context = openfhe.GenCryptoContext(parameters)
    for feature in (openfhe.PKESchemeFeature.PKE, openfhe.PKESchemeFeature.KEYSWITCH,
                    openfhe.PKESchemeFeature.LEVELEDSHE):
        context.Enable(feature)
    keys = context.KeyGen()
    context.EvalMultKeyGen(keys.secretKey)
    context.EvalRotateKeyGen(keys.secretKey, [1])
    ciphertext = context.Encrypt(keys.publicKey, context.MakeCKKSPackedPlaintext([0.5] * (degree // 2)))
    operations = {
        "rotate": lambda: context.EvalRotate(ciphertext, 1),
        "multiply": lambda: context.EvalMult(ciphertext, ciphertext),
    }
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
