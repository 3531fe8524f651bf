//! Which cells to measure: include and exclude patterns on every axis.

use clap::Args;
use regex::Regex;

use crate::error::Error;

/// What the patterns of one axis choose from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Axis {
    Backends,
    Networks,
    Datasets,
    Links,
}

/// Patterns are regular expressions that have to match a whole name; an axis without an include
/// pattern is taken as the profile has it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Only backends that match (repeatable)
    #[arg(short = 'b', long = "backend", value_name = "REGEX", value_parser = whole, help_heading = "Selection")]
    backends: Vec<Regex>,
    /// No backends that match
    #[arg(short = 'B', long = "no-backend", value_name = "REGEX", value_parser = whole, help_heading = "Selection")]
    not_backends: Vec<Regex>,
    /// Only networks that match
    #[arg(short = 'n', long = "network", value_name = "REGEX", value_parser = whole, help_heading = "Selection")]
    networks: Vec<Regex>,
    /// No networks that match
    #[arg(short = 'N', long = "no-network", value_name = "REGEX", value_parser = whole, help_heading = "Selection")]
    not_networks: Vec<Regex>,
    /// Only data sets that match (`mnist` matches `mnist-sample` as well)
    #[arg(short = 'd', long = "dataset", value_name = "REGEX", value_parser = whole, help_heading = "Selection")]
    datasets: Vec<Regex>,
    /// No data sets that match
    #[arg(short = 'D', long = "no-dataset", value_name = "REGEX", value_parser = whole, help_heading = "Selection")]
    not_datasets: Vec<Regex>,
    /// Only link profiles that match, of loopback, lan and wan; one given with --link is in as well
    #[arg(short = 'l', long = "links", value_name = "REGEX", value_parser = whole, help_heading = "Selection")]
    links: Vec<Regex>,
    /// No link profiles that match
    #[arg(short = 'L', long = "no-links", value_name = "REGEX", value_parser = whole, help_heading = "Selection")]
    not_links: Vec<Regex>,
}

/// A pattern for whole names.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

/// The pattern as the user wrote it.
fn written(pattern: &Regex) -> &str {
    let whole = pattern.as_str();
    whole.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(whole)
}

fn chosen(include: &[Regex], exclude: &[Regex], names: &[&str]) -> bool {
    let any =
        |patterns: &[Regex]| patterns.iter().any(|pattern| names.iter().any(|name| pattern.is_match(name)));
    (include.is_empty() || any(include)) && !any(exclude)
}

/// A sample also goes by the name of what it stands for, and so do images that lie where others should.
fn dataset_names(id: &str) -> [&str; 2] {
    let base = ["-sample", "-unverified"].iter().find_map(|suffix| id.strip_suffix(suffix));
    [id, base.unwrap_or(id)]
}

impl Selection {
    /// Every include pattern has to match something: a misspelt one would leave out cells in silence.
    ///
    /// # Errors
    /// [`Error::NoMatch`] names the first that matches none of the axis' names.
    pub(crate) fn check<'a>(&self, axis: Axis, names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        let (option, patterns) = match axis {
            Axis::Backends => ("backend", &self.backends),
            Axis::Networks => ("network", &self.networks),
            Axis::Datasets => ("dataset", &self.datasets),
            Axis::Links => ("links", &self.links),
        };
        let known: Vec<&str> = names.collect();
        let matches = |pattern: &Regex, name: &str| match axis {
            Axis::Datasets => dataset_names(name).iter().any(|name| pattern.is_match(name)),
            _ => pattern.is_match(name),
        };
        let idle = patterns.iter().find(|pattern| !known.iter().any(|name| matches(pattern, name)));
        idle.map_or(Ok(()), |pattern| {
            let known = known.into_iter().map(str::to_owned).collect();
            Err(Error::NoMatch { option, pattern: written(pattern).to_owned(), known })
        })
    }

    /// Whether a backend is in.
    pub(crate) fn backend(&self, name: &str) -> bool {
        chosen(&self.backends, &self.not_backends, &[name])
    }

    /// Whether a network is in.
    pub(crate) fn network(&self, name: &str) -> bool {
        chosen(&self.networks, &self.not_networks, &[name])
    }

    /// Whether a data set is in.
    pub(crate) fn dataset(&self, id: &str) -> bool {
        chosen(&self.datasets, &self.not_datasets, &dataset_names(id))
    }

    /// Whether a link profile is in. `by_default` says whether it is without an include pattern.
    pub(crate) fn link(&self, name: &str, by_default: bool) -> bool {
        (by_default || !self.links.is_empty()) && chosen(&self.links, &self.not_links, &[name])
    }

    /// Whether a link profile is out.
    pub(crate) fn excludes_link(&self, name: &str) -> bool {
        !chosen(&[], &self.not_links, &[name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names_and_exclusion_wins() {
        let include = [whole("mnist-.*|malaria-cnn").unwrap()];
        let exclude = [whole(".*-poly").unwrap()];
        assert!(chosen(&include, &exclude, &["mnist-cnn"]));
        assert!(chosen(&include, &exclude, &["malaria-cnn"]));
        assert!(!chosen(&include, &exclude, &["malaria-cnn-poly"]));
        assert!(!chosen(&include, &exclude, &["emnist-cnn"]));
        assert!(!chosen(&[], &exclude, &["mnist-mlp-poly"]));
        assert!(chosen(&[], &[], &["anything"]));
    }

    #[test]
    fn a_pattern_without_a_match_is_named_with_what_there_is() {
        let patterns = ["mnist-.*", "mnits-cnn"].map(|pattern| whole(pattern).unwrap());
        let selection = Selection { networks: patterns.to_vec(), ..Selection::default() };
        let error = selection.check(Axis::Networks, ["mnist-mlp", "malaria-cnn"].into_iter()).unwrap_err();
        assert_eq!(error.to_string(), "--network mnits-cnn matches none of: mnist-mlp, malaria-cnn");
        assert!(selection.check(Axis::Networks, ["mnist-mlp", "mnits-cnn"].into_iter()).is_ok());
        assert!(selection.check(Axis::Backends, std::iter::empty()).is_ok());
    }

    #[test]
    fn a_sample_goes_by_the_name_of_its_data_set() {
        let selection = Selection { datasets: vec![whole("mnist").unwrap()], ..Selection::default() };
        assert!(selection.dataset("mnist-sample"));
        assert!(selection.dataset("mnist-unverified"));
        assert!(!selection.dataset("malaria-sample"));
    }
}
