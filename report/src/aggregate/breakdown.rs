//! What a cell's time, traffic and memory are made of: by span, by pair of roles, by role.

use crate::{
    aggregate::statistics::{median, outliers, outlying},
    aggregate::summarise::{Sessions, by_cell},
};
use std::collections::{BTreeMap, HashMap};
use veilbench_results::{ALL_ROLES, Phase, PlanFigures, Run, RunData, Sample, Status, Tolerance, Traffic};

/// Batches of one cell that are listed one by one at most; of more, every outlier and an even choice of the rest.
const MOST_POINTS: usize = 240;

/// Time of one span of one role; of the whole phase if the span has no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpanTime {
    pub(crate) phase: Phase,
    pub(crate) role: String,
    pub(crate) span: String,
    /// Median over setups or warm batches of the span's time in one.
    pub(crate) wall_ns: Option<u64>,
    pub(crate) cpu_ns: Option<u64>,
    /// Setups or batches behind the median.
    pub(crate) samples: usize,
}

/// What one role sends another in a phase of one batch, or in a setup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PairTraffic {
    pub(crate) phase: Phase,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) bytes: u64,
    /// Empty where they are not counted.
    pub(crate) messages: Option<u64>,
}

/// One timed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) repetition: usize,
    pub(crate) iteration: usize,
    pub(crate) wall_ns: u64,
    pub(crate) warm: bool,
    /// Far from the other warm batches?
    pub(crate) outlier: bool,
}

/// Everything about one cell that is not in its summary row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Breakdown {
    pub(crate) spans: Vec<SpanTime>,
    pub(crate) pairs: Vec<PairTraffic>,
    /// Largest resident set of each role over all `ok` sessions, bytes.
    pub(crate) memory: BTreeMap<String, u64>,
    /// Online times of full batches in `ok` sessions.
    pub(crate) points: Vec<Point>,
    /// Batches that `points` leaves out.
    pub(crate) unlisted: usize,
    /// What the plan says of its logits.
    pub(crate) tolerance: Option<Tolerance>,
}

/// The breakdown of every cell, by its id.
pub(crate) fn breakdowns(data: &RunData) -> BTreeMap<&str, Breakdown> {
    let mut traffic: HashMap<&str, Vec<&Traffic>> = HashMap::new();
    for row in &data.traffic {
        traffic.entry(&row.cell).or_default().push(row);
    }
    let of = |(cell, samples): (&'_ str, Vec<&Sample>)| {
        let traffic = traffic.get(cell).map_or(&[][..], Vec::as_slice);
        let tolerance = data.run.plans.get(cell).and_then(|plan| PlanFigures::of(plan).tolerance);
        breakdown(&data.run, &samples, traffic, tolerance)
    };
    by_cell(data).into_iter().map(|(cell, samples)| (cell, of((cell, samples)))).collect()
}

/// One setup or one batch: repetition, iteration, phase.
type Occasion = (usize, usize, Phase);

fn breakdown(
    run: &Run,
    samples: &[&Sample],
    traffic: &[&Traffic],
    tolerance: Option<Tolerance>,
) -> Breakdown {
    let sessions = Sessions::of(samples);
    let batches = sessions.full_batches(run, samples);
    let whole = || batches.rows.iter().filter(|sample| sample.role == ALL_ROLES);
    let occasions: HashMap<Occasion, bool> =
        whole().map(|row| ((row.repetition, row.iteration, row.phase), row.warm)).collect();
    let warm_phases: Vec<Phase> =
        occasions.iter().filter(|(_, warm)| **warm).map(|((.., phase), _)| *phase).collect();
    // Of a phase without a warm batch the cold ones are all there is.
    let counts = |occasion: &Occasion| {
        occasions
            .get(occasion)
            .is_some_and(|warm| *warm || occasion.2 == Phase::Setup || !warm_phases.contains(&occasion.2))
    };
    let mut memory = BTreeMap::new();
    let roles = samples.iter().filter(|sample| sample.phase == Phase::Session && sample.role != ALL_ROLES);
    for sample in roles.filter(|sample| sessions.ok.contains(&sample.repetition)) {
        if let Some(peak) = sample.peak_rss_bytes {
            let largest = memory.entry(sample.role.clone()).or_insert(peak);
            *largest = peak.max(*largest);
        }
    }
    let mut points: Vec<Point> = batches
        .timed(Phase::Online)
        .filter_map(|row| {
            let Sample { repetition, iteration, warm, .. } = *row;
            Some(Point { repetition, iteration, wall_ns: row.wall_ns?, warm, outlier: false })
        })
        .collect();
    mark_outliers(&mut points);
    let all = points.len();
    let points = thinned(points);
    Breakdown {
        spans: spans(samples, &counts),
        pairs: pairs(traffic, &counts),
        memory,
        unlisted: all - points.len(),
        points,
        tolerance,
    }
}

