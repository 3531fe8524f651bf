//! Which cells to measure: include and exclude patterns on every axis.

use clap::Args;
use regex::Regex;
use veilbench_api::LinkProfile;
use veilbench_datasets::original;

use crate::error::Error;
use crate::matrix::patterns::{self, whole, written};

/// What the patterns of one axis choose from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Axis {
    Backends,
    Networks,
    Datasets,
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
    /// Only these links: loopback, lan, wan, a pattern of them, or RATE/RTT, e.g. 100mbit/20ms (repeatable)
    #[arg(short = 'l', long = "link", value_name = "LINK", value_parser = link, help_heading = "Selection")]
    links: Vec<LinkChoice>,
    /// No links that match: as --link
    #[arg(short = 'L', long = "no-link", value_name = "LINK", value_parser = link, help_heading = "Selection")]
    not_links: Vec<LinkChoice>,
    /// Whether roles are on different hosts: the links are then the network between these.
    #[arg(skip)]
    across_hosts: bool,
}

/// What the network between hosts is called unless the user names it.
const BETWEEN_HOSTS: &str = "hosts";

/// What `--link` and `--no-link` take.
#[derive(Clone, Debug)]
enum LinkChoice {
    /// One profile, by its name or by rate and round trip.
    Profile(LinkProfile),
    /// The named profiles that match.
    Pattern(Regex),
}

impl LinkChoice {
    fn has(&self, link: &LinkProfile) -> bool {
        match self {
            Self::Profile(profile) => profile == link,
            Self::Pattern(pattern) => pattern.is_match(link.name()),
        }
    }

    /// As the user wrote it, but for the sign between a rate and a round trip.
    fn written(&self) -> &str {
        match self {
            Self::Profile(profile) => profile.name(),
            Self::Pattern(pattern) => written(pattern),
        }
    }
}

