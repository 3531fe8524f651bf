//! From options to prepared cells: data sets loaded, networks read, the oracle asked.

use std::collections::BTreeMap;

use tempfile::TempDir;
use veilbench_backends::Backend;
use veilbench_datasets::{Dataset, Loaded, Split, Store, load_or_sample};

use crate::error::Error;
use crate::matrix::{Options, PlannedCell, cells};
use crate::progress::{Event, Progress};
use crate::select::Axis;
use crate::subject::{Candidate, Subject};

/// What networks and images are prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// To say which cells there are.
    List,
    /// To measure them: the oracle is asked and the parties' files are written.
    Measure,
}

/// Prepared networks and images, in a folder only this user can read that goes when this does.
pub(crate) struct Workspace {
    subjects: Vec<Subject>,
    _folder: TempDir,
}

impl Workspace {
    /// Loads, draws and evaluates what the options select.
    ///
    /// # Errors
    /// If nothing is selected, a file is damaged or a model does not fit its images.
    pub(crate) fn prepare(
        backends: &[Box<dyn Backend>],
        options: &Options,
        depth: Depth,
        progress: &mut Progress,
    ) -> Result<Self, Error> {
        let names: Vec<_> = backends.iter().map(|backend| backend.profile().name).collect();
        options.selection.check(Axis::Backends, names.iter().map(|name| &**name))?;
        options.check_links()?;
        let candidates = Candidate::all(&options.model)?;
        options.selection.check(Axis::Networks, candidates.iter().map(Candidate::name))?;
        let folder = TempDir::with_prefix("veilbench-").map_err(Error::Folder)?;
        let store = Store::from_env()?;
        let mut datasets: BTreeMap<String, Dataset> = BTreeMap::new();
        let mut subjects = Vec::new();
        for mut candidate in candidates {
            let id = candidate.dataset()?.to_owned();
            if !options.selection.network(candidate.name()) {
                continue;
            }
            if !datasets.contains_key(&id) {
                let Loaded { dataset, notes } = load_or_sample(&store, &id, Split::Test)?;
                for text in notes.iter().filter(|_| options.selection.dataset(&dataset.id)) {
                    progress.tell(&Event::Note { text });
                }
                datasets.insert(id.clone(), dataset);
            }
            let dataset = &datasets[&id];
            if !options.selection.dataset(&dataset.id) {
                continue;
            }
            if !candidate.states_dataset() {
                let (name, dataset) = (candidate.name(), &dataset.id);
                let text =
                    &format!("{name} states no `veilbench.dataset`: by the shape of its input, {dataset}");
                progress.tell(&Event::Note { text });
            }
            if !candidate.states_ranges() {
                let training = load_or_sample(&store, &id, Split::Train)?.dataset;
                let images = candidate.calibrate(&training, options.seed)?;
                let (name, from) = (candidate.name(), &training.id);
                let text = &format!("{name} states no ranges: taken from {images} training images of {from}");
                progress.tell(&Event::Note { text });
            }
            let folder = (depth == Depth::Measure).then_some(folder.path());
            let subject = candidate.prepare(dataset, &options.draw(), folder)?;
            let (network, dataset, images) = (subject.name(), subject.dataset(), subject.images());
            if options.asked_images().is_some_and(|asked| asked > images) {
                let text = &format!("{network}: {dataset} has only {images} test images");
                progress.tell(&Event::Note { text });
            }
            if depth == Depth::Measure {
                progress.tell(&Event::Prepared { network, dataset, images });
            }
            subjects.push(subject);
        }
        options.selection.check(Axis::Datasets, datasets.values().map(|dataset| &*dataset.id))?;
        Ok(Self { subjects, _folder: folder })
    }

    /// The cells of these networks.
    ///
    /// # Errors
    /// [`Error::NothingSelected`] if there is none.
    pub(crate) fn cells<'a>(
        &'a self,
        backends: &'a [Box<dyn Backend>],
        options: &Options,
    ) -> Result<Vec<PlannedCell<'a>>, Error> {
        let cells = cells(backends, &self.subjects, options);
        if cells.is_empty() { Err(Error::NothingSelected) } else { Ok(cells) }
    }
}