/// By phase and role, and within these in the order in which they happened.
fn spans(samples: &[&Sample], counts: &impl Fn(&Occasion) -> bool) -> Vec<SpanTime> {
    type Sums = BTreeMap<Occasion, (u64, Option<u64>)>;
    let mut spans: BTreeMap<(Phase, &str, &str), Sums> = BTreeMap::new();
    let mut places: BTreeMap<(Phase, &str, &str), usize> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.status == Status::Ok) {
        let occasion = (sample.repetition, sample.iteration, sample.phase);
        if sample.phase == Phase::Session || !counts(&occasion) {
            continue;
        }
        let key = (sample.phase, sample.role.as_str(), sample.span.as_str());
        let next = places.len();
        places.entry(key).or_insert(next);
        let sum = spans.entry(key).or_default().entry(occasion).or_default();
        sum.0 = sum.0.saturating_add(sample.wall_ns.unwrap_or(0));
        if let Some(cpu_ns) = sample.cpu_ns {
            sum.1 = Some(sum.1.unwrap_or(0).saturating_add(cpu_ns));
        }
    }
    let of = |((phase, role, span), sums): ((Phase, &str, &str), Sums)| {
        let wall: Vec<u64> = sums.values().map(|sum| sum.0).collect();
        let cpu: Vec<u64> = sums.values().filter_map(|sum| sum.1).collect();
        SpanTime {
            phase,
            role: role.to_owned(),
            span: span.to_owned(),
            wall_ns: median(&wall),
            cpu_ns: median(&cpu),
            samples: sums.len(),
        }
    };
    let mut spans: Vec<_> = spans.into_iter().collect();
    spans.sort_by_key(|(key, _)| (key.0, key.1, !key.2.is_empty(), places[key]));
    spans.into_iter().map(of).collect()
}

fn pairs(traffic: &[&Traffic], counts: &impl Fn(&Occasion) -> bool) -> Vec<PairTraffic> {
    type Direction<'a> = (Phase, &'a str, &'a str);
    #[derive(Default)]
    struct Columns {
        bytes: Vec<u64>,
        messages: Vec<u64>,
    }
    let mut pairs: BTreeMap<Direction<'_>, Columns> = BTreeMap::new();
    for row in traffic.iter().filter(|row| counts(&(row.repetition, row.iteration, row.phase))) {
        let columns = pairs.entry((row.phase, &row.from, &row.to)).or_default();
        columns.bytes.push(row.bytes);
        columns.messages.extend(row.messages);
    }
    let of = |((phase, from, to), Columns { bytes, messages }): (Direction<'_>, Columns)| {
        let (from, to) = (from.to_owned(), to.to_owned());
        Some(PairTraffic { phase, from, to, bytes: median(&bytes)?, messages: median(&messages) })
    };
    pairs.into_iter().filter_map(of).collect()
}

fn mark_outliers(points: &mut [Point]) {
    let warm: Vec<u64> = points.iter().filter(|point| point.warm).map(|point| point.wall_ns).collect();
    for (point, outlier) in points.iter_mut().filter(|point| point.warm).zip(outlying(&warm)) {
        point.outlier = outlier;
    }
}

/// At most this many points, with every one that is far from the others.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let times: Vec<u64> = points.iter().map(|point| point.wall_ns).collect();
    let mut by_distance: Vec<usize> = (0..points.len()).collect();
    let middle = median(&times).unwrap_or(0);
    by_distance.sort_by_key(|index| std::cmp::Reverse(times[*index].abs_diff(middle)));
    let extremes = outliers(&times).min(MOST_POINTS / 2);
    let (far, near) = by_distance.split_at(extremes);
    let mut near = near.to_vec();
    near.sort_unstable();
    let wanted = MOST_POINTS - extremes;
    let mut kept: Vec<usize> = (0..wanted).map(|place| near[place * near.len() / wanted]).collect();
    kept.extend(far);
    kept.sort_unstable();
    kept.into_iter().map(|index| points[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cold_batch_is_no_outlier_and_does_not_hide_one() {
        let times = [(90_000, false), (10, true), (11, true), (12, true), (10, true), (500, true)];
        let mut points: Vec<Point> = (times.iter().enumerate())
            .map(|(iteration, (wall_ns, warm))| Point {
                repetition: 0,
                iteration,
                wall_ns: *wall_ns,
                warm: *warm,
                outlier: false,
            })
            .collect();
        mark_outliers(&mut points);
        let found: Vec<usize> =
            points.iter().filter(|point| point.outlier).map(|point| point.iteration).collect();
        assert_eq!(found, [5]);
    }

    #[test]
    fn thinning_keeps_the_stalls() {
        let point = |iteration: usize, wall_ns| Point {
            repetition: 0,
            iteration,
            wall_ns,
            warm: true,
            outlier: false,
        };
        let mut points: Vec<Point> =
            (0..5_000).map(|index| point(index, 1_000 + index as u64 % 17)).collect();
        points[777].wall_ns = 90_000;
        points[4_999].wall_ns = 1;
        let kept = thinned(points);
        assert_eq!(kept.len(), MOST_POINTS);
        assert!(kept.contains(&point(777, 90_000)) && kept.contains(&point(4_999, 1)));
        assert!(kept.windows(2).all(|pair| pair[0].iteration < pair[1].iteration));
    }
}
