//! CPU time and memory of a party's processes, as the kernel counts them.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use veilbench_api::WorkerFigures;

/// A party's first process with all that it started.
#[derive(Debug)]
pub(crate) struct Group {
    leader: u32,
    /// Those in its process group at the first look, among them any whose parent is gone. Looking through all processes
    /// takes milliseconds, which later phases would be measured with: they follow the kernel's lists of children.
    members: OnceLock<Vec<u32>>,
}

impl Group {
    /// Describes the group that a process leads.
    pub(crate) fn of(leader: u32) -> Self {
        Self { leader, members: OnceLock::new() }
    }

    /// Returns the figures of the processes that run; zeros if there is none. Memory is the sum of their peaks.
    pub(crate) fn figures(&self) -> WorkerFigures {
        let mut sum = WorkerFigures { cpu_ns: 0, peak_rss_bytes: None };
        let members = self.members.get_or_init(|| members(self.leader));
        // Another process may have got the number of one that has ended.
        let mut due: Vec<u32> =
            members.iter().copied().filter(|&process| is_in(process, self.leader)).collect();
        let mut seen = BTreeSet::new();
        due.push(self.leader);
        while let Some(process) = due.pop() {
            if seen.insert(process) {
                let own = of(process, &mut due);
                sum.cpu_ns = sum.cpu_ns.saturating_add(own.cpu_ns);
                sum.peak_rss_bytes = match (sum.peak_rss_bytes, own.peak_rss_bytes) {
                    (Some(sum), Some(own)) => Some(sum.saturating_add(own)),
                    (sum, own) => sum.or(own),
                };
            }
        }
        sum
    }
}

/// Processes of a process group.
fn members(group: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|&process| is_in(process, group)).collect()
}

fn is_in(process: u32, group: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    fields(&stat).nth(2).is_some_and(|field| field.parse() == Ok(group))
}

/// Returns the figures of one process and adds its children to the list.
fn of(process: u32, children: &mut Vec<u32>) -> WorkerFigures {
    let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    // Ticks hold all threads and waited-for children and are coarse; nanoseconds hold the threads that still run.
    let ticks_ns =
        ticks(&read("stat")).saturating_mul(1_000_000_000 / rustix::param::clock_ticks_per_second().max(1));
    let mut threads_ns: u64 = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
        let read = |file: &str| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        let times = read("schedstat");
        let run_ns = times.split_whitespace().next().and_then(|time| time.parse::<u64>().ok());
        threads_ns = threads_ns.saturating_add(run_ns.unwrap_or(0));
    }
    children.extend(self::children(process));
    WorkerFigures { cpu_ns: threads_ns.max(ticks_ns), peak_rss_bytes: peak_rss_bytes(&read("status")) }
}

/// Children of a process.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let numbers =
        |list: String| list.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<_>>();
    lists.flat_map(numbers).collect()
}

/// Fields of a process's `stat` from the third on: the program's name before them, in parentheses, may hold anything.
pub(crate) fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace()
}

/// User and system time of a process and of its children that it waited for, in ticks (proc_pid_stat(5), fields 14 to 17).
fn ticks(stat: &str) -> u64 {
    fields(stat).skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn peak_rss_bytes(status: &str) -> Option<u64> {
    let field = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    field.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 2 0 0 0 30 4 5 6 20 0 1 0 100 0 0";
        assert_eq!(ticks(stat), 45);
        assert_eq!(peak_rss_bytes("VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\n"), Some(2 << 20));
    }

    #[test]
    fn a_process_that_computes_is_seen_to() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read -r word"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let figures = Group::of(child.id()).figures();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(figures.cpu_ns > 5_000_000, "{figures:?}");
        assert!(figures.peak_rss_bytes.unwrap() > 100_000, "{figures:?}");
        assert_eq!(Group::of(child.id()).figures().peak_rss_bytes, None);
    }

    #[test]
    fn processes_that_a_process_starts_are_counted_with_it_before_and_after_the_first_look() {
        use std::io::{BufRead, BufReader, Write};
        use std::os::unix::process::CommandExt;

        // The first has its work done by another, of which the parent is gone; the second by a child.
        let work = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; sleep 60";
        let script = format!("(({work}) &) ; read -r word; ({work}) & read -r word");
        let mut child = Command::new("/bin/sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Group::of(child.id());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut looked = Vec::new();
        for _ in 0..2 {
            stdout.read_line(&mut String::new()).unwrap();
            looked.push(group.figures());
            child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        }
        let alone = of(child.id(), &mut Vec::new());
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).unwrap();
        child.wait().unwrap();
        assert!(looked[0].cpu_ns > alone.cpu_ns + 5_000_000, "{looked:?} {alone:?}");
        assert!(looked[1].cpu_ns > looked[0].cpu_ns + 5_000_000, "{looked:?} {alone:?}");
        assert!(looked[1].peak_rss_bytes > looked[0].peak_rss_bytes, "{looked:?}");
        assert!(looked[0].peak_rss_bytes > alone.peak_rss_bytes, "{looked:?} {alone:?}");
    }
}
