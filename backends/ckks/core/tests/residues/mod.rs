//! Residues of ciphertexts and plaintexts, by way of the wire format.

use crate::fixture::Owner;
use veilbench_ckks::*;

pub(crate) fn pack(rows: &[(u64, Vec<u64>)]) -> Vec<u8> {
    let bits: Vec<u8> = rows
        .iter()
        .flat_map(|(p, row)| {
            row.iter().flat_map(|r| (0..64 - p.leading_zeros()).map(move |b| (r >> b & 1) as u8))
        })
        .collect();
    bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(i, bit)| bit << i).sum()).collect()
}

pub(crate) fn unpack(bytes: &[u8], degree: usize, primes: &[u64]) -> Vec<Vec<u64>> {
    let mut at = 0;
    primes
        .iter()
        .map(|p| {
            let bits = 64 - p.leading_zeros() as usize;
            (0..degree)
                .map(|_| {
                    at += bits;
                    (at - bits..at).map(|i| u64::from(bytes[i / 8] >> (i % 8) & 1) << (i - (at - bits))).sum()
                })
                .collect()
        })
        .collect()
}

/// A ciphertext whose parts are constant in the NTT domain.
pub(crate) fn constant(context: &Context, template: &[u8], parts: [u64; 2]) -> Ciphertext {
    let mut bytes = template[..47].to_vec();
    for part in parts {
        let rows: Vec<_> = context
            .parameters()
            .data_primes()
            .iter()
            .map(|&p| (p, vec![part; 2 * context.parameters().slots()]))
            .collect();
        bytes.extend(pack(&rows));
    }
    Ciphertext::from_bytes(context, &bytes).unwrap()
}

/// The residues of a plaintext, which the interface does not give out, by adding it to an encryption of nothing.
pub(crate) fn residues(owner: &Owner, template: &[u8], plaintext: &Plaintext) -> Vec<Vec<u64>> {
    let zero = constant(&owner.context, template, [0, 0]);
    let bytes = owner.evaluator.add_plain(&zero, plaintext).unwrap().to_bytes(&owner.context).unwrap();
    unpack(&bytes[47..], owner.context.parameters().degree(), owner.context.parameters().data_primes())
}
