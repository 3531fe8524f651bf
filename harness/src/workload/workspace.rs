//! From options to prepared cells: data sets loaded, networks read, the oracle asked.

use std::collections::BTreeMap;
use std::path::Path;

use veilbench_api::Backend;
use veilbench_datasets::{ImageSet, Loaded, OwnData, Split, Store, load_or_sample};
use veilbench_external::PrivateFolder;

use crate::error::Error;
use crate::matrix::select::Axis;
use crate::matrix::{Options, PlannedCell, cells};
use crate::progress::{Event, Progress};
use crate::workload::model::Model;
use crate::workload::own;
use crate::workload::{Workload, WorkloadError};

/// What networks and images are prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To say which cells there are.
    List,
    /// To measure them: the oracle is asked and the parties' files are written.
    Measure,
}

/// Prepared networks and images, in a folder only this user can read that goes when this does.
pub(crate) struct Workspace {
    workloads: Vec<Workload>,
    unfit: Vec<Unfit>,
    folder: PrivateFolder,
}

/// A file of the user's that cannot be measured: it becomes a row, and what fits is measured all the same.
pub(crate) struct Unfit {
    /// The name its network goes by.
    pub(crate) network: String,
    /// Why not, and what would help.
    pub(crate) reason: String,
}

impl Workspace {
    /// Loads, draws and evaluates what the options select.
    ///
    /// # Errors
    /// If nothing is selected, or data that is there is damaged.
    pub(crate) fn prepare(
        backends: &[Box<dyn Backend>],
        options: &Options,
        depth: Purpose,
        progress: &mut Progress,
    ) -> Result<Self, Error> {
        let names: Vec<_> = backends.iter().map(|backend| backend.profile().name).collect();
        let names = names.iter().map(|name| &**name);
        options.selection.check(Axis::Backends, names.clone())?;
        let mut idle = options.selection.idle_exclusions(Axis::Backends, names);
        options.check(backends)?;
        idle.extend(options.selection.idle_link_exclusions());
        let (models, mut unfit) = Model::all(&options.model)?;
        let names = models.iter().map(Model::name).chain(unfit.iter().map(|unfit| &*unfit.network));
        options.selection.check(Axis::Networks, names.clone())?;
        idle.extend(options.selection.idle_exclusions(Axis::Networks, names));
        unfit.retain(|unfit| options.selection.network(&unfit.network));
        let folder = PrivateFolder::new().map_err(Error::Folder)?;
        let store = Store::from_env()?;
        let mut images = Images { own: options.own.open(&store)?, store, loaded: BTreeMap::new() };
        // Own images are for the user's files, unless networks are named.
        let only_users =
            images.own.is_some() && !options.model.is_empty() && !options.selection.names_networks();
        let mut workloads = Vec::new();
        for model in models {
            if !options.has_network(model.name(), model.is_users()) || (only_users && !model.is_users()) {
                continue;
            }
            let (network, users) = (model.name().to_owned(), model.is_users());
            let files = (depth == Purpose::Measure).then_some(folder.path());
            match prepare(model, &mut images, options, files, progress) {
                Ok(workload) => workloads.extend(workload),
                Err(Error::Workload(error)) if users => {
                    unfit.push(Unfit { network, reason: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        let ids = images.loaded.values().map(|dataset| &*dataset.id);
        let ids = ids.chain(images.own.as_ref().map(OwnData::name));
        options.selection.check(Axis::Datasets, ids.clone())?;
        idle.extend(options.selection.idle_exclusions(Axis::Datasets, ids));
        for text in &idle {
            progress.tell(&Event::Note { text });
        }
        for Unfit { network, reason } in &unfit {
            progress.tell(&Event::Note { text: &format!("{network} cannot be measured: {reason}") });
        }
        Ok(Self { workloads, unfit, folder })
    }

    /// The cells of these networks.
    ///
    /// # Errors
    /// [`Error::NothingSelected`] if there is none, and nothing that should be one.
    pub(crate) fn cells<'a>(
        &'a self,
        backends: &'a [Box<dyn Backend>],
        options: &Options,
    ) -> Result<Vec<PlannedCell<'a>>, Error> {
        let cells = cells(backends, &self.workloads, options);
        if cells.is_empty() && self.unfit.is_empty() { Err(Error::NothingSelected) } else { Ok(cells) }
    }

    /// Files that were asked for and cannot be measured.
    pub(crate) fn unfit(&self) -> &[Unfit] {
        &self.unfit
    }

    /// Where files for parties may be put.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Test images that were loaded, by the id that was asked for, and the user's own.
struct Images {
    store: Store,
    own: Option<OwnData>,
    loaded: BTreeMap<String, ImageSet>,
}

/// One network with its images; `None` if its data set is not selected.
fn prepare(
    mut model: Model,
    images: &mut Images,
    options: &Options,
    files: Option<&Path>,
    progress: &mut Progress,
) -> Result<Option<Workload>, Error> {
    if model.is_users() {
        model.say(&options.own.preparation)?;
    }
    let Images { store, own, loaded } = images;
    let fitted;
    let dataset = if let Some(data) = own {
        if !options.selection.dataset(data.name()) {
            return Ok(None);
        }
        fitted = own::fit(data, Split::Test, model.network())?;
        model.assume(own::told(data, &fitted.images, &fitted.notes));
        &fitted.images
    } else {
        let learned = model.dataset()?.to_owned();
        let id = options.selection.dataset_for(&learned).to_owned();
        if id != learned {
            model.assume(vec![format!("images of {id}, of which it learned lossy copies ({learned})")]);
        }
        if !loaded.contains_key(&id) {
            let Loaded { dataset, notes } =
                load_or_sample(store, &id, Split::Test).map_err(WorkloadError::from)?;
            for text in notes.iter().filter(|_| options.selection.dataset(&dataset.id)) {
                progress.tell(&Event::Note { text });
            }
            loaded.insert(id.clone(), dataset.into());
        }
        &loaded[&id]
    };
    if !options.selection.dataset(&dataset.id) {
        return Ok(None);
    }
    if !model.states_ranges() || options.own.recalibrates() {
        match options.own.calibrating(store, own.as_ref(), model.network(), options.seed)? {
            Some(calibrating) => model.calibrate_on(&calibrating, progress)?,
            None => {
                let training = load_or_sample(store, model.dataset()?, Split::Train)?.dataset;
                model.calibrate(
                    &training.into(),
                    options.own.calibration_images(),
                    options.seed,
                    progress,
                )?;
            }
        }
    }
    let workload = Workload::prepare(model, dataset, &options.draw(), files)?;
    let (network, dataset, count) = (workload.name(), workload.dataset(), workload.images());
    for assumed in workload.assumptions() {
        progress.tell(&Event::Note { text: &format!("{network}, assumed: {assumed}") });
    }
    if options.asked_images().is_some_and(|asked| asked > count) {
        let text = &format!("{network}: {dataset} has only {count} test images");
        progress.tell(&Event::Note { text });
    }
    if files.is_some() {
        progress.tell(&Event::Prepared { network, dataset, images: count });
    }
    Ok(Some(workload))
}
