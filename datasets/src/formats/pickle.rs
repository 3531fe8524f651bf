//! Python's pickle format as plain data, as far as the batches of CIFAR-10 use it: nothing is called or imported.
//!
//! Values live in one list and refer to each other by index, so that no file can make them nest deeply.
//! Source: the opcodes of CPython's `Lib/pickletools.py`; PEP 307 (protocol 2).

use crate::formats::npz::ByteArray;
use std::collections::HashMap;
use std::ops::Range;

/// The batches have about 20,000 values: labels and file names.
const MAX_VALUES: usize = 1 << 18;

/// What a pickle holds.
#[derive(Debug)]
pub(crate) struct Pickle<'a> {
    file: &'a [u8],
    values: Vec<Value>,
    /// Index of the outermost value.
    root: usize,
}

#[derive(Clone, Debug)]
enum Value {
    None,
    Integer(i64),
    /// A string or bytes, by its place in the file.
    Bytes(Range<usize>),
    /// A class or function, by the place of its name.
    Global(Range<usize>),
    /// A list or a tuple.
    Sequence(Vec<usize>),
    Dictionary(Vec<(usize, usize)>),
    /// What a call would give, and the state it would be given.
    Object {
        function: usize,
        arguments: usize,
        state: Option<usize>,
    },
}

/// Whether bytes begin as a pickle of protocol 2 or later.
pub(crate) fn is_pickle(file: &[u8]) -> bool {
    matches!(file, [0x80, 2..=5, ..])
}

impl<'a> Pickle<'a> {
    /// Reads a pickle of protocol 2.
    ///
    /// # Errors
    /// What is wrong with it, or the opcode that no batch of CIFAR-10 has.
    pub(crate) fn read(file: &'a [u8]) -> Result<Self, String> {
        let mut reader = Reader { file, at: 0, values: Vec::new(), stack: Vec::new(), memo: HashMap::new() };
        while reader.step()? {}
        let root = reader.pop()?;
        Ok(Self { file, values: reader.values, root })
    }

