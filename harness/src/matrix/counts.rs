//! Lists of counts on the command line: batch sizes and threads.

use std::num::NonZeroUsize;
use std::ops::Deref;
use std::str::FromStr;

/// Counts as lists of numbers are written everywhere: commas or blanks between them, or a JSON list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts(Vec<NonZeroUsize>);

impl FromStr for Counts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let inside = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'));
        let numbers = inside.map(|inside| {
            let parts = inside.split(',').flat_map(|part| match part.trim() {
                // A comma with nothing beside it is no number.
                "" => vec![""],
                part => part.split_whitespace().collect(),
            });
            parts.map(str::parse).collect::<Result<Vec<NonZeroUsize>, _>>()
        });
        match numbers {
            Some(Ok(numbers)) => Ok(Self(numbers)),
            _ => Err("expected whole numbers above zero with commas or blanks between them, such as 1,10,100, or a JSON list".into()),
        }
    }
}

impl Deref for Counts {
    type Target = [NonZeroUsize];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_as_all_lists_of_numbers_are() {
        for text in ["1,10,100", "1 10 100", "[1, 10, 100]", " 1, 10 ,100 "] {
            let counts: Vec<usize> =
                text.parse::<Counts>().unwrap().iter().map(|count| count.get()).collect();
            assert_eq!(counts, [1, 10, 100], "{text}");
        }
        for text in ["", "0", "1,", "1,,2", "-1", "1.5", "[1", "a"] {
            assert!(text.parse::<Counts>().unwrap_err().contains("1,10,100"), "{text}");
        }
    }
}
