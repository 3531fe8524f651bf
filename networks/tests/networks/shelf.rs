//! Ready-made networks as their exporters write them, from the folder that `tests/shelf/shelf.py` fills.

use std::path::PathBuf;
use std::time::Instant;

use crate::fixtures::{Expected, farthest};
use veilbench_networks::import;

/// Relative where logits are beyond 1: sums of a hundred layers in single precision, in another order.
const TOLERANCE: f32 = 1e-4;

/// Files that must load of those that the script writes.
const LOADED: usize = 30;

#[test]
#[ignore = "needs VEILBENCH_SHELF, the folder of `tests/shelf/shelf.py`"]
fn the_shelf_loads_unmodified_and_computes_what_onnxruntime_computed() {
    let folder = std::env::var_os("VEILBENCH_SHELF").unwrap();
    let entries = std::fs::read_dir(folder).unwrap();
    let mut models: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    models.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    models.sort();
    let (mut loaded, mut wrong) = (0, Vec::new());
    for path in &models {
        let name = path.file_stem().unwrap().to_string_lossy();
        let expected = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let Expected::Computed { dims, logits, end } = serde_json::from_str(&expected).unwrap() else {
            panic!("{name} has no logits");
        };
        let start = Instant::now();
        let network = match import::read(path) {
            Ok(network) => network,
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        let read = start.elapsed();
        let start = Instant::now();
        let difference = farthest(&network, &dims, &logits, end.as_deref());
        println!("{name}: off by {difference:.1e}, {read:.1?} to read, {:.1?} to run", start.elapsed());
        loaded += 1;
        if difference.is_nan() || difference > TOLERANCE {
            wrong.push(name.into_owned());
        }
    }
    println!("{loaded} of {} loaded", models.len());
    assert!(wrong.is_empty(), "other logits than onnxruntime's: {wrong:?}");
    assert!(loaded >= LOADED, "{loaded} of {} loaded", models.len());
}
