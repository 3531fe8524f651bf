//! Patterns for names: regular expressions that have to match whole ones.

use regex::Regex;

use crate::error::Error;

/// A pattern for whole names.
pub(crate) fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

/// The pattern as the user wrote it.
pub(crate) fn written(pattern: &Regex) -> &str {
    let whole = pattern.as_str();
    whole.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(whole)
}

/// Those patterns that match none of the names.
pub(crate) fn idle<'a>(patterns: &'a [Regex], names: &[&str]) -> impl Iterator<Item = &'a Regex> {
    patterns.iter().filter(move |pattern| !names.iter().any(|name| pattern.is_match(name)))
}

/// Every pattern has to match something: a misspelt one would leave out what it means in silence.
///
/// # Errors
/// [`Error::NoMatch`] names the option, the first pattern that matches none of the names, and the `known` ones.
pub(crate) fn check(
    option: &'static str,
    patterns: &[Regex],
    names: &[&str],
    known: &[&str],
) -> Result<(), Error> {
    idle(patterns, names).next().map_or(Ok(()), |pattern| {
        let known = known.iter().map(|name| (*name).to_owned()).collect();
        Err(Error::NoMatch { option, pattern: written(pattern).to_owned(), known })
    })
}
