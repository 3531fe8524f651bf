// Microsoft SEAL as a peer of compare.py: `DEGREE DATA_BITS` on the command line, an operation on each line of input,
// the fastest microseconds of processor time on each line of output. SEAL has one special prime and a digit for every
// data prime.
#include <ctime>
#include <iostream>
#include <seal/seal.h>
#include <sstream>
#include <string>
#include <vector>

static double thread_microseconds() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

template <typename Operation> static double fastest(int samples, Operation operation) {
    double best = 1e300;
    for (int sample = 0; sample < samples; sample++) {
        double start = thread_microseconds();
        operation();
        best = std::min(best, thread_microseconds() - start);
    }
    return best;
}

int main(int, char **arguments) {
    std::size_t degree = std::stoul(arguments[1]);
    std::vector<int> bits;
    std::stringstream list(arguments[2]);
    for (std::string item; std::getline(list, item, ',');) bits.push_back(std::stoi(item));
    bits.push_back(50);
    seal::EncryptionParameters parameters(seal::scheme_type::ckks);
    parameters.set_poly_modulus_degree(degree);
    parameters.set_coeff_modulus(seal::CoeffModulus::Create(degree, bits));
    // Its table of 2018 is a little stricter than that of 2024 for the longest of our chains.
    seal::SEALContext context(parameters, true, seal::sec_level_type::none);
    seal::KeyGenerator generator(context);
    seal::PublicKey key;
    seal::GaloisKeys galois;
    seal::RelinKeys relinearisation;
    generator.create_public_key(key);
    generator.create_galois_keys(std::vector<int>{1}, galois);
    generator.create_relin_keys(relinearisation);
    seal::CKKSEncoder encoder(context);
    seal::Plaintext plaintext;
    encoder.encode(std::vector<double>(degree / 2, 0.5), 1099511627776.0, plaintext);
    seal::Ciphertext ciphertext, result;
    seal::Encryptor(context, key).encrypt(plaintext, ciphertext);
    seal::Evaluator evaluator(context);
    std::cout << "ready" << std::endl;
    std::string operation;
    for (int samples; std::cin >> operation >> samples;) {
        double best = operation == "rotate"
            ? fastest(samples, [&] { evaluator.rotate_vector(ciphertext, 1, galois, result); })
            : fastest(samples, [&] {
                  evaluator.multiply(ciphertext, ciphertext, result);
                  evaluator.relinearize_inplace(result, relinearisation);
              });
        std::cout << best << std::endl;
    }
}
