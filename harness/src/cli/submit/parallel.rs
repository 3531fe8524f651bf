//! One line for GNU parallel.

use clap::Args;

use super::{Shards, quoted};
use crate::error::Error;

#[derive(Args, Debug)]
pub(super) struct Parallel {
    #[command(flatten)]
    pub(super) shards: Shards,
}

impl Parallel {
    /// The line, below what it needs. One shard a machine at a time: two would share its cores, so fewer at once are fewer
    /// machines.
    ///
    /// # Errors
    /// [`Error::Braces`] for a word that GNU parallel would change, such as a repetition `{2}` in a pattern.
    pub(super) fn line(&self, program: &str) -> Result<String, Error> {
        let (into, shards) = self.shards.folders();
        let words = [program, &into, &shards].into_iter().chain(self.shards.run.iter().map(String::as_str));
        if let Some(word) = words.into_iter().find(|word| word.contains('{')) {
            return Err(Error::Braces { word: word.to_owned() });
        }
        let (of, options) = (self.shards.of, self.shards.options());
        let (program, into, shards) = (quoted(program), quoted(&into), quoted(&shards));
        let hosts = match self.shards.at_once() {
            most if most < of.get() => format!("$(printf %s \"${{HOSTS:-:}}\" | cut -d, -f1-{most})"),
            _ => "${HOSTS:-:}".to_owned(),
        };
        Ok(format!(
            "# HOSTS=alice,bob measures there over ssh, one shard a machine at a time; program, data and results lie where all see them.\n\
             mkdir -p {shards} && seq {of} | parallel --quote --jobs 1 --sshlogin \"{hosts}\" --workdir . \
             --line-buffer --joblog {shards}/joblog {program} run --shard {{}}/{of} --out {shards}/{{}}{options}; \
             {program} merge {shards}/*/ --into {into}\n"
        ))
    }
}
