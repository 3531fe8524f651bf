//! All parties told the same, and what each of them answers: the step from one phase to the next, and what is known when one fails
//! or says nothing.

use std::mem::discriminant;

use tokio::time::Instant;

use super::{IMPLAUSIBLE, Parties, SILENT};
use crate::session::control::{Command, Event, Finished, Phase, Reason};
use crate::session::process::{GRACE, PartyEvent};
use crate::session::{Failure, PhaseRecord, clock};

/// A party reports a phase so long after the time that the same phase took the last time, or later: a report takes a
/// core from parties that are still at work, and wakes the harness beside them.
const REPORT_AFTER_NS: u64 = 300_000;

/// In a phase longer than this nobody waits for others to end: what a report takes of it is nothing.
const LONG_PHASE_NS: u64 = 20_000_000;

impl Parties {
    pub(in crate::session) async fn next_event(&mut self) -> Option<(usize, PartyEvent)> {
        let (index, event) = self.events.recv().await?;
        self.processes[index].silent |= matches!(event, PartyEvent::Silent(_));
        Some((index, event))
    }

    pub(in crate::session) async fn broadcast(&mut self, command: &Command) {
        for party in &mut self.processes {
            party.command(command).await;
        }
    }

    /// One answer of every party, in the order of the roles.
    pub(in crate::session) async fn gather<T>(
        &mut self,
        accept: impl Fn(Event) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        let all: Vec<usize> = (0..self.processes.len()).collect();
        self.gather_from(&all, accept).await
    }

    /// One answer of each of these parties, in their order.
    pub(in crate::session) async fn gather_from<T>(
        &mut self,
        asked: &[usize],
        accept: impl Fn(Event) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        let mut answers: Vec<Option<T>> = self.processes.iter().map(|_| None).collect();
        while asked.iter().any(|&party| answers[party].is_none()) {
            self.owing = asked.iter().copied().filter(|&party| answers[party].is_none()).collect();
            let (index, event) = self.next_event().await.unwrap_or((0, PartyEvent::Silent(None)));
            match event {
                PartyEvent::Said(Event::Failed(reason)) => {
                    return Err(self.failure(index, Some(reason)).await);
                }
                PartyEvent::Silent(reason) => return Err(self.failure(index, reason).await),
                PartyEvent::Said(answer) => match accept(answer) {
                    Some(value) if self.owing.contains(&index) => answers[index] = Some(value),
                    _ => return Err(self.failure(index, Some("an answer came out of turn".into())).await),
                },
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// The first failure and those that follow from it: the cause may speak last.
    async fn failure(&mut self, index: usize, reason: Option<Reason>) -> Failure {
        let mut reasons = vec![(index, reason)];
        let until = Instant::now() + GRACE;
        while reasons.len() < self.processes.len() {
            let Ok(Some((index, event))) = tokio::time::timeout_at(until, self.next_event()).await else {
                break;
            };
            let reason = match event {
                PartyEvent::Said(Event::Failed(reason)) => Some(reason),
                PartyEvent::Silent(reason) => reason,
                PartyEvent::Said(_) => continue,
            };
            if !reasons.iter().any(|(known, _)| *known == index) {
                reasons.push((index, reason));
            }
        }
        let out_of_range = reasons.iter().find_map(|(index, reason)| {
            let reason = reason.as_ref()?;
            Some((*index, reason.text.clone(), reason.out_of_range.clone()?))
        });
        if let Some((index, text, images)) = out_of_range {
            let detail = format!("{}: {text}", self.processes[index].role);
            return match images.iter().find(|at| **at >= self.images) {
                None => Failure::OutOfRange {
                    detail,
                    images: images.iter().map(|at| self.first.saturating_add(*at)).collect(),
                },
                Some(at) => {
                    Failure::Error(format!("{detail}; of {} images it names image {at}", self.images))
                }
            };
        }
        let told = reasons.into_iter().map(|(index, reason)| {
            let role = &self.processes[index].role;
            format!("{role}: {}", reason.map_or_else(|| SILENT.to_owned(), |reason| reason.text))
        });
        Failure::Error(told.collect::<Vec<_>>().join("; "))
    }

    /// What the parties say when the time is over: for whom each of them waits. Those that owe an answer and say nothing compute, or
    /// have stopped.
    pub(in crate::session) async fn stalled_parties(&mut self) -> Vec<String> {
        let mut stalled_parties = Vec::new();
        let until = Instant::now() + GRACE;
        while stalled_parties.len() < self.processes.len()
            && let Ok(Some((index, event))) = tokio::time::timeout_at(until, self.next_event()).await
        {
            if let PartyEvent::Said(Event::Failed(reason)) = event {
                stalled_parties.push(format!("{}: {}", self.processes[index].role, reason.text));
                self.owing.retain(|party| *party != index);
            }
        }
        stalled_parties
            .extend(self.owing.iter().map(|&party| format!("{}: silent", self.processes[party].role)));
        stalled_parties
    }

    pub(in crate::session) async fn phase(
        &mut self,
        phase: Phase,
        batch: Option<usize>,
    ) -> Result<PhaseRecord, Failure> {
        match phase {
            Phase::Setup => {}
            Phase::Offline { images } => self.images = images,
            Phase::Online { first, images } => (self.first, self.images) = (first, images),
        }
        self.broadcast(&Command::Prepare(phase)).await;
        self.gather(|answer| matches!(answer, Event::Ready).then_some(())).await?;
        let at_ns = clock::now_ns() + self.lead_ns;
        let length_ns = self.lengths_ns.get(&discriminant(&phase)).copied().unwrap_or(0);
        let report_ns = at_ns + length_ns.min(LONG_PHASE_NS) + REPORT_AFTER_NS;
        for party in &mut self.processes {
            let [at_ns, report_ns] =
                [at_ns, report_ns].map(|time| time.saturating_add_signed(party.ahead_ns));
            party.command(&Command::Go { at_ns, report_ns }).await;
        }
        let mut parties: Vec<Finished> = self
            .gather(|answer| match answer {
                Event::Finished(finished) => Some(*finished),
                _ => None,
            })
            .await?;
        self.add_traffic(&mut parties).await?;
        if let Some(index) = parties.iter().position(|party| !party.is_plausible()) {
            return Err(Failure::Error(format!("{}: {IMPLAUSIBLE}", self.processes[index].role)));
        }
        let ended = parties.iter().zip(&self.processes);
        let ended_ns = ended
            .map(|(party, process)| party.ended_ns.saturating_add_signed(process.ahead_ns.saturating_neg()))
            .max();
        self.lengths_ns.insert(discriminant(&phase), ended_ns.unwrap_or(at_ns).saturating_sub(at_ns));
        Ok(PhaseRecord { phase, batch, at_ns, parties })
    }
}
