//! What a user consents to and says about own images.

use std::fmt;
use std::str::FromStr;

/// A step that changes what an image shows. None is taken unless it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// Resizing to another aspect.
    Stretch,
    /// Cutting out the middle that has the network's aspect.
    Crop,
    /// Colour to grey, by luma.
    Grey,
    /// Leaving out the alpha channel of images that are transparent somewhere.
    DropAlpha,
    /// Taking the first image of an animation.
    FirstFrame,
    /// Turning an image upright as its EXIF orientation says.
    Rotate,
    /// Taking the pixels as they are stored, whatever the EXIF orientation.
    IgnoreRotation,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 7] = [
        Step::Stretch,
        Step::Crop,
        Step::Grey,
        Step::DropAlpha,
        Step::FirstFrame,
        Step::Rotate,
        Step::IgnoreRotation,
    ];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Step::Stretch => "stretch",
            Step::Crop => "crop",
            Step::Grey => "grey",
            Step::DropAlpha => "drop-alpha",
            Step::FirstFrame => "first-frame",
            Step::Rotate => "rotate",
            Step::IgnoreRotation => "ignore-rotation",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Step::ALL.into_iter().find(|step| step.name() == text);
        found.ok_or_else(|| format!("it is one of {}", Step::ALL.map(Step::name).join(", ")))
    }
}

/// How a user's own images are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Steps the user consents to.
    pub allow: Vec<Step>,
    /// Value of a white pixel, by which all are divided. Unless given 255 for 8 bits, 65,535 for 16, and one for floats from
    /// zero to one; of other numbers it has to be given.
    pub pixel_max: Option<f32>,
}

impl Options {
    pub(crate) fn allows(&self, step: Step) -> bool {
        self.allow.contains(&step)
    }

    /// Whether no two choices contradict one another.
    ///
    /// # Errors
    /// Which do.
    pub fn check(&self) -> Result<(), String> {
        for (one, other) in [(Step::Stretch, Step::Crop), (Step::Rotate, Step::IgnoreRotation)] {
            if self.allows(one) && self.allows(other) {
                return Err(format!("`{one}` and `{other}` contradict one another"));
            }
        }
        match self.pixel_max {
            Some(max) if !(max.is_finite() && max > 0.0) => {
                Err(format!("the value of a white pixel is a number above zero, not {max}"))
            }
            _ => Ok(()),
        }
    }

    /// Text that two choices share only if they prepare images alike, a line each: the steps, and the value of white if it is given.
    pub(crate) fn to_text(&self) -> String {
        let mut allow = self.allow.clone();
        allow.sort_unstable();
        allow.dedup();
        let allow: Vec<_> = allow.into_iter().map(Step::name).collect();
        let white = self.pixel_max.map(|max| format!("pixel-max {max}\n")).unwrap_or_default();
        format!("allow {}\n{white}", allow.join(","))
    }

    /// These and those given later, which decide where both do.
    pub(crate) fn with(&self, given: &Self) -> Result<Self, String> {
        let mut allow = self.allow.clone();
        allow.extend_from_slice(&given.allow);
        let both = Self { allow, pixel_max: given.pixel_max.or(self.pixel_max) };
        both.check()?;
        Ok(both)
    }

    /// What [`to_text`](Self::to_text) wrote.
    pub(crate) fn from_text(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for line in text.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("allow", steps) => {
                    let steps = steps.split(',').filter(|step| !step.is_empty());
                    options.allow = steps.map(str::parse).collect::<Result<_, _>>()?;
                }
                ("pixel-max", max) => {
                    let max = max.parse().map_err(|error| format!("`{line}`: {error}"))?;
                    options.pixel_max = Some(max);
                }
                _ => return Err(format!("`{line}` is neither steps nor a value of white")),
            }
        }
        options.check()?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_holds_beside_what_is_given_later() {
        let kept = Options { allow: vec![Step::Crop], pixel_max: Some(4095.0) };
        let given = Options { allow: vec![Step::Rotate], pixel_max: None };
        let both = kept.with(&given).unwrap();
        assert!(both.allows(Step::Crop) && both.allows(Step::Rotate) && both.pixel_max == Some(4095.0));
        let white = Options { allow: Vec::new(), pixel_max: Some(1023.0) };
        assert_eq!(kept.with(&white).unwrap().pixel_max, Some(1023.0));
        assert!(kept.with(&Options { allow: vec![Step::Stretch], pixel_max: None }).is_err());
    }

    #[test]
    fn steps_go_by_their_names_and_contradictions_are_refused() {
        for step in Step::ALL {
            assert_eq!(step.name().parse(), Ok(step));
        }
        assert!("gray".parse::<Step>().unwrap_err().contains("drop-alpha"));
        for (allow, pixel_max) in [(vec![], None), (vec![Step::Crop, Step::Grey], Some(0.1f32))] {
            let options = Options { allow, pixel_max };
            assert_eq!(Options::from_text(&options.to_text()), Ok(options));
        }
        for text in ["allow x", "pixel-max -1", "pixel-max", "other"] {
            assert!(Options::from_text(text).is_err(), "{text}");
        }
        let both = Options { allow: vec![Step::Crop, Step::Stretch], pixel_max: None };
        assert!(both.check().unwrap_err().contains("contradict"));
        for max in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(Options { allow: vec![], pixel_max: Some(max) }.check().is_err());
        }
    }
}
