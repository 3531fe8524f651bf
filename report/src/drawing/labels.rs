//! Places for the labels of marks, so that none lies on another, on a mark or outside the field.

use crate::drawing::render::text_width;

pub(crate) type Place = (f64, f64);

/// Size of a label's text.
pub(crate) const SIZE: f64 = 10.5;
/// Half the height of its line.
const HALF_HEIGHT: f64 = 6.0;
/// How far a mark reaches from its middle.
pub(crate) const REACH: f64 = 7.0;
/// Marks this close with labels that read the same share one.
const SHARED: f64 = 16.0;
/// Distances from the edge of a mark that are tried, the nearest first.
const DISTANCES: [f64; 5] = [2.0, 8.0, 16.0, 28.0, 42.0];
/// Directions that are tried at each distance: to the right, upwards.
const DIRECTIONS: [(f64, f64); 8] =
    [(1.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (-1.0, 1.0), (0.0, -1.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 0.0)];

#[derive(Clone, Copy, Debug)]
struct Area {
    middle: Place,
    half: Place,
}

impl Area {
    fn meets(&self, other: &Area) -> bool {
        let apart = |a: f64, b: f64| (a - b).abs();
        apart(self.middle.0, other.middle.0) < self.half.0 + other.half.0
            && apart(self.middle.1, other.middle.1) < self.half.1 + other.half.1
    }

    fn is_within(&self, from: Place, to: Place) -> bool {
        self.middle.0 - self.half.0 >= from.0
            && self.middle.0 + self.half.0 <= to.0
            && self.middle.1 - self.half.1 >= from.1
            && self.middle.1 + self.half.1 <= to.1
    }
}

/// The middle of each mark's label within a field from its upper left to its lower right corner; `None` where a mark nearby has a
/// label that reads the same, or where there is no room at all.
pub(crate) fn places(marks: &[(Place, String)], from: Place, to: Place) -> Vec<Option<Place>> {
    let bodies: Vec<Area> =
        marks.iter().map(|(middle, _)| Area { middle: *middle, half: (REACH, REACH) }).collect();
    let mut placed: Vec<(Place, &str, Area)> = Vec::new();
    let place = |(middle, text): &'_ (Place, String), placed: &[(Place, &str, Area)]| {
        let near =
            |other: Place| (other.0 - middle.0).abs() <= SHARED && (other.1 - middle.1).abs() <= SHARED;
        if placed.iter().any(|(mark, known, _)| known == text && near(*mark)) {
            return None;
        }
        let half = (text_width(text, SIZE, false) / 2.0 + 1.0, HALF_HEIGHT);
        let mut candidates = DISTANCES.iter().flat_map(|distance| {
            DIRECTIONS.iter().map(move |(right, down)| {
                let away = (REACH + distance + half.0, REACH + distance * 0.7 + half.1 - 4.0);
                Area { middle: (middle.0 + right * away.0, middle.1 + down * away.1), half }
            })
        });
        let is_free = |candidate: &Area| {
            candidate.is_within(from, to)
                && bodies.iter().all(|body| !candidate.meets(body))
                && placed.iter().all(|(_, _, label)| !candidate.meets(label))
        };
        candidates.find(is_free)
    };
    let mut middles = Vec::with_capacity(marks.len());
    for mark in marks {
        let found = place(mark, &placed);
        placed.extend(found.map(|label| (mark.0, mark.1.as_str(), label)));
        middles.push(found.map(|label| label.middle));
    }
    middles
}

/// Where a line from a mark to its label begins and ends, if the label is not beside the mark.
pub(crate) fn leader(mark: Place, label: Place, text: &str) -> Option<(Place, Place)> {
    let half = text_width(text, SIZE, false) / 2.0 + 1.0;
    let end = (mark.0.clamp(label.0 - half, label.0 + half), mark.1.clamp(label.1 - 5.0, label.1 + 5.0));
    let (right, down) = (end.0 - mark.0, end.1 - mark.1);
    let length = right.hypot(down);
    (length > REACH + 6.0).then(|| ((mark.0 + right / length * REACH, mark.1 + down / length * REACH), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Place = (100.0, 50.0);
    const TO: Place = (600.0, 330.0);

    fn body(middle: Place) -> Area {
        Area { middle, half: (REACH, REACH) }
    }

    fn label(middle: Place, text: &str) -> Area {
        Area { middle, half: (text_width(text, SIZE, false) / 2.0, HALF_HEIGHT) }
    }

    #[test]
    fn labels_of_crowded_marks_lie_on_nothing_and_within_the_field() {
        // Pairs that nearly coincide, a row of marks along an edge, and marks in the corners.
        let mut marks: Vec<(Place, String)> = Vec::new();
        for pair in 0..4 {
            let x = 140.0 + 90.0 * f64::from(pair);
            marks.push(((x, 200.0), "b100".into()));
            marks.push(((x + 5.0, 201.0), "b1".into()));
            marks.push(((x + 9.0, 206.0), "b10".into()));
        }
        for index in 0..5 {
            marks.push(((592.0 - 24.0 * f64::from(index), 58.0), format!("b{index}")));
        }
        marks.extend([(108.0, 322.0), (592.0, 322.0)].map(|place| (place, "b1000".to_owned())));
        let places = places(&marks, FROM, TO);
        assert!(places.iter().all(Option::is_some), "{places:?}");
        let labels: Vec<Area> =
            places.iter().zip(&marks).map(|(place, (_, text))| label(place.unwrap(), text)).collect();
        for (at, one) in labels.iter().enumerate() {
            assert!(one.is_within(FROM, TO), "{one:?}");
            assert!(labels[..at].iter().all(|other| !one.meets(other)), "{one:?}");
            assert!(marks.iter().all(|(mark, _)| !one.meets(&body(*mark))), "{one:?}");
        }
    }

    #[test]
    fn marks_on_one_another_share_a_label_that_reads_the_same() {
        let marks = [(200.0, 100.0), (206.0, 101.0), (300.0, 100.0)].map(|place| (place, "b100".to_owned()));
        let places = places(&marks, FROM, TO);
        assert!(places[0].is_some() && places[1].is_none() && places[2].is_some());
    }

    #[test]
    fn a_line_leads_to_a_label_that_is_not_beside_its_mark() {
        assert_eq!(leader((100.0, 100.0), (120.0, 92.0), "b1"), None);
        let (from, to) = leader((100.0, 100.0), (150.0, 60.0), "b1").unwrap();
        assert!(from.0 > 100.0 && from.1 < 100.0 && to.0 < 150.0 && to.1 > 60.0, "{from:?} {to:?}");
    }
}
