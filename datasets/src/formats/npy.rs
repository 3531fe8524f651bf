//! Arrays in NumPy's `.npy` format: magic, version, length of the header, the header (a Python dictionary as
//! NumPy writes it), values.
//! Source: NumPy Enhancement Proposal 1.

/// A file in memory, its header read and its values not yet.
#[derive(Debug)]
pub(crate) struct Npy<'a> {
    /// Type of a value, such as `|u1` or `<f4`.
    pub(crate) descr: &'a str,
    /// Whether the first axis varies fastest.
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<u64>,
    pub(crate) values: &'a [u8],
}

/// Values of an array in C order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    Bytes(Vec<u8>),
    Integers(Vec<i64>),
    Reals(Vec<f32>),
}

/// An array in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    /// Product of the sizes is the number of values.
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

impl<'a> Npy<'a> {
    /// Reads the header of a file that is in memory.
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, String> {
        let (start, length) = match file {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
                (10, usize::from(u16::from_le_bytes([*a, *b])))
            }
            [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
                (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize)
            }
            _ => return Err("it is not an .npy file".into()),
        };
        let (header, values) = file[start..]
            .split_at_checked(length)
            .ok_or(format!("it ends within its header of {length} bytes"))?;
        let header = std::str::from_utf8(header).map_err(|error| error.to_string())?;
        let descr = value_of(header, "descr")?;
        let descr = descr
            .strip_prefix('\'')
            .and_then(|rest| rest.split_once('\''))
            .ok_or_else(|| format!("`descr` is {}, not one plain type", start_of(descr)))?;
        let order = value_of(header, "fortran_order")?;
        let fortran = match (order.starts_with("False"), order.starts_with("True")) {
            (true, _) => false,
            (_, true) => true,
            _ => return Err(format!("`fortran_order` is {}", start_of(order))),
        };
        let axes = value_of(header, "shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let (axes, _) = axes.ok_or("`shape` is not a tuple")?;
        let axes = axes.split(',').map(str::trim).filter(|axis| !axis.is_empty());
        let shape: Vec<u64> =
            axes.map(str::parse).collect::<Result<_, _>>().map_err(|error| format!("`shape`: {error}"))?;
        Ok(Self { descr: descr.0, fortran, shape, values })
    }

    /// Number of values by the shape, if that many bytes of `size` each are there.
    pub(crate) fn count(&self, size: usize) -> Result<usize, String> {
        let expected = self.shape.iter().try_fold(size as u64, |bytes, &axis| bytes.checked_mul(axis));
        if expected == Some(self.values.len() as u64) {
            return Ok(self.values.len() / size);
        }
        let Self { shape, values, descr, .. } = self;
        Err(format!("its shape is {shape:?} of `{descr}` and it has {} bytes", values.len()))
    }

    /// The values, whatever their type of numbers and order.
    ///
    /// # Errors
    /// If they are no numbers, or not as many as the shape says.
    pub(crate) fn array(&self) -> Result<Array, String> {
        let (big, kind) = match self.descr.split_at_checked(1) {
            Some((">", kind)) => (true, kind),
            Some(("<" | "|" | "=", kind)) => (false, kind),
            _ => return Err(format!("its type `{}` is not known", self.descr)),
        };
        let integers = |size: usize, signed: bool| -> Result<Values, String> {
            self.count(size)?;
            let read = |bytes: &[u8]| integer(bytes, big, signed).ok_or("a value exceeds 63 bits".to_owned());
            Ok(Values::Integers(self.values.chunks_exact(size).map(read).collect::<Result<_, _>>()?))
        };
        let values = match kind {
            "u1" => {
                self.count(1)?;
                Values::Bytes(self.values.to_vec())
            }
            "b1" | "i1" => integers(1, true)?,
            "u2" => integers(2, false)?,
            "u4" => integers(4, false)?,
            "u8" => integers(8, false)?,
            "i2" => integers(2, true)?,
            "i4" => integers(4, true)?,
            "i8" => integers(8, true)?,
            "f4" => {
                self.count(4)?;
                let read = |bytes: &[u8]| f32::from_bits(unsigned(bytes, big) as u32);
                Values::Reals(self.values.chunks_exact(4).map(read).collect())
            }
            "f8" => {
                self.count(8)?;
                let read = |bytes: &[u8]| f64::from_bits(unsigned(bytes, big)) as f32;
                Values::Reals(self.values.chunks_exact(8).map(read).collect())
            }
            _ => {
                return Err(format!(
                    "its type is `{}`: expected whole numbers, or floats of 32 or 64 bits",
                    self.descr
                ));
            }
        };
        // Every size is at most the number of values, or there are none.
        let shape: Vec<usize> = self.shape.iter().map(|&axis| axis as usize).collect();
        if shape.contains(&0) {
            return Err(format!("its shape is {shape:?}: it is empty"));
        }
        let values = match (self.fortran, values) {
            (false, values) => values,
            (true, Values::Bytes(values)) => Values::Bytes(in_c_order(&values, &shape)),
            (true, Values::Integers(values)) => Values::Integers(in_c_order(&values, &shape)),
            (true, Values::Reals(values)) => Values::Reals(in_c_order(&values, &shape)),
        };
        Ok(Array { shape, values })
    }
}

