//! Link profiles: the network a cell pretends to run on.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use veilbench_results::rate_and_round_trip;

use super::pipe::Pipe;

/// Bandwidth and round-trip time of the links between parties.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkProfile {
    name: String,
    shape: Option<Shape>,
    tls: bool,
}

/// In front of the name of a network between hosts.
const MEASURED: &str = "measured:";

/// Behind the name of a profile whose links are encrypted.
const TLS: &str = "+tls";

/// A full-duplex connection of limited rate: every party has one uplink and one downlink, which its links share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    bits_per_second: u64,
    round_trip_ns: u64,
}

impl LinkProfile {
    /// Loopback as it is.
    pub fn loopback() -> Self {
        Self { name: "loopback".into(), shape: None, tls: false }
    }

    /// A local network: 1 Gbit/s, 0.5 ms round trip.
    pub fn lan() -> Self {
        Self::shaped("lan", 1_000_000_000, 500_000)
    }

    /// A wide-area network: 100 Mbit/s, 40 ms round trip.
    pub fn wan() -> Self {
        Self::shaped("wan", 100_000_000, 40_000_000)
    }

    /// The named profiles.
    pub fn named() -> [Self; 3] {
        [Self::loopback(), Self::lan(), Self::wan()]
    }

    fn shaped(name: &str, bits_per_second: u64, round_trip_ns: u64) -> Self {
        let shape = Some(Shape { bits_per_second, round_trip_ns });
        Self { name: name.into(), shape, tls: false }
    }

    /// A network between hosts, as it is: what it carries is measured at the start of every session. Its links are
    /// encrypted. `None` if the name is not of letters, digits, `-`, `_` and `.`, or has more than 40.
    pub fn measured(name: &str) -> Option<Self> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let whole = (1..=40).contains(&name.len()) && name.chars().all(legal);
        whole.then(|| Self { name: format!("{MEASURED}{name}"), shape: None, tls: true })
    }

    /// Whether its links run between hosts.
    pub fn is_measured(&self) -> bool {
        self.name.starts_with(MEASURED)
    }

    /// The same with TLS on every link, which its name then says.
    #[must_use]
    pub fn with_tls(self) -> Self {
        match self.tls {
            true => self,
            false => Self { name: self.name + TLS, tls: true, ..self },
        }
    }

    /// Whether its links are encrypted.
    pub fn has_tls(&self) -> bool {
        self.tls
    }

    /// `loopback`, `lan`, `wan`, or `RATE+RTT`, each with `+tls` if it is encrypted, or `measured:NAME`: usable in file
    /// names, and parses as well.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bits per second, if the rate is limited.
    pub fn bits_per_second(&self) -> Option<u64> {
        self.shape.map(|shape| shape.bits_per_second)
    }

    /// Round-trip time, if it is prolonged.
    pub fn round_trip(&self) -> Option<Duration> {
        self.shape.map(|shape| Duration::from_nanos(shape.round_trip_ns))
    }

    pub(super) fn shape(&self) -> Option<Shape> {
        self.shape
    }
}

impl Shape {
    /// How long a message of `bytes` occupies a direction, nanoseconds.
    fn transmit_ns(&self, bytes: usize) -> u64 {
        let transmit = bytes as u128 * 8_000_000_000 / u128::from(self.bits_per_second);
        u64::try_from(transmit).unwrap_or(u64::MAX)
    }

    /// When the last bit of a message of `bytes` sent at `now_ns` arrives, as far as the sender's uplink decides.
    pub(super) fn depart(&self, uplink: &Pipe, now_ns: u64, bytes: usize) -> u64 {
        uplink.reserve(now_ns, self.transmit_ns(bytes)).saturating_add(self.round_trip_ns / 2)
    }

    /// When it has arrived, as the receiver's downlink takes one message at a time.
    pub(super) fn arrive(&self, downlink: &Pipe, deliver_ns: u64, bytes: usize) -> u64 {
        let transmit_ns = self.transmit_ns(bytes);
        downlink.reserve(deliver_ns.saturating_sub(transmit_ns), transmit_ns)
    }
}

