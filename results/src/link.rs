//! What the name of a link says of its rate and round-trip time.

/// Reads a rate (`20mbit`) as bits per second and a round-trip time (`5ms`) as nanoseconds, both whole numbers with a unit.
#[must_use]
pub fn rate_and_round_trip(rate: &str, round_trip: &str) -> Option<(u64, u64)> {
    let rate = quantity(rate, &[("kbit", 1_000), ("mbit", 1_000_000), ("gbit", 1_000_000_000)])?;
    let round_trip =
        quantity(round_trip, &[("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)])?;
    Some((rate, round_trip))
}

/// A whole number with one of the units, as a multiple of the smallest.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}
