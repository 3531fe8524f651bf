//! Which backends protect alike, and the order of such groups.

use veilbench_results::Summary;

/// Bits of security below which a group is marked.
const USUAL_BITS: u32 = 128;

/// Backends that protect alike: same technology, same protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) technology: String,
    pub(crate) threat_model: String,
    pub(crate) security_bits: Option<u32>,
    pub(crate) simulated: bool,
    pub(crate) backends: Vec<String>,
}

/// The groups of a summary in the order of its rows, which is by technology and protection.
pub(crate) fn groups(rows: &[Summary]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        match group_of(&groups, row) {
            Some(index) => {
                if !groups[index].backends.contains(&row.backend) {
                    groups[index].backends.push(row.backend.clone());
                }
            }
            None => groups.push(Group {
                technology: row.technology.clone(),
                threat_model: row.threat_model.clone(),
                security_bits: row.security_bits,
                simulated: row.simulated == Some(true),
                backends: vec![row.backend.clone()],
            }),
        }
    }
    groups
}

/// The index of the group a row belongs to.
pub(crate) fn group_of(groups: &[Group], row: &Summary) -> Option<usize> {
    groups.iter().position(|group| {
        group.technology == row.technology
            && group.threat_model == row.threat_model
            && group.security_bits == row.security_bits
            && group.simulated == (row.simulated == Some(true))
    })
}

impl Group {
    /// The technology, or what stands for one that `run.json` does not name.
    pub(crate) fn name(&self) -> &str {
        if self.technology.is_empty() { "technology not stated" } else { &self.technology }
    }

    /// Protection, security and simulation in one line.
    pub(crate) fn protection(&self) -> String {
        let mut parts = vec![if self.threat_model.is_empty() {
            "protection not stated".to_owned()
        } else {
            self.threat_model.clone()
        }];
        parts.extend(self.security_bits.map(|bits| match bits < USUAL_BITS {
            true => format!("only {bits}-bit, where {USUAL_BITS} are usual"),
            false => format!("{bits}-bit"),
        }));
        if self.simulated {
            parts.push("simulated".to_owned());
        }
        parts.join("; ")
    }
}
