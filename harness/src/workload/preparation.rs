//! What the command line says of a network's images and classes, in place of its file.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use veilbench_networks::annotate::{Annotation, CHANNELS, ChannelOrder, parse_numbers};
use veilbench_networks::text::shown;
use veilbench_networks::{Network, Normalisation, Shape};

/// Largest file of class names.
const MAX_NAMES_BYTES: u64 = 1 << 20;

/// Numbers as they are written everywhere: blanks or commas between them, or a JSON list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numbers(Vec<f32>);

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected finite numbers with commas or blanks between them, such as 0.485,0.456,0.406, or a JSON list of them";
        parse_numbers(text).filter(|numbers| !numbers.is_empty()).map(Self).ok_or_else(|| expected.into())
    }
}

/// Names as they are written everywhere: commas between them, a JSON list, or a file with a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names(Vec<String>);

impl FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        let names = if path.is_file() { Self::in_file(path)? } else { Self::listed(text, ',')? };
        let mut sorted: Vec<_> = names.iter().map(|name| name.to_lowercase()).collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("{} is named twice", shown(&twice[0])));
        }
        match names.iter().any(String::is_empty) {
            true => Err("a name is empty: expected names with commas between them, a JSON list, or a file with a name per line".into()),
            false => Ok(Self(names)),
        }
    }
}

impl Names {
    fn in_file(path: &Path) -> Result<Vec<String>, String> {
        let told = |error: std::io::Error| format!("reading {}: {error}", path.display());
        if fs::metadata(path).map_err(told)?.len() > MAX_NAMES_BYTES {
            return Err(format!("{} has more than {MAX_NAMES_BYTES} bytes", path.display()));
        }
        let text = fs::read_to_string(path).map_err(told)?;
        Self::listed(text.trim_end(), '\n').map_err(|reason| format!("{}: {reason}", path.display()))
    }

    fn listed(text: &str, between: char) -> Result<Vec<String>, String> {
        if text.trim_start().starts_with('[') {
            return serde_json::from_str(text)
                .map_err(|error| format!("it is no JSON list of names: {error}"));
        }
        Ok(text.split(between).map(|name| name.trim().to_owned()).collect())
    }
}

/// What a network takes a pixel from black to white as, before mean and deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// 0 to 255
    #[value(name = "0..255")]
    Bytes,
    /// 0 to 1
    #[value(name = "0..1")]
    Unit,
    /// -1 to 1
    #[value(name = "-1..1")]
    Signed,
}

impl Scale {
    /// What black is, and how far above it white is.
    fn black_and_range(self) -> (f64, f64) {
        match self {
            Scale::Bytes => (0.0, 255.0),
            Scale::Unit => (0.0, 1.0),
            Scale::Signed => (-1.0, 2.0),
        }
    }
}

/// Options about a model of the user's.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(crate) struct Preparation {
    /// Mean that the model subtracts, one for each channel or for all, on pixels as --scale has them
    #[arg(long, value_name = "X,X,...", allow_hyphen_values = true, help_heading = "Your own model")]
    mean: Option<Numbers>,
    /// Standard deviation that it then divides by, likewise
    #[arg(long, value_name = "X,X,...", help_heading = "Your own model")]
    std: Option<Numbers>,
    /// What it takes pixels from black to white as, before mean and deviation [default: 0..1]
    #[arg(
        long,
        value_enum,
        allow_hyphen_values = true,
        value_name = "0..255|0..1|-1..1",
        help_heading = "Your own model"
    )]
    scale: Option<Scale>,
    /// Order of its channels
    #[arg(long, value_name = "rgb|bgr", help_heading = "Your own model")]
    channels: Option<ChannelOrder>,
    /// Its classes in the order of its logits: a,b,c, a JSON list, or a file with a name per line
    #[arg(long, value_name = "NAMES|FILE", help_heading = "Your own model")]
    classes: Option<Names>,
}