fn unsigned(bytes: &[u8], big: bool) -> u64 {
    let join = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    if big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
}

fn integer(bytes: &[u8], big: bool, signed: bool) -> Option<i64> {
    let word = unsigned(bytes, big);
    if signed {
        let unused = 64 - 8 * bytes.len() as u32;
        return Some((word << unused).cast_signed() >> unused);
    }
    i64::try_from(word).ok()
}

/// Values stored with the first axis fastest, with the last one fastest.
fn in_c_order<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut strides = vec![1; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let (mut place, mut at) = (vec![0; shape.len()], 0);
    let mut ordered = Vec::with_capacity(values.len());
    for _ in values {
        ordered.push(values[at]);
        for axis in (0..shape.len()).rev() {
            place[axis] += 1;
            at += strides[axis];
            if place[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            place[axis] = 0;
        }
    }
    ordered
}

/// What stands behind `'key':`.
fn value_of<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let (_, rest) = header.split_once(&format!("'{key}':")).ok_or(format!("its header has no `{key}`"))?;
    Ok(rest.trim_start())
}

fn start_of(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(descr: &str, order: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(values);
        file
    }

    fn values(descr: &str, bytes: &[u8]) -> Result<Values, String> {
        let size = descr[2..].parse::<usize>().unwrap();
        let shape = format!("({},)", bytes.len() / size);
        Npy::parse(&npy(descr, "False", &shape, bytes))?.array().map(|array| array.values)
    }

    #[test]
    fn numbers_of_every_width_sign_and_byte_order_are_read() {
        assert_eq!(values("|u1", &[1, 255]).unwrap(), Values::Bytes(vec![1, 255]));
        assert_eq!(values("|i1", &[1, 255]).unwrap(), Values::Integers(vec![1, -1]));
        assert_eq!(values("|b1", &[1, 0]).unwrap(), Values::Integers(vec![1, 0]));
        assert_eq!(values("<u2", &[1, 2]).unwrap(), Values::Integers(vec![0x201]));
        assert_eq!(values(">u2", &[1, 2]).unwrap(), Values::Integers(vec![0x102]));
        assert_eq!(values("<i4", &[254, 255, 255, 255]).unwrap(), Values::Integers(vec![-2]));
        assert_eq!(values("<f4", &1.5f32.to_le_bytes()).unwrap(), Values::Reals(vec![1.5]));
        assert_eq!(values(">f8", &(-2.25f64).to_be_bytes()).unwrap(), Values::Reals(vec![-2.25]));
        assert!(values("<u8", &[255; 8]).unwrap_err().contains("63 bits"));
    }

    #[test]
    fn what_is_no_number_is_refused_by_its_type() {
        for descr in ["|O8", "<U4", "|S4", "<f2", "<c8", "<M8"] {
            let bytes = [0; 16];
            let file = npy(descr, "False", "(1,)", &bytes);
            let error = Npy::parse(&file).unwrap().array().unwrap_err();
            assert!(error.contains(descr), "{error}");
        }
        let structured = npy("x", "False", "(1,)", &[0]);
        let text = String::from_utf8_lossy(&structured[10..]).replace("'x'", "[('a', '<i4')]");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((text.len() as u16).to_le_bytes());
        file.extend(text.as_bytes());
        assert!(Npy::parse(&file).unwrap_err().contains("not one plain type"));
    }

    #[test]
    fn fortran_order_is_turned_around() {
        // np.arange(6).reshape(2, 3), stored column by column.
        let file = npy("|u1", "True", "(2, 3)", &[0, 3, 1, 4, 2, 5]);
        let array = Npy::parse(&file).unwrap().array().unwrap();
        assert_eq!(array, Array { shape: vec![2, 3], values: Values::Bytes(vec![0, 1, 2, 3, 4, 5]) });
    }

    #[test]
    fn sizes_that_are_not_there_take_no_memory() {
        for shape in ["(18446744073709551615, 2)", "(4294967296, 4294967296)", "(3,)", "(0,)", "(0, 9999999)"]
        {
            let bytes: &[u8] = if shape.starts_with("(0") { &[] } else { &[1, 2] };
            let file = npy("|u1", "True", shape, bytes);
            assert!(Npy::parse(&file).unwrap().array().is_err(), "{shape}");
        }
    }

    #[test]
    fn any_byte_of_a_file_may_be_another() {
        let whole = npy("<u2", "True", "(2, 3)", &[7; 12]);
        for at in 0..whole.len() {
            for byte in [0, b'(', b'9', b',', b'\'', 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                if let Ok(array) = Npy::parse(&damaged).and_then(|npy| npy.array()) {
                    let Values::Integers(values) = &array.values else { continue };
                    assert_eq!(array.shape.iter().product::<usize>(), values.len());
                }
            }
            assert!(Npy::parse(&whole[..at]).and_then(|npy| npy.array()).is_err(), "{at} bytes");
        }
    }
}
