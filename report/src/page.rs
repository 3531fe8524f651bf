//! `index.html`: one page that needs no other file, no server and no network.

mod cells;
mod method;
#[cfg(test)]
mod modules;
mod names;
mod payload;

use crate::{
    Error,
    aggregate::breakdown::Breakdown,
    aggregate::groups::{Group, groups},
    aggregate::tradeoffs::BreakEven,
    plots::machine,
    text::format::count,
    text::{
        refusals::{Refusal, is_refused},
        table::{HEAD, LEGEND, letter, tables},
    },
};
use minijinja::{AutoEscape, Environment, context};
use payload::payload;
use std::{collections::BTreeMap, path::Path};
use veilbench_results::{Finding, Machine, Published, Run, Severity, Summary};

const TEMPLATES: [(&str, &str); 2] = [
    ("index.html", include_str!("../page/index.html")),
    ("static.html", include_str!("../page/static.html")),
];

const STYLE: &str = concat!(
    include_str!("../page/theme.css"),
    include_str!("../page/style.css"),
    include_str!("../page/charts.css")
);

/// The modules of `page/js` in one, by `build.rs`.
const SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/page.js"));

/// Rows that the page shows where scripts are off; the other tables have all.
const MOST_STATIC_ROWS: usize = 200;

/// What the page is made from.
pub(crate) struct Page<'a> {
    pub(crate) run: &'a Run,
    pub(crate) rows: &'a [Summary],
    pub(crate) breakdowns: &'a BTreeMap<&'a str, Breakdown>,
    pub(crate) break_even: &'a [BreakEven<'a>],
    pub(crate) published: &'a [Published],
    pub(crate) findings: &'a [Finding],
}

impl Page<'_> {
    /// The page's text; `path` is where it will be, for errors.
    pub(crate) fn render(&self, path: &Path) -> Result<String, Error> {
        let failed =
            |cause: minijinja::Error| Error::Draw { path: path.to_owned(), reason: cause.to_string() };
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        for (name, text) in TEMPLATES {
            environment.add_template(name, text).map_err(failed)?;
        }
        let groups = groups(self.rows);
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        let template = environment.get_template("index.html").map_err(failed)?;
        let run = self.run;
        template
            .render(context! {
                style => STYLE,
                script => SCRIPT,
                data => payload(self, &groups),
                name => run.name,
                machine => machine(run),
                created => moment(&run.created),
                cells => count(self.rows.len() as u64),
                warnings => warnings(run, self.rows),
                errors,
                findings => self.findings.len(),
                legend => LEGEND,
                method => method::method(),
                head => HEAD,
                tables => static_tables(self.rows, &groups),
                groups => static_groups(&groups),
            })
            .map_err(failed)
    }
}

/// A time in UTC as people write it; anything else as it is.
fn moment(rfc3339: &str) -> String {
    match rfc3339.strip_suffix('Z').and_then(|utc| utc.split_once('T')) {
        Some((day, time)) => format!("{day} {} UTC", time.get(..5).unwrap_or(time)),
        None => rfc3339.to_owned(),
    }
}

/// What a reader must know before any number.
pub(crate) fn warnings(run: &Run, rows: &[Summary]) -> Vec<String> {
    let mut warnings = Vec::new();
    let several = run.machines.len() > 1;
    if several {
        warnings.push(format!(
            "measured on {} machines: times of different machines do not compare, and stand under headings of their own",
            run.machines.len()
        ));
    }
    for (id, Machine { cores, load_average: [load, ..], .. }) in &run.machines {
        if *cores > 0 && *load > *cores as f64 {
            let machine = if several { format!("machine {id}") } else { "machine".to_owned() };
            warnings.push(format!(
                "the {machine} was busy when the run began: load {load:.2} on {cores} cores. Times are too long by an unknown share"
            ));
        }
    }
    let cores_of = |row: &Summary| run.machines.get(&row.machine).map(|machine| machine.cores);
    let cores = |row: &Summary| cores_of(row).unwrap_or_else(|| run.first_machine().cores);
    let roles =
        |row: &Summary| run.backends.get(&row.backend).map_or(1, |backend| backend.roles.len().max(1));
    let crowded = rows.iter().filter(|row| cores(row) > 0 && row.threads * roles(row) > cores(row)).count();
    if crowded > 0 {
        warnings.push(format!(
            "in {} cells the roles together may use more threads than the machine{}: parties that would \
             have a machine each wait for each other here",
            count(crowded as u64),
            if several { " has cores".to_owned() } else { format!("'s {} cores", run.first_machine().cores) }
        ));
    }
    if run.git_dirty == Some(true) {
        warnings.push("measured by a build with changes that are in no commit".to_owned());
    }
    let simulated: Vec<&str> =
        run.backends.iter().filter(|(_, backend)| backend.simulated).map(|(name, _)| name.as_str()).collect();
    if !simulated.is_empty() {
        warnings.push(format!("part of the protection is simulated: {}", simulated.join(", ")));
    }
    let unsupported = rows.iter().filter(|row| is_refused(row)).count();
    if unsupported > 0 {
        let unsupported = count(unsupported as u64);
        warnings.push(format!("{unsupported} cells were not run, because their backend cannot or in this profile would take too long, and say why"));
    }
    let failed = rows.iter().filter(|row| row.repetitions_failed > 0 && !is_refused(row)).count();
    if failed > 0 {
        warnings.push(format!("{} cells failed in part or altogether and say how", count(failed as u64)));
    }
    warnings
}

/// Title, rows, and what was not run.
type StaticTable = (String, Vec<[String; HEAD.len()]>, Vec<String>);

/// Every task with what was not run, and the first rows.
fn static_tables(rows: &[Summary], groups: &[Group]) -> Vec<StaticTable> {
    let mut room = MOST_STATIC_ROWS;
    tables(rows, groups)
        .into_iter()
        .map(|mut table| {
            table.rows.truncate(room);
            room -= table.rows.len();
            (table.title, table.rows, table.refusals.iter().map(Refusal::sentence).collect())
        })
        .collect()
}

fn static_groups(groups: &[Group]) -> Vec<[String; 4]> {
    let line = |(index, group): (usize, &Group)| {
        [letter(index), group.name().to_owned(), group.protection(), group.backends.join(", ")]
    };
    groups.iter().enumerate().map(line).collect()
}