impl Preparation {
    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is said, as metadata of a network.
    ///
    /// # Errors
    /// If numbers or names are not as many as the network has channels and classes.
    pub(crate) fn annotation(&self, network: &Network) -> Result<Annotation, String> {
        let classes = self.classes.as_ref().map_or_else(Vec::new, |names| names.0.clone());
        let outputs = network.architecture.classes();
        if self.classes.is_some() && classes.len() != outputs {
            return Err(format!("--classes names {}, it has {outputs}", classes.len()));
        }
        let normalisation = self.normalisation(network.architecture.input)?;
        Ok(Annotation { dataset: None, classes, normalisation, channels: self.channels })
    }

    /// Mean and deviation on pixels from 0 to 1, if any of the three options is there.
    fn normalisation(&self, input: Shape) -> Result<Option<Normalisation>, String> {
        let Self { mean, std, scale, .. } = self;
        if mean.is_none() && std.is_none() && scale.is_none() {
            return Ok(None);
        }
        let each = |option: &str, numbers: Option<&Numbers>, default: f32| -> Result<Vec<f32>, String> {
            let numbers = numbers.map_or_else(|| vec![default], |numbers| numbers.0.clone());
            let channels = input.channels();
            // Of a flat input nobody knows the channels: they are one after the other.
            let fits = match input {
                Shape::Image { .. } => numbers.len() == 1 || numbers.len() == channels,
                Shape::Flat(_) => channels.is_multiple_of(numbers.len()),
            };
            if !fits {
                return Err(format!("--{option} has {} numbers for {channels} channels", numbers.len()));
            }
            Ok(numbers
                .iter()
                .flat_map(|&number| std::iter::repeat_n(number, channels / numbers.len()))
                .collect())
        };
        let (black, range) = scale.unwrap_or(Scale::Unit).black_and_range();
        let mean = each("mean", mean.as_ref(), 0.0)?;
        let deviation = each("std", std.as_ref(), 1.0)?;
        if deviation.iter().any(|&deviation| deviation <= 0.0) {
            return Err("--std has to be above zero".into());
        }
        let mean = mean.iter().map(|&mean| ((f64::from(mean) - black) / range) as f32).collect();
        let deviation = deviation.iter().map(|&deviation| (f64::from(deviation) / range) as f32).collect();
        Ok(Some(Normalisation { mean, deviation }))
    }

    /// Puts what is said in the place of what the file says, and returns a line for each.
    ///
    /// # Errors
    /// As [`annotation`](Self::annotation).
    pub(crate) fn apply(&self, network: &mut Network) -> Result<Vec<String>, String> {
        let Annotation { classes, normalisation, channels, .. } = self.annotation(network)?;
        let mut said = Vec::new();
        let metadata = &mut network.metadata;
        if !classes.is_empty() {
            said.push(format!("classes {}, as --classes says", shown(&classes.join(", "))));
            metadata.classes = classes;
        }
        if let Some(normalisation) = normalisation {
            let [mean, deviation] =
                [&normalisation.mean, &normalisation.deviation].map(|values| told(values));
            said.push(format!(
                "pixels from 0 to 1 less {mean}, divided by {deviation}, as the command line says; ranges of another normalisation are measured anew"
            ));
            if metadata.normalisation.as_ref().is_some_and(|own| *own != normalisation) {
                network.architecture.input_range = None;
                network.architecture.layers.iter_mut().for_each(|layer| layer.range = None);
            }
            metadata.normalisation = Some(normalisation);
        }
        if let Some(order) = channels {
            said.push(format!("channels in the order {order}, as --channels says"));
            metadata.notes.insert(CHANNELS.into(), order.to_string());
        }
        Ok(said)
    }
}

