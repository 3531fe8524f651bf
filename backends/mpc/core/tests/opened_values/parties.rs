//! What one party sees and can compute is uniform, and other in every session and batch.

use crate::computed::known_to;
use crate::networks::{Fixed, Setting, function, function_by_bits, repeat, textbook, tree, tree_by_bits};
use crate::session::Described;
use crate::session::uniform::Tally;
use veilbench_mpc::session::Dealing;

fn is_uniform<P: Dealing + Described>(setting: &Setting<P>, fixed: Fixed) {
    let (mut sights, mut results) = (Tally::default(), Tally::default());
    repeat(setting, fixed, |circuit, masked_parameters, inference| {
        let [seen, computed] = known_to::<P>(fixed, circuit, masked_parameters, inference);
        sights.add(&seen);
        results.add(&computed);
    });
    let mut findings = [sights.findings(), results.findings()].concat();
    // A party that stays the same sends functions of what it receives.
    if fixed == Fixed::Session {
        findings.extend(sights.shared_masks());
    }
    assert!(findings.is_empty(), "with the same {fixed:?}:\n{}", findings.join("\n"));
}

#[test]
fn what_the_model_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree(), Fixed::ModelOwner);
}

#[test]
fn what_the_model_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function(), Fixed::ModelOwner);
}

#[test]
fn what_the_model_owner_can_compute_is_uniform_with_triples() {
    is_uniform(&textbook(), Fixed::ModelOwner);
}

#[test]
fn what_the_data_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree(), Fixed::DataOwner);
}

#[test]
fn what_the_data_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function(), Fixed::DataOwner);
}

#[test]
fn what_the_data_owner_can_compute_is_uniform_with_triples() {
    is_uniform(&textbook(), Fixed::DataOwner);
}

#[test]
fn batches_of_one_session_have_nothing_in_common_with_the_tree() {
    is_uniform(&tree(), Fixed::Session);
}

#[test]
fn batches_of_one_session_have_nothing_in_common_with_the_function() {
    is_uniform(&function(), Fixed::Session);
}

#[test]
fn batches_of_one_session_have_nothing_in_common_with_triples() {
    is_uniform(&textbook(), Fixed::Session);
}

#[test]
fn in_graphs_what_the_model_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree().of_graph(), Fixed::ModelOwner);
}

#[test]
fn in_graphs_what_the_model_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function().of_graph(), Fixed::ModelOwner);
}

#[test]
fn in_graphs_what_the_model_owner_can_compute_is_uniform_with_triples() {
    is_uniform(&textbook().of_graph(), Fixed::ModelOwner);
}

#[test]
fn in_graphs_what_the_data_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree().of_graph(), Fixed::DataOwner);
}

#[test]
fn in_graphs_what_the_data_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function().of_graph(), Fixed::DataOwner);
}

#[test]
fn in_graphs_what_the_data_owner_can_compute_is_uniform_with_triples() {
    is_uniform(&textbook().of_graph(), Fixed::DataOwner);
}

#[test]
fn batches_of_graphs_have_nothing_in_common_with_the_tree() {
    is_uniform(&tree().of_graph(), Fixed::Session);
}

#[test]
fn batches_of_graphs_have_nothing_in_common_with_the_function() {
    is_uniform(&function().of_graph(), Fixed::Session);
}

#[test]
fn batches_of_graphs_have_nothing_in_common_with_triples() {
    is_uniform(&textbook().of_graph(), Fixed::Session);
}

#[test]
fn by_bits_what_the_model_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree_by_bits(), Fixed::ModelOwner);
    is_uniform(&tree_by_bits().of_graph(), Fixed::ModelOwner);
}

#[test]
fn by_bits_what_the_model_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function_by_bits(), Fixed::ModelOwner);
    is_uniform(&function_by_bits().of_graph(), Fixed::ModelOwner);
}

#[test]
fn by_bits_what_the_data_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree_by_bits(), Fixed::DataOwner);
    is_uniform(&tree_by_bits().of_graph(), Fixed::DataOwner);
}

#[test]
fn by_bits_what_the_data_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function_by_bits(), Fixed::DataOwner);
    is_uniform(&function_by_bits().of_graph(), Fixed::DataOwner);
}

#[test]
fn by_bits_batches_of_one_session_have_nothing_in_common_with_the_tree() {
    is_uniform(&tree_by_bits(), Fixed::Session);
    is_uniform(&tree_by_bits().of_graph(), Fixed::Session);
}

#[test]
fn by_bits_batches_of_one_session_have_nothing_in_common_with_the_function() {
    is_uniform(&function_by_bits(), Fixed::Session);
    is_uniform(&function_by_bits().of_graph(), Fixed::Session);
}
