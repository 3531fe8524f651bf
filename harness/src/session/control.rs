//! What the harness and its party processes say to each other, as JSON lines on the party's
//! standard input and output. None of it is counted: it carries no image and no weight.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use veilbench_api::link::{Credentials, LinkFigures, Token};
use veilbench_api::{Answers, Exchanged, Job, Origin, PhaseMetrics, Plan};
use veilbench_networks::Architecture;

use crate::record::rows::prediction;
use crate::session::hosts::launched::{HostReport, Place};
use crate::session::hosts::transfer::FileDue;
use crate::session::process::StatusFigures;

/// From the harness to a party.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Say which program this is, and on which machine.
    Inspect,
    /// Become a role.
    RoleBriefing(Box<RoleBriefing>),
    /// Connect to the other parties, given in the order of the profile.
    Connect(Vec<(String, SocketAddr)>),
    /// Look for a file that the role needs on its host.
    FindFile(Option<FileDue>),
    /// Take the next part of that file, hexadecimal.
    FilePart(String),
    /// That was all of the file.
    FileEnd,
    /// Measure the links.
    MeasureLinks,
    /// Say what the monotonic clock shows.
    TellTime,
    /// Get ready for a phase.
    Prepare(Phase),
    /// Start the phase at this monotonic time.
    Go {
        /// Nanoseconds of the monotonic clock of the party's machine.
        at_ns: u64,
        /// When to report the phase at the earliest.
        report_ns: u64,
    },
    /// Say what passed in the phase that all parties are done with.
    Traffic,
    /// The session is over.
    Leave,
}

/// All a role may know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RoleBriefing {
    pub(crate) backend: String,
    /// Where the backend is read from, if it is not compiled in.
    pub(crate) origin: Option<Origin>,
    pub(crate) role: usize,
    pub(crate) architecture: Architecture,
    pub(crate) plan: Plan,
    pub(crate) job: Job,
    pub(crate) token: Token,
    /// What is left of the session's time, milliseconds: starting parties on other hosts takes some of it.
    pub(crate) timeout_ms: u64,
    /// The model file, for the role that holds the weights.
    pub(crate) weights: Option<PathBuf>,
    /// The prepared images, for the role that holds them.
    pub(crate) images: Option<PathBuf>,
    /// What the party shows on encrypted links.
    pub(crate) credentials: Option<Credentials>,
    /// Where it runs, if it was launched on a host.
    pub(crate) place: Option<Place>,
}

/// One phase of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Setup,
    Offline {
        images: usize,
    },
    Online {
        /// Index of the first image in the prepared file.
        first: usize,
        images: usize,
    },
}

/// From a party to the harness.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    Host(Box<HostReport>),
    Listening(SocketAddr),
    /// Whether the file is to be sent.
    FileWanted(bool),
    /// The file is here, whole.
    FileReady,
    Connected,
    LinksMeasured(Vec<LinkFigures>),
    Time(u64),
    Ready,
    Finished(Box<Finished>),
    Traffic(Vec<Exchanged>),
    Left(StatusFigures),
    Failed(Reason),
}

/// Why a party gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub(crate) text: String,
    /// Values went beyond what the backend represents: the images of the batch that are known to be concerned.
    pub(crate) out_of_range: Option<Vec<usize>>,
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), out_of_range: None }
    }
}

/// A phase as one party measured it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) started_ns: u64,
    pub(crate) ended_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) metrics: PhaseMetrics,
    /// What the data owner learnt in an online phase.
    pub(crate) answers: Option<Answered>,
}

/// The first amount that no session reaches: nanoseconds of 36 years, an exbibyte.
const IMPLAUSIBLE: u64 = 1 << 60;

/// Whether a party can have measured so much.
pub(crate) fn is_plausible(figure: u64) -> bool {
    figure < IMPLAUSIBLE
}

impl Finished {
    /// Whether a party can have measured that: what it reports may be anything.
    pub(crate) fn is_plausible(&self) -> bool {
        let times = [self.started_ns, self.ended_ns, self.cpu_ns, self.metrics.workers_cpu_ns];
        let spans = self.metrics.spans.iter().map(|span| span.wall_ns);
        let exchanged = self.metrics.exchanged.iter().flat_map(|peer| {
            [peer.sent_bytes, peer.sent_messages, peer.received_bytes, peer.received_messages]
        });
        self.started_ns <= self.ended_ns && times.into_iter().chain(spans).chain(exchanged).all(is_plausible)
    }
}

/// What a data owner got of a batch, image after image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answered {
    Logits(Vec<f32>),
    Labels(Vec<u32>),
}

impl From<Answers> for Answered {
    fn from(answers: Answers) -> Self {
        match answers {
            Answers::Logits(logits) => Self::Logits(logits.into_data()),
            Answers::Labels(labels) => Self::Labels(labels),
        }
    }
}

/// What a data owner got of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ImageAnswer<'a> {
    Logits(&'a [f32]),
    Label(usize),
}

impl Answered {
    /// Numbers that came.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Logits(logits) => logits.len(),
            Self::Labels(labels) => labels.len(),
        }
    }

    /// The answer of each of this many images.
    pub(crate) fn each(&self, images: usize) -> Vec<ImageAnswer<'_>> {
        match self {
            Self::Logits(logits) => {
                let classes = (logits.len() / images.max(1)).max(1);
                logits.chunks(classes).map(ImageAnswer::Logits).collect()
            }
            Self::Labels(labels) => labels.iter().map(|&label| ImageAnswer::Label(label as usize)).collect(),
        }
    }
}

impl ImageAnswer<'_> {
    /// The class it says.
    pub(crate) fn class(&self) -> usize {
        match self {
            Self::Logits(logits) => prediction(logits),
            Self::Label(label) => *label,
        }
    }

    /// Largest difference from the clear network's logits; `None` of a label alone.
    pub(crate) fn error(&self, clear: &[f64]) -> Option<f64> {
        let Self::Logits(logits) = self else { return None };
        let errors = clear.iter().zip(*logits).map(|(clear, private)| (clear - f64::from(*private)).abs());
        Some(errors.fold(0.0, f64::max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_party_can_have_measured_is_told_apart() {
        let finished = |started_ns, ended_ns, cpu_ns| Finished {
            started_ns,
            ended_ns,
            cpu_ns,
            metrics: PhaseMetrics::default(),
            answers: None,
        };
        assert!(finished(5, 9, 4).is_plausible());
        assert!(!finished(9, 5, 4).is_plausible() && !finished(5, 9, u64::MAX).is_plausible());
        let mut sent = finished(5, 9, 4);
        sent.metrics.exchanged.push(Exchanged {
            peer: "dealer".into(),
            local: false,
            sent_bytes: u64::MAX,
            sent_messages: 1,
            received_bytes: 0,
            received_messages: 0,
        });
        assert!(!sent.is_plausible());
    }
}
