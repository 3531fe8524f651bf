//! Writes a valid object for every target into `corpus/TARGET`.

use std::fs;
use veilbench_ckks_fuzz::objects;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (target, bytes) in objects()? {
        fs::create_dir_all(format!("corpus/{target}"))?;
        fs::write(format!("corpus/{target}/valid"), bytes)?;
    }
    Ok(())
}
