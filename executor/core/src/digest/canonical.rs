//! Writes anything as canonical JSON: members sorted by name, no spaces. The text is the
//! one that its JSON tree would have, without making the tree.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::ops::Range;

use serde::ser::{self, Error as _, Serialize, Serializer};
use serde_json::{Error, Value as Json};

/// The canonical text of a value, after what is in `out` already.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, out: &mut String) -> Result<(), Error> {
    value.serialize(Writer(out))
}

struct Writer<'o>(&'o mut String);

/// A list begun.
struct Items<'o> {
    out: &'o mut String,
    first: bool,
    end: &'static str,
}

/// Members as they come, and where each stands, until all are known.
struct Members<'o> {
    out: &'o mut String,
    begin: usize,
    members: Vec<(Cow<'static, str>, Range<usize>)>,
    name: String,
    end: &'static str,
}

impl<'o> Writer<'o> {
    /// `{"variant":` before what it holds.
    fn variant(self, variant: &str) -> &'o mut String {
        self.0.push('{');
        quoted(variant, self.0);
        self.0.push(':');
        self.0
    }

    /// What JSON writes as Rust does.
    fn plain(self, value: impl Display) -> Result<(), Error> {
        write!(self.0, "{value}").map_err(Error::custom)
    }
}

/// As JSON writes it; most texts have nothing to escape.
fn quoted(text: &str, out: &mut String) {
    if text.bytes().any(|b| b < 0x20 || matches!(b, b'"' | b'\\')) {
        out.push_str(&Json::from(text).to_string());
    } else {
        out.extend(["\"", text, "\""]);
    }
}

fn items<'o>(out: &'o mut String, end: &'static str) -> Items<'o> {
    out.push('[');
    Items { out, first: true, end }
}

fn members<'o>(out: &'o mut String, end: &'static str) -> Members<'o> {
    out.push('{');
    let begin = out.len();
    Members { out, begin, members: Vec::new(), name: String::new(), end }
}

macro_rules! plain {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, value: $type) -> Result<(), Error> {
            self.plain(value)
        })*
    };
}

impl<'o> Serializer for Writer<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'o>;
    type SerializeTuple = Items<'o>;
    type SerializeTupleStruct = Items<'o>;
    type SerializeTupleVariant = Items<'o>;
    type SerializeMap = Members<'o>;
    type SerializeStruct = Members<'o>;
    type SerializeStructVariant = Members<'o>;

    plain! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.0.push_str(&serde_json::to_string(&value)?);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        quoted(text, self.0);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.0.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let out = self.variant(variant);
        write(value, out)?;
        out.push('}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'o>, Error> {
        Ok(items(self.0, "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'o>, Error> {
        Ok(items(self.0, "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'o>, Error> {
        Ok(items(self.0, "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'o>, Error> {
        Ok(items(self.variant(variant), "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'o>, Error> {
        Ok(members(self.0, "}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'o>, Error> {
        Ok(members(self.0, "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'o>, Error> {
        Ok(members(self.variant(variant), "}}"))
    }
}

impl Items<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        write(value, self.out)
    }

    fn close(self) {
        self.out.push_str(self.end);
    }
}

impl Members<'_> {
    fn add<T: Serialize + ?Sized>(
        &mut self,
        name: Cow<'static, str>,
        value: &T,
    ) -> Result<(), Error> {
        if !self.members.is_empty() {
            self.out.push(',');
        }
        let from = self.out.len();
        quoted(&name, self.out);
        self.out.push(':');
        write(value, self.out)?;
        self.members.push((name, from..self.out.len()));
        Ok(())
    }

    fn close(mut self) {
        if !self.members.is_sorted_by(|(a, _), (b, _)| a <= b) {
            self.members.sort_by(|(a, _), (b, _)| a.cmp(b));
            let mut sorted = String::with_capacity(self.out.len().saturating_sub(self.begin));
            for (_, member) in self.members {
                if !sorted.is_empty() {
                    sorted.push(',');
                }
                sorted.push_str(self.out.get(member).unwrap_or_default());
            }
            self.out.truncate(self.begin);
            self.out.push_str(&sorted);
        }
        self.out.push_str(self.end);
    }
}

macro_rules! list {
    ($($part:ident: $add:ident),*) => {
        $(impl ser::$part for Items<'_> {
            type Ok = ();
            type Error = Error;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.add(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })*
    };
}

list! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
}

macro_rules! object {
    ($($part:ident),*) => {
        $(impl ser::$part for Members<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.add(Cow::Borrowed(name), value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })*
    };
}

object! { SerializeStruct, SerializeStructVariant }

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let key = serde_json::to_value(key)?;
        self.name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let name = std::mem::take(&mut self.name);
        self.add(Cow::Owned(name), value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
