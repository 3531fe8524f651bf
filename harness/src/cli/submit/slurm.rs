//! A job array of Slurm.

use clap::Args;

use super::{Shards, quoted};

#[derive(Args, Debug)]
pub(super) struct Slurm {
    #[command(flatten)]
    pub(super) shards: Shards,
    /// Longest a task may run, as Slurm writes it, e.g. 4:00:00; it goes on in a new one where it stopped
    #[arg(long, value_name = "TIME", value_parser = time)]
    time: Option<String>,
}

fn time(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_digit() || c == ':' || c == '-';
    if !text.is_empty() && text.chars().all(legal) {
        return Ok(text.to_owned());
    }
    Err("expected minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS".into())
}

impl Slurm {
    /// A script that submits the array, and the merge that waits for it.
    pub(super) fn script(&self, program: &str) -> String {
        let (into, shards) = self.shards.folders();
        let (of, at_once, options) = (self.shards.of, self.shards.at_once(), self.shards.options());
        let (program, into, folder) = (quoted(program), quoted(&into), quoted(&shards));
        let time = self.time.as_ref().map_or_else(String::new, |time| format!("#SBATCH --time={time}\n"));
        format!(
            r#"#!/usr/bin/env bash
# Measures a matrix in {of} shards, at most {at_once} at a time, each on a node of its own, and merges them.
# Submitted when bash reads it. Program, data (VEILBENCH_DATA) and results lie where all nodes see them; partition,
# account and constraint come from sbatch's variables (SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_CONSTRAINT). Nodes of
# one kind: a shard goes on only on the kind of machine it was begun on.
set -euo pipefail
mkdir -p {folder}
array=$(sbatch --parsable --output={folder}/%a.log <<'END_OF_SHARD'
#!/usr/bin/env bash
#SBATCH --job-name=veilbench
#SBATCH --array=1-{of}%{at_once}
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:INT@60
{time}folder={folder}/$SLURM_ARRAY_TASK_ID
sessions() {{ grep -c ',session,,all,' "$folder/samples.csv" 2>/dev/null || true; }}
# Not SLURM_JOB_ID: that of the last task is the whole array's.
task=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
before=$(sessions)
{program} run --shard auto/{of} --out "$folder"{options} &
measuring=$!
# A minute before the time limit, or when the task is to go: the session in flight is given up, what was measured stays.
trap 'kill -INT "$measuring"' INT TERM
while :; do
    wait "$measuring" && status=0 || status=$?
    # A signal ends the wait, not the measuring.
    kill -0 "$measuring" 2>/dev/null || break
done
case $status in
    # All is measured; what failed is in the rows.
    0 | 1) exit 0 ;;
    # Stopped: goes on in a new task, unless this one was too short for a single session.
    130) if [ "$(sessions)" -gt "${{before:-0}}" ]; then scontrol requeue "$task"; fi ;;
esac
exit "$status"
END_OF_SHARD
)
merge=$(sbatch --parsable --dependency="afterany:$array" --output={folder}/merge.log <<'END_OF_MERGE'
#!/usr/bin/env bash
#SBATCH --job-name=veilbench-merge
#SBATCH --nodes=1
exec {program} merge {folder}/*/ --into {into}
END_OF_MERGE
)
echo "shards: job $array, logs in "{folder}"; merge: job $merge"
"#
        )
    }
}
