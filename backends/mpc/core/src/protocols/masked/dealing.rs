//! What the dealer deals for a gate of masked wires: it follows the mask of the wire.

use super::Masked;
use super::comparison::{self, Layout};
use super::functional;
use super::preparation::linear_mask;
use super::selection::deal_selection;
use super::sign_keys;
use crate::circuit::pool::{assemble, differences};
use crate::circuit::{Gate, SignProtocol};
use crate::dcf;
use crate::oracle::{add_shifted, concatenated, spread};
use crate::ring;
use crate::session::checks::deal_guard;
use crate::session::dealer::{Dealing, Dealt, Secrets};
use crate::session::preparation::MaskedParameters;
use crate::session::randomness::keys::{KeyForm, Portion};
use crate::session::randomness::masks::{Purpose, Role, input_mask, stream};
use crate::session::randomness::{held_masks, key_roots};
use crate::session::sizes::Sizes;
use crate::session::truncation::{Truncation, deal_truncation};
use veilbench_ring::wiped::Wiped;

/// The masks of the wires so far, and the keys that are to be made.
pub struct Wires {
    /// The mask of the wire before the next gate.
    mask: Vec<u64>,
    /// Masks of the wires that were kept.
    kept: Vec<Wiped<u64>>,
    /// What is left to be made of the gate before.
    keys: Option<Keys>,
    /// The portion made last.
    portion: dcf::Corrections,
}

/// Comparison keys of one gate, so many portions of which are made.
struct Keys {
    gate: usize,
    form: KeyForm,
    truncation: Truncation,
    masks: Wiped<u64>,
    roots: [Wiped<u128>; 2],
    salt: u128,
    made: usize,
}

impl Dealing for Masked {
    type Wires = Wires;

    fn wires(batch: &Secrets) -> Wires {
        let mask = input_mask(&batch.circuit, &batch.data_owner, batch.header.images);
        Wires { mask, kept: Vec::new(), keys: None, portion: dcf::Corrections::default() }
    }

    fn next_keys(batch: &Secrets, wires: &mut Wires) -> Option<Vec<u8>> {
        let keys = wires.keys.as_mut()?;
        let Some(portion) = Portion::after(keys.made, keys.masks.len()) else {
            wires.keys = None;
            return None;
        };
        keys.made += 1;
        let range = portion.range();
        let roots = [&keys.roots[0][range.clone()], &keys.roots[1][range.clone()]];
        let (start, masks) = (range.start, &keys.masks[range]);
        match keys.form {
            KeyForm::Words(ring) => {
                functional::deal(keys.truncation, ring, masks, roots, keys.salt, start, &mut wires.portion);
            }
            KeyForm::Bit(bits) => {
                sign_keys::deal(bits, masks, roots, keys.salt, start, &mut wires.portion);
            }
        }
        Some(portion.write(&batch.header, keys.gate, keys.form, &wires.portion))
    }

