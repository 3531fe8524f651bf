//! One line for GNU parallel.

use clap::Args;

use super::{Shards, quoted};

#[derive(Args, Debug)]
pub(super) struct Parallel {
    #[command(flatten)]
    pub(super) shards: Shards,
}

impl Parallel {
    /// The line, below what it needs. One shard a machine at a time: two would share its cores.
    pub(super) fn line(&self, program: &str) -> String {
        let (into, shards) = self.shards.folders();
        let (of, options) = (self.shards.of, self.shards.options());
        let (program, into, shards) = (quoted(program), quoted(&into), quoted(&shards));
        format!(
            "# HOSTS=alice,bob measures there over ssh, one shard a machine at a time; program, data and results lie where all see them.\n\
             mkdir -p {shards} && seq {of} | parallel --quote --jobs 1 --sshlogin \"${{HOSTS:-:}}\" --workdir . \
             --line-buffer --joblog {shards}/joblog {program} run --shard {{}}/{of} --out {shards}/{{}}{options}; \
             {program} merge {shards}/*/ --into {into}\n"
        )
    }
}
