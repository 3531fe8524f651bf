//! The links of a run: their order, their shape where the name tells it, and the pattern that tells their marks apart.

use std::collections::BTreeSet;
use veilbench_results::{Summary, rate_and_round_trip};

/// Name, round trip in nanoseconds and bits per second of the links that have a name of their own; none is no limit.
const NAMED: [(&str, u64, Option<u64>); 3] =
    [("loopback", 0, None), ("lan", 500_000, Some(1_000_000_000)), ("wan", 40_000_000, Some(100_000_000))];

/// Strokes and gaps by style, logical pixels: of a line, and of a bar along its length. The first is unbroken.
const PATTERNS: [&[u32]; 5] = [&[], &[8, 3], &[2, 3], &[10, 3, 2, 3], &[18, 4]];

/// What a link adds to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Nanoseconds.
    pub(crate) round_trip_ns: u64,
    /// None if nothing limits it.
    pub(crate) bits_per_second: Option<u64>,
}

/// A link that cells of a run were measured over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    /// Index of the look of its bars, lines and marks, the same in the page and in every plot.
    pub(crate) style: usize,
    /// None if the name does not tell.
    pub(crate) shape: Option<Shape>,
}

impl Link {
    /// Lengths of strokes and gaps in turn; none for an unbroken line.
    pub(crate) fn pattern(&self) -> &'static [u32] {
        pattern(self.style)
    }
}

/// The pattern of a style.
pub(crate) fn pattern(style: usize) -> &'static [u32] {
    PATTERNS[style % PATTERNS.len()]
}

/// The place of a link: loopback, the local network, the wide one, then all others, which their names order.
pub(crate) fn rank(name: &str) -> usize {
    NAMED.iter().position(|(known, ..)| *known == name).unwrap_or(NAMED.len())
}

/// The links of these rows in order. Links with a name of their own look the same in every run.
pub(crate) fn links<'a>(rows: impl IntoIterator<Item = &'a Summary>) -> Vec<Link> {
    let names: BTreeSet<(usize, &str)> = rows.into_iter().map(|row| (rank(&row.link), &*row.link)).collect();
    let mut others = 0;
    names
        .into_iter()
        .map(|(rank, name)| {
            let style = if rank < NAMED.len() {
                rank
            } else {
                others += 1;
                NAMED.len() + (others - 1) % (PATTERNS.len() - NAMED.len())
            };
            Link { name: name.to_owned(), style, shape: shape(name) }
        })
        .collect()
}

/// The style of a link among those of its run.
pub(crate) fn style(links: &[Link], name: &str) -> usize {
    links.iter().find(|link| link.name == name).map_or(0, |link| link.style)
}

/// The shape that a name tells, such as `lan` or `20mbit+5ms`.
fn shape(name: &str) -> Option<Shape> {
    if let Some((_, round_trip_ns, bits_per_second)) = NAMED.iter().find(|(known, ..)| *known == name) {
        return Some(Shape { round_trip_ns: *round_trip_ns, bits_per_second: *bits_per_second });
    }
    let (rate, round_trip) = name.split_once('+')?;
    let (bits, round_trip_ns) = rate_and_round_trip(rate, round_trip)?;
    Some(Shape { round_trip_ns, bits_per_second: Some(bits).filter(|bits| *bits > 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_ordered_and_look_apart() {
        let row = |link: &str| Summary { link: link.to_owned(), ..Summary::default() };
        let rows = ["wan", "20mbit+5ms", "loopback", "lan", "wan", "1gbit+1us"].map(row);
        let links = links(&rows);
        let names: Vec<&str> = links.iter().map(|link| &*link.name).collect();
        assert_eq!(names, ["loopback", "lan", "wan", "1gbit+1us", "20mbit+5ms"]);
        let patterns: BTreeSet<&[u32]> = links.iter().map(Link::pattern).collect();
        assert_eq!(patterns.len(), 5);
        assert_eq!((style(&links, "wan"), style(&links, "nowhere")), (2, 0));
    }

    #[test]
    fn a_name_tells_round_trip_and_rate() {
        let of = |name| shape(name).map(|shape| (shape.round_trip_ns, shape.bits_per_second));
        assert_eq!(of("loopback"), Some((0, None)));
        assert_eq!(of("20mbit+5ms"), Some((5_000_000, Some(20_000_000))));
        for silent in ["", "satellite", "20mbit", "20mbit+5", "99999999999gbit+1ms", "-1mbit+1ms"] {
            assert_eq!(of(silent), None, "{silent}");
        }
    }
}