    fn deal(batch: &Secrets, wires: &mut Wires, index: usize, sizes: Sizes) -> Dealt {
        let circuit = &batch.circuit;
        let (ring, ring_of_shares) = (circuit.ring_of(index), circuit.ring_of_shares(index));
        let mask = std::mem::take(&mut wires.mask);
        let reduced = |values: Vec<u64>| values.into_iter().map(|value| ring.reduce(value)).collect();
        let (next, dealt) = match &circuit.gates[index] {
            Gate::Linear { shape } => {
                let count = shape.outputs() * batch.header.images;
                let mut next = linear_mask(Role::DataOwner, index, &batch.data_owner, count);
                let of_model_owner = linear_mask(Role::ModelOwner, index, &batch.model_owner, count);
                ring::add_assign(&mut next, &of_model_owner);
                if let MaskedParameters::Linear(map) = &batch.parameters[index] {
                    ring::sub_assign(&mut next, &map.apply(&mask));
                }
                (reduced(next), Dealt::default())
            }
            Gate::Sum(pool) => (reduced(pool.sum(&mask)), Dealt::default()),
            // All copies are under the mask of the value.
            Gate::Spread { positions, offsets, .. } => {
                (spread(*positions, &vec![0; offsets.len()], &mask), Dealt::default())
            }
            Gate::Max { inputs, slots } => {
                let (difference, second) = differences(*inputs, slots, &mask);
                let difference: Vec<u64> = reduced(difference);
                let mut dealt = deal_relu(batch, wires, index, Truncation::new(ring, 0), sizes, &difference);
                dealt.values.extend(second.iter().map(|mask| mask.wrapping_neg()));
                let larger: Vec<u64> = reduced(batch.opening(index, sizes));
                (assemble(*inputs, slots, &mask, &larger), dealt)
            }
            Gate::Relu { shift, guard, .. } => {
                let mut dealt = deal_relu(batch, wires, index, Truncation::new(ring, *shift), sizes, &mask);
                let opening = batch.opening(index, sizes);
                dealt
                    .values
                    .extend(guard.iter().flat_map(|guard| deal_guard(*guard, ring_of_shares, &opening)));
                (held_masks(sizes, index, &batch.data_owner), dealt)
            }
            Gate::Quadratic { shift, square_shift, channels, positions, guard, .. } => {
                let offsets = deal_truncation(Truncation::new(ring, *shift), &mask);
                let mut values = deal_quadratic(&batch.parameters[index], &offsets, *channels, *positions);
                let opening = batch.opening(index, sizes);
                let (results, sums) = opening.split_at(sizes.held);
                values.extend(deal_truncation(Truncation::new(ring_of_shares, *square_shift), results));
                values.extend(guard.iter().flat_map(|guard| deal_guard(*guard, ring_of_shares, sums)));
                (held_masks(sizes, index, &batch.data_owner), Dealt::of_values(values))
            }
            Gate::Truncate { shift, .. } => {
                let values = deal_truncation(Truncation::new(ring, *shift), &mask);
                (held_masks(sizes, index, &batch.data_owner), Dealt::of_values(values))
            }
            Gate::Keep { .. } => {
                wires.kept.push(mask.clone().into());
                (mask, Dealt::default())
            }
            Gate::Recall { kept, .. } => (wires.kept[*kept].to_vec(), Dealt::default()),
            Gate::Add { kept, shift, .. } => {
                let mut sum = mask;
                add_shifted(&mut sum, &wires.kept[*kept], *shift);
                (reduced(sum), Dealt::default())
            }
            Gate::Concat { kept, units, .. } => {
                (concatenated(*units, &wires.kept[*kept], &mask), Dealt::default())
            }
            Gate::Output { open: true, .. } => {
                let shift = circuit.output_shift;
                let values = mask.into_iter().map(|mask| ring.reduce(mask) >> shift).collect();
                (Vec::new(), Dealt::of_values(values))
            }
            Gate::Output { open: false, .. } => Default::default(),
        };
        wires.mask = next;
        dealt
    }
}

/// For the signs of values under reduced `masks`, and the selection by them.
fn deal_relu(
    batch: &Secrets,
    wires: &mut Wires,
    gate: usize,
    truncation: Truncation,
    sizes: Sizes,
    masks: &[u64],
) -> Dealt {
    let circuit = &batch.circuit;
    let compared = circuit.compared(gate, masks);
    let draw = || {
        let mut secret = stream(&batch.secret, gate, Purpose::Secret);
        (secret.words(masks.len().div_ceil(64)), secret)
    };
    if circuit.format.signs == SignProtocol::Tree {
        let (results, mut secret) = draw();
        let layout = Layout::new(circuit, gate, masks.len());
        let bits = comparison::deal(layout, &compared, &results, &mut secret);
        return Dealt { bits, values: deal_selection(truncation, masks, &results, sizes.values) };
    }
    let form = KeyForm::new(circuit, gate);
    let (results, bits) = match form {
        KeyForm::Words(ring) => (functional::mask_signs(ring, masks), Vec::new()),
        KeyForm::Bit(bits) => {
            let (results, _) = draw();
            let signs = sign_keys::masked_signs(bits, &compared, &results);
            (results, signs)
        }
    };
    let roots = [&batch.data_owner, &batch.model_owner];
    wires.keys = Some(Keys {
        gate,
        form,
        truncation,
        masks: compared.into_owned().into(),
        roots: roots.map(|seed| key_roots(sizes, gate, seed).into()),
        salt: batch.header.salt(gate),
        made: 0,
    });
    Dealt { bits, values: deal_selection(truncation, masks, &results, sizes.values) }
}

fn deal_quadratic(masks: &MaskedParameters, offsets: &[u64], channels: usize, positions: usize) -> Vec<u64> {
    let MaskedParameters::Quadratic { a: alpha, b: beta } = masks else { return Vec::new() };
    let inputs = offsets.len() / 2;
    let channel = |at: usize| at % inputs / positions % channels;
    let squares = offsets.iter().map(|offset| offset.wrapping_mul(*offset));
    let mut values = offsets.to_vec();
    values.extend(squares);
    values.extend(offsets.iter().enumerate().map(|(at, offset)| alpha[channel(at)].wrapping_mul(*offset)));
    values.extend(offsets.iter().enumerate().map(|(at, offset)| {
        let slope = alpha[channel(at)].wrapping_mul(*offset).wrapping_add(beta[channel(at)]);
        slope.wrapping_mul(*offset)
    }));
    values
}