    /// The list of numbers below 256 under a key of the outermost dictionary.
    pub(crate) fn bytes_of_list(&self, key: &str) -> Result<Vec<u8>, String> {
        let Value::Sequence(items) = self.entry(key)? else { return Err(format!("`{key}` is no list")) };
        let byte = |&item: &usize| match self.values[item] {
            Value::Integer(number) => u8::try_from(number).ok(),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = items.iter().map(byte).collect();
        bytes.ok_or_else(|| format!("`{key}` is no list of numbers from 0 to 255"))
    }

    /// NumPy's array of bytes under a key of the outermost dictionary, in C order.
    pub(crate) fn byte_array(&self, key: &str) -> Result<ByteArray, String> {
        let refused = || format!("`{key}` is no NumPy array of bytes");
        let &Value::Object { function, state: Some(state), .. } = self.entry(key)? else {
            return Err(refused());
        };
        if !self.is_global(function, &["numpy.core.multiarray", "numpy._core.multiarray"], "_reconstruct") {
            return Err(refused());
        }
        // Version, shape, type, whether in Fortran's order, values.
        let [_, shape, kind, fortran, bytes] = self.sequence(state).ok_or_else(refused)?[..] else {
            return Err(refused());
        };
        if !self.is_byte_type(kind) {
            return Err(refused());
        }
        let (Value::Integer(fortran), Value::Bytes(bytes)) = (&self.values[fortran], &self.values[bytes])
        else {
            return Err(refused());
        };
        let axis = |&axis: &usize| match self.values[axis] {
            Value::Integer(size) => u64::try_from(size).ok(),
            _ => None,
        };
        let shape: Option<Vec<u64>> = self.sequence(shape).ok_or_else(refused)?.iter().map(axis).collect();
        let (shape, bytes) = (shape.ok_or_else(refused)?, &self.file[bytes.clone()]);
        let expected = shape.iter().try_fold(1u64, |size, &axis| size.checked_mul(axis));
        if expected != Some(bytes.len() as u64) {
            return Err(format!("`{key}` has shape {shape:?} and {} bytes", bytes.len()));
        }
        let values = match (fortran, shape.as_slice()) {
            (0, _) => bytes.to_vec(),
            (_, &[rows, columns]) => transposed(bytes, rows as usize, columns as usize),
            _ => return Err(format!("`{key}` is in Fortran's order and has no two axes")),
        };
        Ok(ByteArray { shape, values })
    }

    fn entry(&self, key: &str) -> Result<&Value, String> {
        let Value::Dictionary(entries) = &self.values[self.root] else {
            return Err("the pickle is no dictionary".into());
        };
        let found = entries.iter().find(|(name, _)| self.text(*name) == Some(key.as_bytes()));
        found.map(|&(_, value)| &self.values[value]).ok_or_else(|| format!("it has no `{key}`"))
    }

    fn text(&self, index: usize) -> Option<&[u8]> {
        match &self.values[index] {
            Value::Bytes(place) => Some(&self.file[place.clone()]),
            _ => None,
        }
    }

    fn sequence(&self, index: usize) -> Option<&[usize]> {
        match &self.values[index] {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    fn is_global(&self, index: usize, modules: &[&str], name: &str) -> bool {
        let Value::Global(place) = &self.values[index] else { return false };
        let found = &self.file[place.clone()];
        modules.iter().any(|module| found == format!("{module}\n{name}").as_bytes())
    }

    fn is_byte_type(&self, index: usize) -> bool {
        let Value::Object { function, arguments, .. } = self.values[index] else { return false };
        let name = self.sequence(arguments).and_then(|arguments| arguments.first());
        self.is_global(function, &["numpy"], "dtype") && name.and_then(|&name| self.text(name)) == Some(b"u1")
    }
}

fn transposed(bytes: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    (0..rows).flat_map(|row| (0..columns).map(move |column| bytes[column * rows + row])).collect()
}

/// A value, or where a tuple, list or dictionary begins.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Mark,
    Value(usize),
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Slot>,
    memo: HashMap<u32, usize>,
}

impl Reader<'_> {
    /// Acts on the next opcode; `false` after the last.
    fn step(&mut self) -> Result<bool, String> {
        if self.stack.len().max(self.memo.len()) > MAX_VALUES {
            return Err(format!("it has more than {MAX_VALUES} values"));
        }
        let opcode = self.number(1)?;
        match opcode as u8 {
            0x80 => {
                self.number(1)?;
            }
            b'.' => return Ok(false),
            b'(' => self.stack.push(Slot::Mark),
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Integer(1))?,
            0x89 => self.push(Value::Integer(0))?,
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let word = self.number(4)?;
                self.push(Value::Integer(word.cast_signed().into()))?;
            }
            b'U' => self.text(1)?,
            b'T' | b'X' => self.text(4)?,
            b'c' => self.global()?,
            b'}' => self.push(Value::Dictionary(Vec::new()))?,
            b']' => self.push(Value::Sequence(Vec::new()))?,
            b't' => {
                let items = self.marked()?;
                self.push(Value::Sequence(items))?;
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0..opcode - 0x84 {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Value::Sequence(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.marked()?;
                self.append(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.marked()?;
                self.set(&items)?;
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.push(Value::Object { function, arguments, state: None })?;
            }
            b'b' => self.build()?,
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            other => {
                return Err(format!(
                    "opcode {other:#04x} at byte {} is in no batch of CIFAR-10",
                    self.at - 1
                ));
            }
        }
        Ok(true)
    }

    /// The next `bytes` bytes as a number, lowest first.
    fn number(&mut self, bytes: usize) -> Result<u32, String> {
        let place = self.take(bytes)?;
        Ok(self.file[place].iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }

    fn take(&mut self, bytes: usize) -> Result<Range<usize>, String> {
        let end = self.at.checked_add(bytes).filter(|&end| end <= self.file.len());
        let end = end.ok_or_else(|| format!("it ends after {} bytes, within a value", self.file.len()))?;
        let place = self.at..end;
        self.at = end;
        Ok(place)
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        if self.values.len() == MAX_VALUES {
            return Err(format!("it has more than {MAX_VALUES} values"));
        }
        self.stack.push(Slot::Value(self.values.len()));
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<usize, String> {
        match self.stack.pop() {
            Some(Slot::Value(index)) => Ok(index),
            _ => Err(format!("a value is missing at byte {}", self.at)),
        }
    }

    fn marked(&mut self) -> Result<Vec<usize>, String> {
        let mut items = Vec::new();
        loop {
            match self.stack.pop() {
                Some(Slot::Value(index)) => items.push(index),
                Some(Slot::Mark) => break,
                None => return Err(format!("a mark is missing at byte {}", self.at)),
            }
        }
        items.reverse();
        Ok(items)
    }

    fn integer(&mut self, bytes: usize) -> Result<(), String> {
        let number = self.number(bytes)?;
        self.push(Value::Integer(number.into()))
    }

    fn text(&mut self, length_bytes: usize) -> Result<(), String> {
        let length = self.number(length_bytes)?;
        let place = self.take(length as usize)?;
        self.push(Value::Bytes(place))
    }

    /// The name of a module and one in it, each up to a line break.
    fn global(&mut self) -> Result<(), String> {
        let start = self.at;
        for _ in 0..2 {
            while self.number(1)? != u32::from(b'\n') {}
        }
        self.push(Value::Global(start..self.at - 1))
    }

    fn top(&mut self) -> Result<&mut Value, String> {
        match self.stack.last() {
            Some(&Slot::Value(index)) => Ok(&mut self.values[index]),
            _ => Err(format!("a value is missing at byte {}", self.at)),
        }
    }

    fn append(&mut self, items: &[usize]) -> Result<(), String> {
        let at = self.at;
        match self.top()? {
            Value::Sequence(list) => list.extend(items),
            _ => return Err(format!("items are appended to no list at byte {at}")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[usize]) -> Result<(), String> {
        let at = self.at;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(format!("a key has no value at byte {at}"));
        };
        match self.top()? {
            Value::Dictionary(entries) => entries.extend(pairs.iter().map(|&[key, value]| (key, value))),
            _ => return Err(format!("keys are set of no dictionary at byte {at}")),
        }
        Ok(())
    }

    fn build(&mut self) -> Result<(), String> {
        let given = self.pop()?;
        let at = self.at;
        match self.top()? {
            Value::Object { state, .. } => *state = Some(given),
            _ => return Err(format!("a state is given to no object at byte {at}")),
        }
        Ok(())
    }

    fn remember(&mut self, bytes: usize) -> Result<(), String> {
        let key = self.number(bytes)?;
        let Some(&Slot::Value(index)) = self.stack.last() else {
            return Err(format!("a value is missing at byte {}", self.at));
        };
        self.memo.insert(key, index);
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Result<(), String> {
        let key = self.number(bytes)?;
        let index = self.memo.get(&key).ok_or_else(|| format!("value {key} was never remembered"))?;
        self.stack.push(Slot::Value(*index));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: &[u8] = include_bytes!("../../tests/fixtures/cifar10-data_batch_1.pickle");

    #[test]
    fn every_truncation_is_refused() {
        for length in (0..BATCH.len()).step_by(7).chain(BATCH.len() - 300..BATCH.len()) {
            assert!(Pickle::read(&BATCH[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn every_changed_byte_outside_the_pixels_gives_data_or_an_error() {
        let read = |file: &[u8]| {
            let pickle = Pickle::read(file)?;
            pickle.bytes_of_list("labels")?;
            pickle.byte_array("data")
        };
        let outside = (0..300).chain(BATCH.len() - 200..BATCH.len());
        for (place, change) in outside.flat_map(|place| [1, 0x20, 0x80, 0xff].map(|change| (place, change))) {
            let mut file = BATCH.to_vec();
            file[place] ^= change;
            // Either answer will do; a panic or gigabytes would not.
            drop(read(&file));
        }
    }

    #[test]
    fn values_without_end_or_depth_take_no_memory() {
        let mut many = vec![0x80, 2];
        many.resize(1 << 20, b'N');
        assert!(Pickle::read(&many).unwrap_err().contains("more than"));
        many.fill(b'(');
        assert!(Pickle::read(&many).unwrap_err().contains("more than"));
        let mut deep = vec![0x80, 2, b'N'];
        deep.resize(200_000, 0x85);
        deep.push(b'.');
        assert!(Pickle::read(&deep).unwrap().bytes_of_list("labels").is_err());
        assert!(Pickle::read(b"\x80\x02T\xff\xff\xff\xff").unwrap_err().contains("ends"));
        let mut recalled = b"\x80\x02Nq\x00".to_vec();
        recalled.extend(b"h\x00".repeat(1000));
        recalled.push(b'.');
        assert!(Pickle::read(&recalled).is_ok());
    }

    #[test]
    fn calls_are_read_and_never_made() {
        let file = b"\x80\x02}U\x06labelscos\nsystem\nU\x04echo\x85Rs.";
        let pickle = Pickle::read(file).unwrap();
        assert!(pickle.bytes_of_list("labels").unwrap_err().contains("no list"));
        assert!(pickle.byte_array("labels").err().unwrap().contains("no NumPy array"));
        assert!(Pickle::read(b"\x80\x02ios\nsystem\n.").unwrap_err().contains("0x69"));
    }

    #[test]
    fn arrays_in_fortrans_order_are_turned_around() {
        // np.arange(6).reshape(2, 3), stored column by column.
        assert_eq!(transposed(&[0, 3, 1, 4, 2, 5], 2, 3), [0, 1, 2, 3, 4, 5]);
    }
}
