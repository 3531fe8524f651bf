//! Numbers as people read them: three significant figures and the unit that suits.

/// Three significant figures without an exponent.
pub(crate) fn figures(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = usize::try_from((2 - magnitude).clamp(0, 9)).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        thousands(&text)
    }
}

fn thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with separators.
pub(crate) fn count(value: u64) -> String {
    thousands(&value.to_string())
}

/// A time given in nanoseconds.
#[must_use]
pub fn duration(ns: f64) -> String {
    const MINUTE: f64 = 60e9;
    const HOUR: f64 = 3600e9;
    let units = [
        (HOUR, 2.0 * HOUR, "h"),
        (MINUTE, 2.0 * MINUTE, "min"),
        (1e9, 1e9, "s"),
        (1e6, 1e6, "ms"),
        (1e3, 1e3, "µs"),
    ];
    scaled(ns, &units, "ns")
}

/// A time given in nanoseconds, in seconds even if it is long: for the powers of ten of an axis.
pub(crate) fn decimal_duration(ns: f64) -> String {
    scaled(ns, &[(1e9, 1e9, "s"), (1e6, 1e6, "ms"), (1e3, 1e3, "µs")], "ns")
}

/// A size in bytes, in decimal units.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    let units =
        [(1e15, 1e15, "PB"), (1e12, 1e12, "TB"), (1e9, 1e9, "GB"), (1e6, 1e6, "MB"), (1e3, 1e3, "kB")];
    scaled(bytes, &units, "B")
}

/// The first unit whose threshold the value reaches, as `(size, threshold, name)`.
fn scaled(value: f64, units: &[(f64, f64, &str)], smallest: &str) -> String {
    // 999.7 us rounds to 1000 us, so a unit begins where three figures round up to it.
    let reached = units.iter().find(|(_, threshold, _)| value >= threshold * 0.9995);
    match reached {
        Some((size, _, unit)) => format!("{} {unit}", figures(value / size)),
        None => format!("{} {smallest}", figures(value)),
    }
}

/// A share of one as percent, with the decimals that distinguish it from 100 %.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value == 100.0 { "100 %".to_owned() } else { format!("{value:.2} %") }
}

/// A pure number of any size, such as a logit error.
pub(crate) fn small(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) { figures(value) } else { format!("{value:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_figures_and_their_unit() {
        for (ns, text) in [
            (0.0, "0 ns"),
            (1.0, "1 ns"),
            (999.0, "999 ns"),
            (999_700.0, "1 ms"),
            (1_234_567.0, "1.23 ms"),
            (51e9, "51 s"),
            (119e9, "119 s"),
            (3.0 * 3600e9, "3 h"),
            (1e16, "2,778 h"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn numbers_read_as_they_do_in_the_page() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/format.json")).unwrap();
        for (name, vectors) in vectors.as_object().unwrap() {
            for vector in vectors.as_array().unwrap() {
                let (value, text) = (vector[0].as_f64().unwrap(), vector[1].as_str().unwrap());
                let made = match name.as_str() {
                    "figures" => figures(value),
                    "duration" => duration(value),
                    "size" => bytes(value),
                    "count" => count(value as u64),
                    "percent" => percent(value),
                    "small" => small(value),
                    other => panic!("no format is called {other}"),
                };
                assert_eq!(made, text, "{name} of {value}");
            }
        }
    }

    #[test]
    fn powers_of_ten_stay_powers_of_ten_on_an_axis() {
        let texts = [1e-1, 1e2, 1e3, 1e6, 1e9, 1e12, 1e14].map(decimal_duration);
        assert_eq!(texts, ["0.1 ns", "100 ns", "1 µs", "1 ms", "1 s", "1,000 s", "100,000 s"]);
    }

    #[test]
    fn sizes_counts_and_shares_read_as_written_in_papers() {
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(358_800.0), "359 kB");
        assert_eq!(bytes(2_500_000_000.0), "2.5 GB");
        assert_eq!(count(118_282), "118,282");
        assert_eq!(count(12), "12");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.99996), "100.00 %");
        assert_eq!(percent(0.9791), "97.91 %");
        assert_eq!(small(3.2e-7), "3.2e-7");
        assert_eq!(small(0.0), "0");
        assert_eq!(small(f64::NAN), "NaN");
        assert_eq!(figures(-1234.0), "-1,234");
    }
}