/// Numbers, of which equal ones are said once.
fn told(values: &[f32]) -> String {
    match values {
        [first, rest @ ..] if rest.iter().all(|value| value == first) => first.to_string(),
        _ => values.iter().map(f32::to_string).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_networks::zoo;

    fn preparation(mean: &str, std: &str, scale: Scale) -> Preparation {
        Preparation {
            mean: Some(mean.parse().unwrap()),
            std: Some(std.parse().unwrap()),
            scale: Some(scale),
            ..Preparation::default()
        }
    }

    #[test]
    fn every_scale_gives_the_same_inputs_as_computing_it_by_hand() {
        let image = Shape::Image { channels: 3, height: 1, width: 1 };
        for scale in [Scale::Bytes, Scale::Unit, Scale::Signed] {
            let scaled = |byte: f64| match scale {
                Scale::Bytes => byte,
                Scale::Unit => byte / 255.0,
                Scale::Signed => byte / 127.5 - 1.0,
            };
            let Normalisation { mean, deviation } =
                preparation("0.1, 0.2 0.3", "[2]", scale).normalisation(image).unwrap().unwrap();
            for (channel, given) in [0.1, 0.2, 0.3].into_iter().enumerate() {
                for byte in [0.0, 100.0, 255.0] {
                    let input = (byte / 255.0 - f64::from(mean[channel])) / f64::from(deviation[channel]);
                    let by_hand = (scaled(byte) - given) / 2.0;
                    assert!(
                        (input - by_hand).abs() < 1e-5 * by_hand.abs().max(1.0),
                        "{scale:?} {input} {by_hand}"
                    );
                }
            }
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let image = Shape::Image { channels: 3, height: 2, width: 2 };
        assert!(
            preparation("1,2", "1", Scale::Unit)
                .normalisation(image)
                .unwrap_err()
                .contains("2 numbers for 3")
        );
        assert!(preparation("1", "0", Scale::Unit).normalisation(image).unwrap_err().contains("above zero"));
        let flat = preparation("1,2", "1", Scale::Unit).normalisation(Shape::Flat(4)).unwrap().unwrap();
        assert_eq!((flat.mean, flat.deviation), (vec![1.0, 1.0, 2.0, 2.0], vec![1.0; 4]));
        for text in ["", "a", "1,,2", "[1", "nan"] {
            assert!(text.parse::<Numbers>().unwrap_err().contains("0.485,0.456,0.406"), "{text}");
        }
    }

    #[test]
    fn names_are_listed_in_json_or_in_a_file() {
        let names = |text: &str| text.parse::<Names>().map(|names| names.0);
        assert_eq!(names("a, b b,c").unwrap(), ["a", "b b", "c"]);
        assert_eq!(names(r#"["a, b", "c"]"#).unwrap(), ["a, b", "c"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "cat\r\ndog\n").unwrap();
        assert_eq!(names(file.path().to_str().unwrap()).unwrap(), ["cat", "dog"]);
        assert!(names("a,,b").unwrap_err().contains("a name is empty"));
        assert!(names("a,b,A").unwrap_err().contains("twice"));
        assert!(names("[1]").unwrap_err().contains("JSON"));
    }

    #[test]
    fn ranges_of_another_normalisation_are_not_kept() {
        let mut network = zoo::load("mnist-mlp").unwrap();
        let own = network.metadata.normalisation.clone().unwrap();
        let [mean, std] = [own.mean[0].to_string(), own.deviation[0].to_string()];
        let ranges = |network: &Network| {
            let layers = network.architecture.layers.iter();
            (network.architecture.input_range.is_some(), layers.filter(|layer| layer.range.is_some()).count())
        };
        let stated = ranges(&network);
        assert!(stated.0 && stated.1 > 0);
        preparation(&mean, &std, Scale::Unit).apply(&mut network).unwrap();
        assert_eq!(ranges(&network), stated);
        preparation("0.5", &std, Scale::Unit).apply(&mut network).unwrap();
        assert_eq!(ranges(&network), (false, 0));
    }

    #[test]
    fn what_the_command_line_says_stands_in_the_network_and_is_told() {
        let mut network = zoo::load("malaria-cnn").unwrap();
        let said = Preparation {
            channels: Some(ChannelOrder::Bgr),
            classes: Some("x,y".parse().unwrap()),
            ..preparation("0.5", "0.25", Scale::Unit)
        };
        let lines = said.apply(&mut network).unwrap();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("less 0.5, divided by 0.25"), "{lines:?}");
        assert_eq!(network.metadata.classes, ["x", "y"]);
        assert_eq!(network.metadata.normalisation.as_ref().unwrap().mean, [0.5; 3]);
        let three = Preparation { classes: Some("x,y,z".parse().unwrap()), ..Preparation::default() };
        assert!(
            three
                .apply(&mut zoo::load("malaria-cnn").unwrap())
                .unwrap_err()
                .contains("--classes names 3, it has 2")
        );
    }
}
