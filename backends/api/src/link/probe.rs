//! What links between hosts carry, measured before a session's work: the round trip, and the rate of a burst.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Link, LinkError, Links};

/// Round trips, of which the shortest counts.
const ROUND_TRIPS: usize = 16;

/// One message of a burst: small, so that measuring adds nothing to what a party's memory is reported to be.
const CHUNK: usize = 64 << 10;

/// Bursts grow until one takes so long and so many round trips, or is so large (64 MiB). A connection begins with a few segments in a
/// round trip and doubles them in each (RFC 5681, section 3.1): bursts of fewer round trips measure that and not the path.
const LONG: Duration = Duration::from_millis(50);
const LONG_ROUND_TRIPS: u32 = 20;
const MOST_CHUNKS: u64 = 1024;

/// First byte of a message that more follows.
const MORE: u8 = 0;
/// First byte of a message that is to be answered.
const ANSWER: u8 = 1;
/// The last message.
const END: u8 = 2;

/// What one party measured of its link to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkFigures {
    /// The other role.
    pub peer: String,
    /// The shortest of several round trips of a message of one byte, nanoseconds.
    pub round_trip_ns: u64,
    /// Payload bytes of the longest burst to the peer.
    pub burst_bytes: u64,
    /// How long that took, less a round trip, nanoseconds.
    pub burst_ns: u64,
}

impl Links {
    /// Measures the links over the network to all peers, in an order on which all parties agree and one after another. `parties`
    /// are the roles in the order of the profile, `me` this party's index.
    ///
    /// # Errors
    /// If a link fails, or a peer does not follow.
    pub fn measure(&mut self, parties: &[String], me: usize) -> Result<Vec<LinkFigures>, LinkError> {
        let mut figures = Vec::new();
        for (first, one) in parties.iter().enumerate() {
            for (second, other) in parties.iter().enumerate().skip(first + 1) {
                let peer = match me {
                    me if me == first => other,
                    me if me == second => one,
                    _ => continue,
                };
                let over_network = |link: &&mut Link| link.peer() == peer && !link.traffic().is_local();
                let Some(link) = self.links.iter_mut().find(over_network) else { continue };
                if me == first {
                    figures.push(lead(link)?);
                    follow(link)?;
                } else {
                    follow(link)?;
                    figures.push(lead(link)?);
                }
            }
        }
        Ok(figures)
    }
}

fn lead(link: &mut Link) -> Result<LinkFigures, LinkError> {
    let mut round_trip = Duration::MAX;
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        link.send(&[ANSWER])?;
        link.receive_exactly(1)?;
        round_trip = round_trip.min(start.elapsed());
    }
    let mut chunk = vec![0; CHUNK];
    let mut chunks = 1;
    let took = loop {
        let start = Instant::now();
        for left in (0..chunks).rev() {
            chunk[0] = if left == 0 { ANSWER } else { MORE };
            link.send(&chunk)?;
        }
        link.receive_exactly(1)?;
        let took = start.elapsed().saturating_sub(round_trip);
        if is_enough(took, round_trip, chunks) {
            break took;
        }
        chunks *= 2;
    };
    link.send(&[END])?;
    Ok(LinkFigures {
        peer: link.peer().to_owned(),
        round_trip_ns: round_trip.as_nanos() as u64,
        burst_bytes: chunks * CHUNK as u64,
        burst_ns: took.as_nanos().max(1) as u64,
    })
}

/// Whether a burst of this many messages says what the link carries.
fn is_enough(took: Duration, round_trip: Duration, chunks: u64) -> bool {
    took >= LONG.max(round_trip.saturating_mul(LONG_ROUND_TRIPS)) || chunks >= MOST_CHUNKS
}

fn follow(link: &mut Link) -> Result<(), LinkError> {
    loop {
        match link.receive()?.first() {
            Some(&ANSWER) => link.send(&[ANSWER])?,
            Some(&MORE) => {}
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a burst takes a connection that sends `window` bytes in a round trip and doubles that up to the path's
    /// product of rate (bytes in a second) and round trip.
    fn slow_start(bytes: u64, rate: f64, round_trip: f64, window: &mut f64) -> f64 {
        let (mut left, mut took) = (bytes as f64, 0.0);
        while left > *window {
            left -= *window;
            took += round_trip;
            *window = (*window * 2.0).min(rate * round_trip);
        }
        took + left / rate
    }

    #[test]
    fn a_connection_that_is_still_speeding_up_is_not_taken_for_the_path() {
        for (megabits, milliseconds) in [(100.0, 40.0), (1000.0, 10.0), (20.0, 100.0), (1000.0, 0.2)] {
            let (rate, round_trip) = (megabits * 125_000.0, milliseconds / 1000.0);
            let (mut chunks, mut window) = (1, 14_600.0_f64.min(rate * round_trip));
            let took = loop {
                let took = slow_start(chunks * CHUNK as u64, rate, round_trip, &mut window);
                let [took_, round_trip] = [took, round_trip].map(Duration::from_secs_f64);
                if is_enough(took_, round_trip, chunks) {
                    break took;
                }
                chunks *= 2;
            };
            let measured = (chunks * CHUNK as u64) as f64 / took;
            assert!((measured / rate - 1.0).abs() < 0.1, "{megabits} Mbit/s: {:.1}", measured / 125_000.0);
            assert!(took < 5.0, "{took} s");
        }
    }
}
