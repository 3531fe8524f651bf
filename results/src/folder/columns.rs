//! Columns of a table from its row type: the names that serde gives a struct's fields, so that they are written down once.

use serde::{
    de::{DeserializeOwned, Deserializer, Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};

/// Names of the fields of a struct, in order; none of any other type.
pub(crate) fn fields<R: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Nothing is read: a struct asks for its fields by name, and that is all that is wanted of it.
    let _ = <R as serde::Deserialize>::deserialize(Names(&mut names));
    names
}

/// Notes which fields are asked for, and gives none.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("the names are enough"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("a row is a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn names_are_those_that_serde_reads_in_the_order_of_the_fields() {
        #[derive(Deserialize)]
        struct Row {
            _b: u8,
            #[serde(rename = "first", default)]
            _a: Option<String>,
            _c: Vec<u8>,
        }
        assert_eq!(fields::<Row>(), ["_b", "first", "_c"]);
        assert!(fields::<String>().is_empty() && fields::<Vec<Row>>().is_empty());
    }
}
