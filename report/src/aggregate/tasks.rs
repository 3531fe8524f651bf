//! What a network is asked to do: a network and its twin with polynomials in place of its ReLUs are one task.

use veilbench_results::{Status, Summary};

/// End of the name of a network with polynomials in place of its ReLUs.
const TWIN: &str = "-poly";

/// A network, by its name without what tells twins apart, on its data set and, where a run has several, on one machine:
/// times of different machines do not compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Task {
    pub(crate) network: String,
    /// Marked if its images are generated.
    pub(crate) dataset: String,
    /// Empty where a run has but one.
    pub(crate) machine: String,
}

impl Task {
    pub(crate) fn of(row: &Summary) -> Self {
        let network = row.network.strip_suffix(TWIN).unwrap_or(&row.network).to_owned();
        Self { network, dataset: dataset(row), machine: row.machine.clone() }
    }

    /// Network, data set and machine in one line.
    pub(crate) fn title(&self) -> String {
        title(&self.network, &self.dataset, &self.machine)
    }
}

/// The same of a network that its twin is told apart from.
pub(crate) fn heading(row: &Summary) -> String {
    title(&row.network, &dataset(row), &row.machine)
}

fn title(network: &str, dataset: &str, machine: &str) -> String {
    let machine = if machine.is_empty() { String::new() } else { format!(" · on {machine}") };
    format!("{network} · {dataset}{machine}")
}

/// Has the row's network polynomials in place of its ReLUs?
pub(crate) fn is_twin(row: &Summary) -> bool {
    row.network.ends_with(TWIN)
}

/// The data set's id, marked if its images are generated.
pub(crate) fn dataset(row: &Summary) -> String {
    if row.synthetic == Some(true) { format!("{} (synthetic)", row.dataset) } else { row.dataset.clone() }
}

/// The rows task by task, those of a task in the order they had.
pub(crate) fn by_task(rows: &[Summary]) -> Vec<&Summary> {
    let mut sorted: Vec<&Summary> = rows.iter().collect();
    sorted.sort_by_cached_key(|row| Task::of(row));
    sorted
}

/// Which row stands for a backend on a task, the least first: loopback before other links, then what is told, which is the network as it is,
/// what went wrong with it, its twin, what went wrong with that, and last what the backend does not run; of each the smallest batch and the fewest threads.
pub(crate) fn preference(row: &Summary) -> (bool, u8, usize, usize, &str) {
    let told = match (row.status, is_twin(row)) {
        (Status::Ok, false) => 0,
        (Status::Unsupported, false) => 4,
        (_, false) => 1,
        (Status::Ok, true) => 2,
        (Status::Unsupported, true) => 5,
        (_, true) => 3,
    };
    (row.link != "loopback", told, row.batch, row.threads, &row.cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(network: &str, status: Status, batch: usize) -> Summary {
        Summary {
            network: network.to_owned(),
            dataset: "d".to_owned(),
            link: "loopback".to_owned(),
            status,
            batch,
            ..Summary::default()
        }
    }

    #[test]
    fn a_network_and_its_twin_are_one_task() {
        let rows = ["b-poly", "a-poly", "b", "a"].map(|network| row(network, Status::Ok, 1));
        let order: Vec<&str> = by_task(&rows).iter().map(|row| &*row.network).collect();
        assert_eq!(order, ["a-poly", "a", "b-poly", "b"]);
        assert_eq!(Task::of(&rows[0]), Task::of(&rows[2]));
        let generated = Summary { synthetic: Some(true), ..rows[0].clone() };
        assert_ne!(Task::of(&generated), Task::of(&rows[0]), "generated images are another task");
        assert_eq!(Task::of(&generated).title(), "b · d (synthetic)");
    }

    #[test]
    fn what_was_measured_on_two_machines_is_two_tasks() {
        let rows = [("n", "b"), ("m", "b-poly"), ("m", "b"), ("m", "a")]
            .map(|(machine, network)| Summary { machine: machine.to_owned(), ..row(network, Status::Ok, 1) });
        let titles: Vec<String> = by_task(&rows).iter().map(|row| Task::of(row).title()).collect();
        assert_eq!(titles, ["a · d · on m", "b · d · on m", "b · d · on m", "b · d · on n"]);
        assert_eq!(heading(&rows[1]), "b-poly · d · on m");
    }

    #[test]
    fn a_twin_stands_where_the_network_is_not_run_and_not_where_it_failed() {
        let (refused, failed) = (row("a", Status::Unsupported, 1), row("a", Status::Timeout, 1));
        let twin = row("a-poly", Status::Ok, 8);
        assert!(preference(&twin) < preference(&refused) && preference(&failed) < preference(&twin));
        let failed_twin = row("a-poly", Status::OutOfMemory, 1);
        assert!(
            preference(&failed_twin) < preference(&refused) && preference(&twin) < preference(&failed_twin)
        );
        let other_link = Summary { link: "lan".to_owned(), ..row("a", Status::Ok, 1) };
        assert!(preference(&twin) < preference(&other_link));
    }
}
