//! RNS-CKKS homomorphic encryption and encrypted linear algebra.

mod kernels;
mod modulus;
