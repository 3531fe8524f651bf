//! Joins the modules of the page's script into one file; a module that the joiner does not understand ends the build.

#[path = "src/page/modules.rs"]
mod modules;

use std::{collections::BTreeMap, env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=page/js");
    println!("cargo::rerun-if-changed=src/page/modules.rs");
    let mut found = BTreeMap::new();
    read(Path::new("page/js"), "", &mut found)?;
    let out = env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?;
    Ok(fs::write(Path::new(&out).join("page.js"), modules::join(&found, "main.js")?)?)
}

/// Reads every module of a folder and of those in it, by its path from the first.
fn read(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| format!("{} is no UTF-8", name.to_string_lossy()))?;
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{prefix}{name}/"), found)?;
        } else if name.ends_with(".js") {
            found.insert(format!("{prefix}{name}"), fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}
