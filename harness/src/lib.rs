//! Measures what it costs to classify an image without showing it to the server.
//!
//! The harness runs trained networks through every backend, one process per role, and records
//! time, communication, memory and answers of each cell: backend x network x data set x batch x
//! threads x link. It knows no technology: what a backend is, [`veilbench_backends`] says.
//!
//! The way of the data is one line: `matrix` (which cells) -> `session` (processes, the clock) -> `record` -> the run
//! folder ([`veilbench_results`]) -> tables and plots ([`veilbench_report`]).
//!
//! A crate with backends of its own gets every command:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     let mut backends = veilbench_backends::all();
//!     // backends.push(Box::new(my_backend::MyBackend));
//!     veilbench::main(backends)
//! }
//! ```
//!
//! # Non-goals
//! A scheduler of its own (shards and roles are started by those that there are), profiling inside a backend beyond its spans,
//! ranking backends of different protection.

mod campaign;
mod cli;
mod error;
mod external;
mod interrupt;
mod matrix;
mod progress;
mod rates;
mod record;
mod session;
mod workload;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use veilbench_api::Backend;

pub use error::{EXIT_ERROR, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE};

/// The whole program, for these backends.
pub fn main(backends: Vec<Box<dyn Backend>>) -> ExitCode {
    match cli::Cli::parse().run(backends) {
        Ok(code) => ExitCode::from(code),
        // Whoever reads the output has read enough, e.g. `head`.
        Err(error) if error.is_closed_output() => ExitCode::from(EXIT_OK),
        Err(error) => {
            let _unread = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
