//! The veilbench executable: the library with the backends of this repository.

use std::process::ExitCode;

fn main() -> ExitCode {
    veilbench::main(veilbench_backends::all())
}
