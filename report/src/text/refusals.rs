//! What backends do not run, said once for each backend and network with its reason.

use crate::{aggregate::links::rank, text::format::count};
use std::collections::BTreeSet;
use veilbench_results::{Status, Summary};

/// A network that a backend does not run under some or all conditions it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal<'a> {
    /// Backend and network, by the first of its rows.
    pub(crate) row: &'a Summary,
    /// Each reason once, with the rows it was given for.
    pub(crate) reasons: Vec<Reason<'a>>,
}

/// Why, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reason<'a> {
    pub(crate) text: &'a str,
    pub(crate) rows: Vec<&'a Summary>,
    /// The conditions it holds for; empty if those are all that were asked for.
    pub(crate) conditions: String,
}

impl Refusal<'_> {
    /// Backend, network, and every reason with its conditions in one line.
    pub(crate) fn sentence(&self) -> String {
        let reasons: Vec<String> = self.reasons.iter().map(Reason::sentence).collect();
        format!("{}, {}: {}", self.row.backend, self.row.network, reasons.join("; "))
    }
}

impl Reason<'_> {
    /// The reason and where it holds.
    pub(crate) fn sentence(&self) -> String {
        let text = if self.text.is_empty() { "no reason was recorded" } else { self.text };
        if self.conditions.is_empty() { text.to_owned() } else { format!("{text} ({})", self.conditions) }
    }
}

/// Is the row one that its backend does not run?
pub(crate) fn is_refused(row: &Summary) -> bool {
    row.status == Status::Unsupported
}

/// The refusals among these rows, in their order.
pub(crate) fn refusals<'a>(rows: &[&'a Summary]) -> Vec<Refusal<'a>> {
    let mut found: Vec<Refusal<'a>> = Vec::new();
    for row in rows.iter().copied().filter(|row| is_refused(row)) {
        let place = match found.iter().position(|refusal| same(refusal.row, row)) {
            Some(place) => place,
            None => {
                found.push(Refusal { row, reasons: Vec::new() });
                found.len() - 1
            }
        };
        let reasons = &mut found[place].reasons;
        match reasons.iter_mut().find(|reason| reason.text == row.detail) {
            Some(reason) => reason.rows.push(row),
            None => reasons.push(Reason { text: &row.detail, rows: vec![row], conditions: String::new() }),
        }
    }
    for refusal in &mut found {
        let asked: Vec<&Summary> = rows.iter().copied().filter(|row| same(refusal.row, row)).collect();
        for reason in &mut refusal.reasons {
            reason.conditions = conditions(&reason.rows, &asked);
        }
    }
    found
}

/// Do rows differ in nothing but their conditions?
fn same(a: &Summary, b: &Summary) -> bool {
    (&a.backend, &a.network, &a.dataset, a.synthetic) == (&b.backend, &b.network, &b.dataset, b.synthetic)
}

/// What tells these rows from the others that were asked for; how many they are if no single condition does.
fn conditions(rows: &[&Summary], asked: &[&Summary]) -> String {
    if rows.len() == asked.len() {
        return String::new();
    }
    let numbers = |of: fn(&Summary) -> usize| {
        let [some, all] = [rows, asked].map(|rows| rows.iter().map(|row| of(row)).collect::<BTreeSet<_>>());
        let text = || some.iter().map(|value| count(*value as u64)).collect::<Vec<_>>().join(" and ");
        (some.len() < all.len()).then(text)
    };
    let links = |rows: &[&Summary]| -> BTreeSet<(usize, String)> {
        rows.iter().map(|row| (rank(&row.link), row.link.clone())).collect()
    };
    let (some, all) = (links(rows), links(asked));
    let mut parts: Vec<String> = Vec::new();
    parts.extend(numbers(|row| row.batch).map(|text| format!("batch {text}")));
    parts.extend(numbers(|row| row.threads).map(|text| format!("threads {text}")));
    if some.len() < all.len() {
        parts.push(some.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" and "));
    }
    if parts.is_empty() {
        parts.push(format!("{} of {} cells", count(rows.len() as u64), count(asked.len() as u64)));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(backend: &str, batch: usize, link: &str, refused: &str) -> Summary {
        let status = if refused.is_empty() { Status::Ok } else { Status::Unsupported };
        Summary {
            backend: backend.to_owned(),
            network: "n".to_owned(),
            link: link.to_owned(),
            detail: refused.to_owned(),
            batch,
            status,
            ..Summary::default()
        }
    }

    #[test]
    fn seven_cells_with_one_reason_are_one_sentence() {
        let rows: Vec<Summary> = (0..7).map(|batch| row("ckks", batch + 1, "lan", "no ReLU")).collect();
        let rows: Vec<&Summary> = rows.iter().collect();
        let sentences: Vec<String> = refusals(&rows).iter().map(Refusal::sentence).collect();
        assert_eq!(sentences, ["ckks, n: no ReLU"]);
    }

    #[test]
    fn a_reason_that_holds_for_some_cells_says_for_which() {
        let rows = [
            row("a", 1, "loopback", ""),
            row("a", 64, "loopback", "too slow"),
            row("a", 1_000, "loopback", "far too slow"),
            row("b", 1, "loopback", ""),
            row("b", 1, "wan", "too slow"),
            row("b", 8, "loopback", ""),
            row("b", 8, "wan", ""),
            row("c", 1, "lan", ""),
            row("c", 1, "wan", "x"),
            row("c", 8, "lan", "x"),
            row("c", 8, "wan", ""),
        ];
        let rows: Vec<&Summary> = rows.iter().collect();
        let sentences: Vec<String> = refusals(&rows).iter().map(Refusal::sentence).collect();
        assert_eq!(
            sentences,
            [
                "a, n: too slow (batch 64); far too slow (batch 1,000)",
                "b, n: too slow (batch 1, wan)",
                "c, n: x (2 of 4 cells)"
            ]
        );
    }
}
