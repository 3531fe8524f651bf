//! Profiles: how much of everything is measured unless single options say otherwise.

use std::time::Duration;

use clap::ValueEnum;

/// The networks of Haralampieva et al. (2020), in which systems of others are compared.
const PAPERS_NETWORKS: [&str; 3] = ["mnist-mlp", "mnist-cnn", "malaria-cnn"];

/// Sessions of which a median has an interval.
const FEWEST_SESSIONS: usize = 2;

/// Networks of which one image takes seconds under many backends, and a hundred minutes.
const DEEP_NETWORKS: [&str; 1] = ["cifar-resnet20"];

/// How the name of a network's twin with polynomials ends.
pub(super) const TWIN: &str = "-poly";

/// How much to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Minutes on two cores: 100 images, five sessions, loopback, one thread, no deep network
    Quick,
    /// An hour or two: all link profiles, over loopback with one thread and two; two sessions instead of five where a batch takes more than eight seconds
    Standard,
    /// As long as it takes: whole test sets
    Full,
    /// Half an hour: the systems of others that come with the program beside the built-in backends, on the three networks of the
    /// paper that compared such systems; installs what is missing
    Peers,
}

/// What a profile stands for.
pub(super) struct Amounts {
    pub(super) images: usize,
    pub(super) batches: usize,
    pub(super) batch: &'static [usize],
    pub(super) threads: &'static [usize],
    pub(super) links: &'static [&'static str],
    pub(super) repetitions: usize,
    /// Predicted time that the batches of a session may take together.
    pub(super) session: Duration,
    /// Longest that one batch may be predicted to take.
    pub(super) longest_batch: Duration,
    /// The same of a batch of one image.
    pub(super) longest_image: Duration,
    pub(super) timeout: Duration,
}

impl Amounts {
    /// Sessions of a cell of which a batch is predicted to take so long: as few as have an interval if that is longer than a batch of many images may take.
    pub(super) fn sessions(&self, batch: Option<Duration>) -> usize {
        let takes_long = batch.is_some_and(|batch| batch > self.longest_batch);
        if takes_long { self.repetitions.min(FEWEST_SESSIONS) } else { self.repetitions }
    }
}

impl Profile {
    /// Whether a network of the zoo is measured under it unless networks or data sets are named.
    pub(crate) fn has_network(self, name: &str) -> bool {
        let itself = name.strip_suffix(TWIN).unwrap_or(name);
        match self {
            Profile::Quick => !DEEP_NETWORKS.contains(&itself),
            Profile::Standard | Profile::Full => true,
            Profile::Peers => PAPERS_NETWORKS.contains(&itself),
        }
    }

    /// Whether a network's twin with polynomials is left to backends that cannot run the network itself.
    pub(super) fn has_twins_only_where_needed(self) -> bool {
        self == Profile::Peers
    }

    /// The name used in files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Profile::Quick => "quick",
            Profile::Standard => "standard",
            Profile::Full => "full",
            Profile::Peers => "peers",
        }
    }

    pub(super) fn amounts(self) -> Amounts {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        match self {
            Profile::Quick => Amounts {
                images: 100,
                batches: 100,
                batch: &[1, 100],
                threads: &[1],
                links: &["loopback"],
                repetitions: 5,
                session: Duration::from_secs(1),
                longest_batch: Duration::from_secs(4),
                longest_image: Duration::from_secs(4),
                timeout: minutes(5),
            },
            Profile::Standard => Amounts {
                images: 200,
                batches: 100,
                batch: &[1, 100],
                threads: &[1, 2],
                links: &["loopback", "lan", "wan"],
                repetitions: 5,
                session: Duration::from_secs(1),
                longest_batch: Duration::from_secs(8),
                // A deep network on ciphertexts.
                longest_image: Duration::from_secs(60),
                timeout: minutes(10),
            },
            Profile::Full => Amounts {
                images: usize::MAX,
                batches: 1_000,
                batch: &[1, 10, 100, 1_000],
                threads: &[1, 2],
                links: &["loopback", "lan", "wan"],
                repetitions: 5,
                session: minutes(60),
                longest_batch: minutes(240),
                longest_image: minutes(240),
                timeout: minutes(720),
            },
            // Fifty images are the fewest over which an accuracy is stated.
            Profile::Peers => Amounts {
                images: 50,
                batches: 50,
                batch: &[1],
                threads: &[1],
                links: &["loopback"],
                repetitions: FEWEST_SESSIONS,
                session: Duration::from_secs(8),
                longest_batch: Duration::from_secs(45),
                longest_image: Duration::from_secs(45),
                timeout: minutes(5),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_whose_batches_take_long_have_two_sessions() {
        let standard = Profile::Standard.amounts();
        let sessions = |seconds: Option<u64>| standard.sessions(seconds.map(Duration::from_secs));
        assert_eq!([None, Some(0), Some(8), Some(9), Some(60)].map(sessions), [5, 5, 5, 2, 2]);
        assert_eq!(Profile::Peers.amounts().sessions(Some(Duration::from_secs(46))), 2);
    }

    #[test]
    fn deep_networks_and_their_twins_are_left_to_the_longer_profiles() {
        for name in ["cifar-resnet20", "cifar-resnet20-poly"] {
            let profiles = [Profile::Quick, Profile::Standard, Profile::Full, Profile::Peers];
            assert_eq!(profiles.map(|profile| profile.has_network(name)), [false, true, true, false]);
        }
        assert!(Profile::Quick.has_network("malaria-cnn-poly") && Profile::Peers.has_network("mnist-mlp"));
    }
}
