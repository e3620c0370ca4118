//! YAML as a tree that knows where each part stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

/// Deepest nesting of a file.
const MAX_DEPTH: usize = 24;
/// Most parts that aliases may repeat.
const MAX_REPLAYED: usize = 10_000;

/// A place in a file: line and column, in characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value at its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Yaml {
    pub(crate) at: Place,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(Key, Yaml)>),
}

/// A key at its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) at: Place,
    pub(crate) text: String,
}

impl Yaml {
    /// Parses one document. The error has a place and a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, (Place, String)> {
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::Error,
            merge_keys: MergeKeyPolicy::Error,
            strict_booleans: true,
            with_snippet: false,
            budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPLAYED },
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let at = error.location().map(place).unwrap_or(Place { line: 1, column: 1 });
            (at, sentence(&error.without_snippet().to_string()))
        })
    }

    /// What it is, for messages.
    pub(crate) fn what(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(b) => format!("`{b}`"),
            Kind::Int(n) => format!("the number {n}"),
            Kind::Float(n) => format!("the number {n}"),
            Kind::Text(text) if text.chars().count() <= 40 => format!("`{text}`"),
            Kind::Text(_) => "a longer text".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// The parser's message without the place, which we say ourselves.
fn sentence(message: &str) -> String {
    let line = message.lines().next().unwrap_or(message);
    let line = line.split(" at line ").next().unwrap_or(line);
    line.trim_end_matches([':', '.', ' ']).to_owned()
}

fn place(at: serde_saphyr::Location) -> Place {
    let number = |n: u64| usize::try_from(n).unwrap_or(0);
    Place { line: number(at.line()), column: number(at.column()) }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { at: place(node.referenced), kind: node.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Kind, E> {
        i64::try_from(value).map(Kind::Int).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Kind, E> {
        i64::try_from(value).map(Kind::Int).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Kind, E> {
        i64::try_from(value).map(Kind::Int).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let key = Key { at: place(key.referenced), text: key.value };
            entries.push((key, map.next_value()?));
        }
        Ok(Kind::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn every_part_knows_its_place() {
        let yaml = Yaml::parse(
            "a: 1\nb:\n  - { c: \"x y\", d: =e.f }\n  - >-\n    g\n    h\non: 2026-11-20\nno: NO\n",
        )
        .unwrap();
        let Kind::Map(top) = &yaml.kind else { panic!() };
        let at = |line, column| Place { line, column };
        assert_eq!((top[0].0.at, top[0].1.at), (at(1, 1), at(1, 4)));
        let Kind::List(items) = &top[1].1.kind else { panic!() };
        let Kind::Map(inner) = &items[0].kind else { panic!() };
        assert_eq!((inner[0].0.at, inner[0].1.at), (at(3, 7), at(3, 10)));
        assert_eq!((inner[1].0.at, inner[1].1.at), (at(3, 17), at(3, 20)));
        assert_eq!(inner[1].1.kind, Kind::Text("=e.f".into()));
        assert_eq!(items[1].kind, Kind::Text("g h".into()));
        assert_eq!(items[1].at, at(5, 5));
        assert_eq!(top[2].0.text, "on");
        assert_eq!(top[2].1.kind, Kind::Text("2026-11-20".into()));
        assert_eq!(top[3].1.kind, Kind::Text("NO".into()));
    }

    #[test]
    fn no_file_is_too_much() {
        assert!(Yaml::parse(&"[".repeat(50_000)).is_err());
        assert!(Yaml::parse(&"a: {".repeat(200)).is_err());
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let one = format!("*a{}", n - 1);
            bomb.push_str(&format!("a{n}: &a{n} [{}]\n", [one.as_str(); 10].join(", ")));
        }
        assert!(Yaml::parse(&bomb).is_err());
    }

    #[test]
    fn broken_yaml_says_where() {
        let (at, message) = Yaml::parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(at.line >= 2, "{at:?} {message}");
        let (at, message) = Yaml::parse("a: 1\na: 2\n").unwrap_err();
        assert_eq!(at.line, 2, "{message}");
    }
}