/// A link profile, or else a pattern for the names of profiles. What has a slash is meant to be the former.
fn link(text: &str) -> Result<LinkChoice, String> {
    match text.parse::<LinkProfile>() {
        Ok(profile) => Ok(LinkChoice::Profile(profile)),
        Err(error) if text.contains('/') => Err(error.to_string()),
        Err(_) => whole(text).map(LinkChoice::Pattern).map_err(|error| error.to_string()),
    }
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

/// Whether a link is left out, be it encrypted or not.
fn leaves_out(choice: &LinkChoice, link: &LinkProfile) -> bool {
    choice.has(link) || choice.has(&link.clone().with_tls())
}

fn idle_line(option: &str, pattern: &str, known: &[&str]) -> String {
    format!("--no-{option} {pattern} leaves nothing out: it matches none of: {}", known.join(", "))
}

impl Axis {
    /// What patterns are held against.
    fn names<'a>(self, known: &[&'a str]) -> Vec<&'a str> {
        match self {
            Self::Datasets => known.iter().flat_map(|name| dataset_names(name)).collect(),
            _ => known.to_vec(),
        }
    }
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
        };
        let known: Vec<&str> = names.collect();
        patterns::check(option, patterns, &axis.names(&known), &known)
    }

    /// A line on every exclude pattern that matches none of the axis' names: it leaves nothing out.
    pub(crate) fn idle_exclusions<'a>(
        &self,
        axis: Axis,
        names: impl Iterator<Item = &'a str>,
    ) -> Vec<String> {
        let (option, patterns) = match axis {
            Axis::Backends => ("backend", &self.not_backends),
            Axis::Networks => ("network", &self.not_networks),
            Axis::Datasets => ("dataset", &self.not_datasets),
        };
        let known: Vec<&str> = names.collect();
        let names = axis.names(&known);
        patterns::idle(patterns, &names).map(|pattern| idle_line(option, written(pattern), &known)).collect()
    }

    /// The same of links, which are those chosen and the named ones, encrypted or not.
    pub(crate) fn idle_link_exclusions(&self) -> Vec<String> {
        let named = LinkProfile::named();
        let chosen = self.links.iter().filter_map(|choice| match choice {
            LinkChoice::Profile(profile) if !named.contains(profile) => Some(profile),
            _ => None,
        });
        let known: Vec<&LinkProfile> = named.iter().chain(chosen).collect();
        let names: Vec<&str> = known.iter().map(|link| link.name()).collect();
        let idle = self.not_links.iter().filter(|choice| !known.iter().any(|link| leaves_out(choice, link)));
        idle.map(|choice| idle_line("link", choice.written(), &names)).collect()
    }

    /// Whether a backend is in.
    pub(crate) fn backend(&self, name: &str) -> bool {
        chosen(&self.backends, &self.not_backends, &[name])
    }

    /// Whether a pattern says which networks to take.
    pub(crate) fn names_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Whether a pattern says which data sets to take.
    pub(crate) fn names_datasets(&self) -> bool {
        !self.datasets.is_empty()
    }

    /// Whether a network is in.
    pub(crate) fn network(&self, name: &str) -> bool {
        chosen(&self.networks, &self.not_networks, &[name])
    }

    /// The data set that a network made for `id` is measured on: that one, or the original whose lossy copies it has where the
    /// original alone is named.
    pub(crate) fn dataset_for<'a>(&self, id: &'a str) -> &'a str {
        let named = |id: &str| self.names_datasets() && self.dataset(id);
        original(id).filter(|original| named(original) && !self.dataset(id)).unwrap_or(id)
    }

    /// Whether a data set is in.
    pub(crate) fn dataset(&self, id: &str) -> bool {
        chosen(&self.datasets, &self.not_datasets, &dataset_names(id))
    }

    /// From now on roles are on different hosts.
    pub(crate) fn across_hosts(&mut self) {
        self.across_hosts = true;
        if self.links.is_empty() {
            self.links.extend(LinkProfile::measured(BETWEEN_HOSTS).map(LinkChoice::Profile));
        }
    }

    /// Every pattern for links has to match a named one; between hosts, and only there, the network is what it is.
    ///
    /// # Errors
    /// [`Error::NoMatch`] names the first that matches none; [`Error::HostOptions`].
    pub(crate) fn check_links(&self) -> Result<(), Error> {
        let misplaced = self.links.iter().find_map(|choice| match choice {
            LinkChoice::Profile(profile) if profile.is_measured() != self.across_hosts => {
                Some(profile.name())
            }
            LinkChoice::Pattern(pattern) if self.across_hosts => Some(written(pattern)),
            _ => None,
        });
        if let Some(link) = misplaced {
            return Err(Error::HostOptions(match self.across_hosts {
                true => format!(
                    "--link {link}: between hosts the network is as it is; name it with --link measured:NAME"
                ),
                false => {
                    format!("--link {link}: a network between hosts is measured with --host and --launch")
                }
            }));
        }
        let known = LinkProfile::named();
        let idle = self.links.iter().find_map(|choice| match choice {
            LinkChoice::Pattern(pattern) if !known.iter().any(|link| pattern.is_match(link.name())) => {
                Some(pattern)
            }
            _ => None,
        });
        idle.map_or(Ok(()), |pattern| {
            let known = known.iter().map(|link| link.name().to_owned()).collect();
            Err(Error::NoMatch { option: "link", pattern: written(pattern).to_owned(), known })
        })
    }

    /// Returns the link profiles that are in: those chosen, or else the `defaults`, named ones first; all of them encrypted if that is
    /// asked for.
    pub(crate) fn links(&self, defaults: &[&str], encrypted: bool) -> Vec<LinkProfile> {
        let is_chosen = |link: &LinkProfile| match self.links.as_slice() {
            [] => defaults.contains(&link.name()),
            choices => choices.iter().any(|choice| choice.has(link)),
        };
        let mut links: Vec<LinkProfile> = LinkProfile::named().into_iter().filter(is_chosen).collect();
        for choice in &self.links {
            match choice {
                LinkChoice::Profile(profile) if !links.contains(profile) => links.push(profile.clone()),
                _ => {}
            }
        }
        let stays = |link: &LinkProfile| !self.not_links.iter().any(|choice| choice.has(link));
        links.retain(stays);
        if encrypted {
            links = links.into_iter().map(LinkProfile::with_tls).filter(stays).collect();
        }
        links
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
    fn a_link_is_a_name_a_pattern_or_a_rate_and_a_round_trip() {
        let names = |texts: &[&str], without: &[&str]| -> Vec<String> {
            let links = texts.iter().map(|text| link(text).unwrap()).collect();
            let not_links = without.iter().map(|text| link(text).unwrap()).collect();
            let selection = Selection { links, not_links, ..Selection::default() };
            selection.check_links().unwrap();
            selection.links(&["loopback"], false).iter().map(|link| link.name().to_owned()).collect()
        };
        assert_eq!(names(&[], &[]), ["loopback"]);
        assert_eq!(names(&["wan", "lan"], &[]), ["lan", "wan"]);
        assert_eq!(names(&[".an", "20mbit/5ms"], &["wan"]), ["lan", "20mbit+5ms"]);
        let custom = ["lan", "20mbit/5ms", "loopback+tls"];
        for name in ["20mbit/5ms", "20mbit+5ms"] {
            assert_eq!(names(&custom, &[name]), ["lan", "loopback+tls"], "{name}");
        }
        assert_eq!(names(&custom, &["loopback+tls"]), ["lan", "20mbit+5ms"]);
        assert!(link("20mbit/fast").unwrap_err().contains("RATE/RTT"));
        let misspelt = Selection { links: vec![link("wann").unwrap()], ..Selection::default() };
        let told = misspelt.check_links().unwrap_err().to_string();
        assert_eq!(told, "--link wann matches none of: loopback, lan, wan");
    }

    #[test]
    fn links_that_are_encrypted_for_all_are_left_out_by_either_name() {
        let left = |without: &str| -> Vec<String> {
            let links = ["loopback", "20mbit/5ms"].map(|text| link(text).unwrap()).to_vec();
            let selection =
                Selection { links, not_links: vec![link(without).unwrap()], ..Selection::default() };
            assert_eq!(selection.idle_link_exclusions(), [""; 0]);
            selection.links(&[], true).iter().map(|link| link.name().to_owned()).collect()
        };
        for name in ["20mbit+5ms", "20mbit/5ms+tls"] {
            assert_eq!(left(name), ["loopback+tls"], "{name}");
        }
        assert_eq!(left("loopback+tls"), ["20mbit+5ms+tls"]);
    }

    #[test]
    fn what_leaves_nothing_out_is_told() {
        let not_links = ["wann", "10mbit/1ms", "wan"].map(|text| link(text).unwrap()).to_vec();
        let [not_networks, not_datasets] = [["mnits.*", "mnist-mlp"], ["malaria", "mnist"]]
            .map(|axis| axis.map(|text| whole(text).unwrap()).to_vec());
        let selection = Selection { not_links, not_networks, not_datasets, ..Selection::default() };
        assert_eq!(
            selection.idle_link_exclusions(),
            ["wann", "10mbit+1ms"].map(|link| format!(
                "--no-link {link} leaves nothing out: it matches none of: loopback, lan, wan"
            ))
        );
        let of = |axis, names: &[&str]| selection.idle_exclusions(axis, names.iter().copied());
        assert_eq!(
            of(Axis::Networks, &["mnist-mlp", "mnist-cnn"]),
            ["--no-network mnits.* leaves nothing out: it matches none of: mnist-mlp, mnist-cnn"]
        );
        assert_eq!(
            of(Axis::Datasets, &["mnist-sample"]),
            ["--no-dataset malaria leaves nothing out: it matches none of: mnist-sample"]
        );
        assert_eq!(of(Axis::Backends, &["clear"]), [""; 0]);
    }

    #[test]
    fn between_hosts_and_only_there_the_network_is_measured() {
        let chosen = |texts: &[&str], across: bool| {
            let links = texts.iter().map(|text| link(text).unwrap()).collect();
            let mut selection = Selection { links, ..Selection::default() };
            if across {
                selection.across_hosts();
            }
            selection.check_links().map_err(|error| error.to_string())?;
            Ok(selection
                .links(&["loopback"], false)
                .iter()
                .map(|link| link.name().to_owned())
                .collect::<Vec<_>>())
        };
        assert_eq!(chosen(&[], true), Ok(vec!["measured:hosts".to_owned()]));
        assert_eq!(chosen(&["measured:lab"], true), Ok(vec!["measured:lab".to_owned()]));
        let refused: Result<_, String> = chosen(&["measured:lab"], false);
        assert!(refused.unwrap_err().contains("with --host and --launch"));
        for shaped in ["lan", ".an", "loopback+tls"] {
            assert!(chosen(&[shaped], true).unwrap_err().contains("measured:NAME"), "{shaped}");
        }
    }

    #[test]
    fn a_sample_goes_by_the_name_of_its_data_set() {
        let selection = Selection { datasets: vec![whole("mnist").unwrap()], ..Selection::default() };
        assert!(selection.dataset("mnist-sample"));
        assert!(selection.dataset("mnist-unverified"));
        assert!(!selection.dataset("malaria-sample"));
    }

    #[test]
    fn originals_take_the_place_of_their_copies_where_they_alone_are_named() {
        let of = |patterns: &[&str]| {
            let datasets = patterns.iter().map(|pattern| whole(pattern).unwrap()).collect();
            Selection { datasets, ..Selection::default() }.dataset_for("cifar10-jpeg").to_owned()
        };
        assert_eq!(of(&["cifar10"]), "cifar10");
        assert_eq!(of(&["mnist", "cifar10"]), "cifar10");
        for patterns in [&[][..], &["cifar10.*"], &["cifar10-jpeg"], &["mnist"]] {
            assert_eq!(of(patterns), "cifar10-jpeg", "{patterns:?}");
        }
        let named = Selection { datasets: vec![whole("malaria-patient").unwrap()], ..Selection::default() };
        assert_eq!(
            named.dataset_for("malaria"),
            "malaria",
            "its other division has cells of patients it learned"
        );
    }
}
