//! Which values of a `backend.toml` cannot be.

use std::collections::HashSet;

use veilbench_api::{Learned, PrivateInput};

use super::{ENVIRONMENT, FOLDER, ImageSeconds, Manifest, OPERATORS};
use crate::party::protocol::PROTOCOL_VERSION;

/// Most images of a batch a manifest may claim, and most seconds it may ask for.
const MOST_IMAGES: usize = 1 << 20;
const MOST_SECONDS: u64 = 7 * 24 * 3600;

impl Manifest {
    /// Returns the first field with a value that cannot be, and why.
    pub(super) fn fault(&self) -> Option<(String, String)> {
        let fault = |field: &str, reason: String| Some((field.to_owned(), reason));
        if self.protocol != PROTOCOL_VERSION {
            return fault(
                "protocol",
                format!("{} where this program speaks {PROTOCOL_VERSION}", self.protocol),
            );
        }
        if !plain(&self.name) {
            return fault("name", format!("`{}` is not lower-case letters, digits and dashes", self.name));
        }
        let texts = [
            ("summary", &self.summary),
            ("licence", &self.licence),
            ("protection.label", &self.protection.label),
        ];
        if let Some((field, _)) = texts.iter().find(|(_, text)| text.trim().is_empty() || text.contains('\n'))
        {
            return fault(field, "must be one line".into());
        }
        if self.security_bits.is_some_and(|bits| !(1..=1024).contains(&bits)) {
            return fault(
                "security_bits",
                "is no number of bits; leave it out where there is no cryptography".into(),
            );
        }
        if self.tolerance.is_some_and(|tolerance| !(tolerance.is_finite() && tolerance > 0.0)) {
            return fault("tolerance", "must be a finite number above zero".into());
        }
        let limits = [self.limits.start_seconds, self.limits.silence_seconds];
        if limits.iter().any(|seconds| !(1..=MOST_SECONDS).contains(seconds)) {
            return fault("limits", format!("must be 1 to {MOST_SECONDS} seconds"));
        }
        if let Some(reason) = self.version.as_ref().and_then(|command| command_fault(command)) {
            return fault("version", reason);
        }
        if let Some(install) = &self.install {
            if install.needs.trim().is_empty() {
                return fault("install.needs", "must say what has to be on the machine".into());
            }
            if let Some(name) = install.environment.as_ref().filter(|name| !is_folder_name(name)) {
                let reason =
                    format!("`{name}` is not lower-case letters, digits, dashes and dots, a letter first");
                return fault("install.environment", reason);
            }
            if let Some(reason) = install.commands.iter().find_map(|command| command_fault(command)) {
                return fault("install.commands", reason);
            }
        }
        self.role_fault().or_else(|| self.support_fault()).or_else(|| self.option_fault())
    }

    fn role_fault(&self) -> Option<(String, String)> {
        if !(2..=64).contains(&self.roles.len()) {
            return Some(("roles".into(), format!("{} roles, there must be 2 to 64", self.roles.len())));
        }
        let mut names = HashSet::new();
        for role in &self.roles {
            let field = |what: &str| format!("roles.{}.{what}", role.name);
            if !plain(&role.name) || role.name == "all" {
                return Some((
                    field("name"),
                    "must be lower-case letters, digits and dashes, and not `all`".into(),
                ));
            }
            if !names.insert(&role.name) {
                return Some((field("name"), "two roles have it".into()));
            }
            if let Some(reason) = command_fault(&role.command) {
                return Some((field("command"), reason));
            }
            if role.holds == PrivateInput::Images && role.learns.logits != Learned::Yes {
                let reason = "must have `logits = \"yes\"`: the role that holds the images gets their logits";
                return Some((field("learns"), reason.into()));
            }
        }
        for (holding, what) in [(PrivateInput::Images, "images"), (PrivateInput::Network, "weights")] {
            let holders = self.roles.iter().filter(|role| role.holds == holding).count();
            if holders != 1 {
                return Some(("roles".into(), format!("{holders} roles hold the {what}, one must")));
            }
        }
        None
    }

    fn support_fault(&self) -> Option<(String, String)> {
        let supports = &self.supports;
        if supports.operators.is_empty() {
            return Some(("supports.operators".into(), "is empty".into()));
        }
        if let Some(unknown) = supports.operators.iter().find(|name| !OPERATORS.contains(&name.as_str())) {
            let reason = format!("`{unknown}` is none of {}", OPERATORS.join(", "));
            return Some(("supports.operators".into(), reason));
        }
        if !supports.seconds_per_image.as_ref().is_none_or(ImageSeconds::is_plausible) {
            let reason = format!("must be above 0 and at most {MOST_SECONDS} seconds");
            return Some(("supports.seconds_per_image".into(), reason));
        }
        if !(1..=MOST_IMAGES).contains(&supports.max_batch) {
            return Some(("supports.max_batch".into(), format!("must be 1 to {MOST_IMAGES}")));
        }
        None
    }

    fn option_fault(&self) -> Option<(String, String)> {
        let mut keys = HashSet::new();
        for option in &self.options {
            let field = |what: &str| format!("options.{}.{what}", option.key);
            if !plain(&option.key) || !keys.insert(&option.key) {
                return Some((
                    field("key"),
                    "must be lower-case letters, digits and dashes, and its own".into(),
                ));
            }
            let distinct: HashSet<_> = option.values.iter().collect();
            if option.values.is_empty() || distinct.len() != option.values.len() {
                return Some((field("values"), "must be one or more, each once, the default first".into()));
            }
            if !option.values.iter().all(|value| plain(value)) {
                return Some((field("values"), "must be lower-case letters, digits and dashes".into()));
            }
        }
        None
    }
}

impl ImageSeconds {
    fn is_plausible(&self) -> bool {
        let plausible = |seconds: &f64| *seconds > 0.0 && *seconds <= MOST_SECONDS as f64;
        match self {
            Self::Same(seconds) => plausible(seconds),
            Self::Each(each) => each.values().all(plausible),
        }
    }
}

/// Whether a text is usable as the name of a folder, as `spu-0.9.5`.
fn is_folder_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase()) && plain(&text.replace('.', "-"))
}

/// Whether a text is usable as a name in files and on command lines.
fn plain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 64 && !text.starts_with('-') && text.bytes().all(fits)
}

fn command_fault(command: &[String]) -> Option<String> {
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        return Some("names no program".into());
    }
    if command.iter().any(|word| word.contains('\0') || word.contains('\n')) {
        return Some("has a word with a line break or a NUL".into());
    }
    command.iter().find_map(|word| {
        let rest = word.replace(FOLDER, "").replace(ENVIRONMENT, "");
        let (_, behind) = rest.split_once('{')?;
        let (name, _) = behind.split_once('}')?;
        let place = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        place.then(|| format!("`{{{name}}}` is neither {FOLDER} nor {ENVIRONMENT}"))
    })
}