/// The clock all parties on one machine share.
pub(super) fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl fmt::Display for LinkProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl From<LinkProfile> for String {
    fn from(profile: LinkProfile) -> Self {
        profile.name
    }
}

impl TryFrom<String> for LinkProfile {
    type Error = LinkProfileError;

    fn try_from(text: String) -> Result<Self, LinkProfileError> {
        text.parse()
    }
}

/// Text that is no link profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "link `{0}` is neither loopback, lan, wan nor RATE/RTT such as 100mbit/40ms or 10gbit/50us, nor one of these with +tls, nor \
     measured:NAME for a network between hosts"
)]
pub struct LinkProfileError(String);

impl FromStr for LinkProfile {
    type Err = LinkProfileError;

    fn from_str(text: &str) -> Result<Self, LinkProfileError> {
        if let Some(profile) = Self::named().into_iter().find(|profile| profile.name == text) {
            return Ok(profile);
        }
        let unknown = || LinkProfileError(text.chars().take(64).collect());
        if let Some(name) = text.strip_prefix(MEASURED) {
            return Self::measured(name).ok_or_else(unknown);
        }
        if let Some(plain) = text.strip_suffix(TLS) {
            let plain: Option<Self> = plain.parse().ok().filter(|profile: &Self| !profile.has_tls());
            return plain.map(Self::with_tls).ok_or_else(unknown);
        }
        let parse = || {
            let (rate, round_trip) = text.split_once(['/', '+'])?;
            let (rate, round_trip) = rate_and_round_trip(rate, round_trip)?;
            (rate > 0 && round_trip <= 60_000_000_000)
                .then(|| Self::shaped(&text.replace('/', "+"), rate, round_trip))
        };
        parse().ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_named_or_rate_and_round_trip() {
        assert_eq!("lan".parse(), Ok(LinkProfile::lan()));
        let custom: LinkProfile = "20mbit/5ms".parse().unwrap();
        assert_eq!(custom.bits_per_second(), Some(20_000_000));
        assert_eq!(custom.round_trip(), Some(Duration::from_millis(5)));
        assert_eq!(custom.name(), "20mbit+5ms");
        assert_eq!(custom.name().parse(), Ok(custom));
        for bad in [
            "",
            "lan/wan",
            "0mbit/1ms",
            "1mbit",
            "1mbit/1h",
            "-1mbit/1ms",
            "99999999999gbit/1ms",
            "1mbit/61s",
            "loopback+tls+tls",
            "measured:",
            "measured:a/b",
            "measured:lab+tls",
        ] {
            assert!(bad.parse::<LinkProfile>().is_err(), "{bad}");
        }
    }

    #[test]
    fn encryption_and_networks_between_hosts_are_told_by_the_name() {
        for name in ["loopback+tls", "20mbit+5ms+tls", "measured:lab-2"] {
            let profile: LinkProfile = name.parse().unwrap();
            assert!(profile.has_tls());
            assert_eq!((profile.name(), profile.is_measured()), (name, name.starts_with("measured")));
        }
        assert_eq!("lan+tls".parse(), Ok(LinkProfile::lan().with_tls().with_tls()));
        assert_eq!(LinkProfile::lan().with_tls().round_trip(), LinkProfile::lan().round_trip());
    }

    #[test]
    fn messages_queue_behind_each_other_on_one_direction() {
        let shape = Shape { bits_per_second: 8_000, round_trip_ns: 1_000 };
        let uplink = Pipe::default();
        assert_eq!(shape.depart(&uplink, 10, 1), 10 + 1_000_000 + 500);
        assert_eq!(shape.depart(&uplink, 20, 2), 10 + 3_000_000 + 500);
        assert_eq!(shape.depart(&uplink, 5_000_000, 0), 5_000_000 + 500);
    }

    #[test]
    fn two_senders_share_the_downlink_of_one_receiver() {
        let shape = Shape { bits_per_second: 8_000, round_trip_ns: 1_000 };
        let downlink = Pipe::default();
        let [one, other] = [Pipe::default(), Pipe::default()].map(|uplink| shape.depart(&uplink, 0, 1));
        assert_eq!(shape.arrive(&downlink, one, 1), 1_000_500);
        assert_eq!(shape.arrive(&downlink, other, 1), 2_000_500);
    }
}
