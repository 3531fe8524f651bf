//! Writes inputs to start from into `corpus/TARGET`: valid messages, and one change of every kind.

use std::fs;

use veilbench_tee_fuzz::{EVIDENCE, LAUNCH, release, start};

fn main() -> std::io::Result<()> {
    let introduction = start(&LAUNCH).1;
    let valid = [
        ("evidence", "release", release().to_bytes()),
        ("evidence", "evidence", EVIDENCE.to_bytes()),
        ("launch", "launch", LAUNCH.to_bytes()),
        ("launch", "token", LAUNCH.token.to_bytes()),
        ("launch", "introduction", introduction.to_bytes()),
        ("launch", "report", introduction.data_owner.to_bytes()),
    ];
    for (target, name, bytes) in valid {
        fs::create_dir_all(format!("corpus/{target}"))?;
        fs::write(format!("corpus/{target}/{name}"), bytes)?;
    }
    for (target, fields) in [("quote", 11), ("launch", 1), ("provision", 3), ("record", 2)] {
        fs::create_dir_all(format!("corpus/{target}"))?;
        for field in 0..fields {
            fs::write(format!("corpus/{target}/valid-{field}"), [field])?;
            for operation in 0..6 {
                fs::write(format!("corpus/{target}/{field}-{operation}"), [field, operation, 40, 0, 3])?;
            }
        }
    }
    Ok(())
}
