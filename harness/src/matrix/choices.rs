//! `--set BACKEND.KEY=VALUE`: what a user chooses about a backend.

use std::fmt;
use std::str::FromStr;

use veilbench_api::{Backend, Settings};

use crate::error::Error;

/// One choice, as written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    backend: String,
    key: String,
    value: String,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(name, value)| Some((name.split_once('.')?, value)));
        let Some(((backend, key), value)) = parts else {
            return Err("expected BACKEND.KEY=VALUE, e.g. ckks.layout=latency".into());
        };
        let [backend, key, value] = [backend, key, value].map(str::to_owned);
        Ok(Self { backend, key, value })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}={}", self.backend, self.key, self.value)
    }
}

/// What a choice about all links begins with: `link.tls=on`.
const LINK: &str = "link";
const TLS: [&str; 2] = ["off", "on"];

/// Whether links are to be encrypted that are not so by themselves.
pub(crate) fn encrypts_links(choices: &[Choice]) -> bool {
    choices.iter().any(|choice| choice.backend == LINK && choice.value == TLS[1])
}

/// Whether links are asked for that are not encrypted.
pub(crate) fn bares_links(choices: &[Choice]) -> bool {
    choices.iter().any(|choice| choice.backend == LINK && choice.value == TLS[0])
}

/// Every choice has to be one that a backend offers, each once.
///
/// # Errors
/// [`Error::Choice`], with what there is.
pub(crate) fn check(choices: &[Choice], backends: &[Box<dyn Backend>]) -> Result<(), Error> {
    for (place, choice) in choices.iter().enumerate() {
        let refuse = |reason: String| Err(Error::Choice { choice: choice.to_string(), reason });
        if choices[..place].iter().any(|one| (&one.backend, &one.key) == (&choice.backend, &choice.key)) {
            return refuse("it is set twice".into());
        }
        if choice.backend == LINK {
            if choice.key != "tls" || !TLS.contains(&&*choice.value) {
                return refuse(format!("links have tls to set, one of {}", TLS.join(", ")));
            }
            continue;
        }
        let Some(backend) = backends.iter().find(|backend| backend.profile().name == choice.backend) else {
            let names: Vec<_> = backends.iter().map(|backend| backend.profile().name).collect();
            return refuse(format!(
                "no backend is called {}; there are {}",
                choice.backend,
                names.join(", ")
            ));
        };
        let settings = backend.settings();
        let Some(setting) = settings.iter().find(|setting| setting.key == choice.key) else {
            let keys: Vec<_> = settings.iter().map(|setting| setting.key).collect();
            let offers = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
            return refuse(format!("{} has {offers} to set", choice.backend));
        };
        if !setting.values.contains(&&*choice.value) {
            return refuse(format!("it is one of {}", setting.values.join(", ")));
        }
    }
    Ok(())
}

/// Those choices about a backend that differ from its defaults.
pub(crate) fn settings(choices: &[Choice], backend: &dyn Backend) -> Settings {
    let name = backend.profile().name;
    let default = |key: &str| {
        let setting = backend.settings().iter().find(|setting| setting.key == key);
        setting.and_then(|setting| setting.values.first().copied())
    };
    let own = choices.iter().filter(|choice| choice.backend == *name);
    own.filter(|choice| default(&choice.key) != Some(&*choice.value))
        .map(|choice| (choice.key.clone(), choice.value.clone()))
        .collect()
}

/// A backend with its settings as one name, usable in a cell's id: `ckks`, `ckks@layout=latency`.
pub(crate) fn label(name: &str, settings: &Settings) -> String {
    let settings: Vec<_> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if settings.is_empty() { name.to_owned() } else { format!("{name}@{}", settings.join("+")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_backends::clear::Clear;

    fn choices(texts: &[&str]) -> Vec<Choice> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_choice_names_a_backend_a_key_and_a_value() {
        assert!("ckks.layout".parse::<Choice>().is_err() && "layout=latency".parse::<Choice>().is_err());
        assert_eq!(choices(&["a-b.c=d=e"])[0].to_string(), "a-b.c=d=e");
    }

    #[test]
    fn what_no_backend_offers_is_refused_with_what_there_is() {
        let backends: Vec<Box<dyn Backend>> = vec![Box::new(Clear)];
        let refusal = |texts: &[&str]| check(&choices(texts), &backends).unwrap_err().to_string();
        assert!(refusal(&["cklear.a=b"]).contains("there are clear"));
        assert!(refusal(&["clear.a=b"]).contains("clear has nothing to set"));
    }

    #[test]
    fn links_are_encrypted_for_all_backends_alike() {
        let on = choices(&["link.tls=on"]);
        assert!(check(&on, &[Box::new(Clear)]).is_ok() && encrypts_links(&on));
        assert!(settings(&on, &Clear).is_empty(), "the link's name says it, not the backend's");
        assert!(!encrypts_links(&choices(&["link.tls=off"])));
        for wrong in [&["link.tls=yes"][..], &["link.key=on"], &["link.tls=on", "link.tls=off"]] {
            assert!(check(&choices(wrong), &[]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_label_is_the_name_alone_without_settings() {
        assert_eq!(label("ckks", &Settings::new()), "ckks");
        let settings = [("a", "1"), ("b", "x")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(label("ckks", &settings.into()), "ckks@a=1+b=x");
    }
}
