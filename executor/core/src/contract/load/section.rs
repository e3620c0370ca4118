//! Reading mappings and scalars strictly, noting every problem.

use std::time::Duration;

use super::file::File;
use super::yaml::{Key, Kind, Place, Yaml};
use crate::contract::problem::ProblemKind;
use crate::expr::duration;
use crate::nearest::nearest;

/// A mapping whose keys are known.
#[derive(Clone, Copy)]
pub(crate) struct Section<'y> {
    pub(crate) file: &'y File,
    pub(crate) at: Place,
    entries: &'y [(Key, Yaml)],
}

impl<'y> Section<'y> {
    /// Opens a mapping; keys other than `known` are problems.
    pub(crate) fn open(file: &'y File, yaml: &'y Yaml, known: &[&str]) -> Option<Self> {
        let entries = file.map(yaml)?;
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                unknown_key(file, key, known);
            }
        }
        Some(Self { file, at: yaml.at, entries })
    }

    /// Opens a mapping again whose keys have been checked.
    pub(crate) fn within(file: &'y File, yaml: &'y Yaml) -> Option<Self> {
        if let Kind::Map(entries) = &yaml.kind {
            Some(Self { file, at: yaml.at, entries })
        } else {
            None
        }
    }

    /// The value of a key; an empty one counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'y Yaml> {
        let (_, value) = self.entries.iter().find(|(k, _)| k.text == key)?;
        (value.kind != Kind::Null).then_some(value)
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&self, key: &str) -> Option<&'y Yaml> {
        self.get(key).or_else(|| {
            let message = format!("`{key}` is missing");
            self.file.error(self.at, ProblemKind::Missing, message, None)
        })
    }

    pub(crate) fn need_text(&self, key: &str) -> Option<&'y str> {
        self.file.text(self.need(key)?)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&'y str> {
        self.file.text(self.get(key)?)
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        let Some(yaml) = self.get(key) else { return false };
        if let Kind::Bool(flag) = yaml.kind {
            return flag;
        }
        self.file.wrong(yaml, "true or false").unwrap_or(false)
    }

    pub(crate) fn count(&self, key: &str, most: usize) -> Option<usize> {
        let yaml = self.get(key)?;
        let Kind::Int(n) = yaml.kind else { return self.file.wrong(yaml, "a whole number") };
        let count = usize::try_from(n).ok().filter(|n| *n <= most);
        count.or_else(|| self.file.wrong(yaml, &format!("a number from 0 to {most}")))
    }

    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        let yaml = self.get(key)?;
        let found = match &yaml.kind {
            Kind::Text(text) => duration(text),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Float(_)
            | Kind::List(_)
            | Kind::Map(_) => None,
        };
        found.or_else(|| self.file.wrong(yaml, "a length of time such as 10s, 5m or 24h"))
    }

    pub(crate) fn items(&self, key: &str) -> &'y [Yaml] {
        self.get(key).and_then(|yaml| self.file.list(yaml)).unwrap_or(&[])
    }

    pub(crate) fn entries(&self, key: &str) -> &'y [(Key, Yaml)] {
        self.get(key).and_then(|yaml| self.file.map(yaml)).unwrap_or(&[])
    }
}

fn unknown_key(file: &File, key: &Key, known: &[&str]) {
    let remedy = nearest(&key.text, known.iter().copied()).map_or_else(
        || format!("there is: {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    let message = format!("`{}` is not a key here", key.text);
    file.error::<()>(key.at, ProblemKind::UnknownKey, message, Some(&remedy));
}

impl File {
    pub(crate) fn wrong<T>(&self, yaml: &Yaml, wanted: &str) -> Option<T> {
        let message = format!("expected {wanted}, found {}", yaml.what());
        let remedy = matches!(yaml.kind, Kind::Int(_) | Kind::Float(_) if wanted.contains("text"))
            .then_some("put it in quotes");
        self.error(yaml.at, ProblemKind::WrongValue, message, remedy)
    }

    pub(crate) fn text<'y>(&self, yaml: &'y Yaml) -> Option<&'y str> {
        if let Kind::Text(text) = &yaml.kind { Some(text) } else { self.wrong(yaml, "text") }
    }

    pub(crate) fn list<'y>(&self, yaml: &'y Yaml) -> Option<&'y [Yaml]> {
        if let Kind::List(items) = &yaml.kind { Some(items) } else { self.wrong(yaml, "a list") }
    }

    pub(crate) fn map<'y>(&self, yaml: &'y Yaml) -> Option<&'y [(Key, Yaml)]> {
        if let Kind::Map(map) = &yaml.kind { Some(map) } else { self.wrong(yaml, "a mapping") }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, yaml: &Yaml, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(yaml)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let remedy = nearest(text, words.iter().copied()).map_or_else(
                || format!("it is one of: {}", words.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("`{text}` is not known here");
            self.error(yaml.at, ProblemKind::WrongValue, message, Some(&remedy))
        })
    }

    /// A JSON Pointer.
    pub(crate) fn pointer(&self, yaml: &Yaml) -> Option<String> {
        let text = self.text(yaml)?;
        if text.is_empty() || text.starts_with('/') {
            return Some(text.to_owned());
        }
        let message = format!("`{text}` is not a JSON Pointer");
        let remedy = format!("write /{}", text.replace('.', "/"));
        self.error(yaml.at, ProblemKind::WrongValue, message, Some(&remedy))
    }

    /// A name of our own: what expressions call things.
    pub(crate) fn named(&self, at: Place, name: &str) -> Option<String> {
        let mut chars = name.chars();
        let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
        let rest = chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
        let reserved = matches!(name, "true" | "false" | "null" | "in");
        if first && rest && !reserved {
            return Some(name.to_owned());
        }
        let message = format!("`{name}` cannot be a name");
        let remedy = Some("use letters, digits and _, beginning with a letter");
        self.error(at, ProblemKind::WrongValue, message, remedy)
    }
}

/// A size such as `1MiB`, in bytes.
pub(crate) fn size(file: &File, yaml: &Yaml) -> Option<u64> {
    let parsed = match &yaml.kind {
        Kind::Text(text) => text.find(|c: char| !c.is_ascii_digit()).and_then(|unit| {
            let (count, unit) = text.split_at_checked(unit)?;
            let factor = match unit {
                "B" => 1,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                _ => return None,
            };
            count.parse::<u64>().ok()?.checked_mul(factor)
        }),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_)
        | Kind::List(_)
        | Kind::Map(_) => None,
    };
    let parsed = parsed.filter(|bytes| (1..=64 << 20).contains(bytes));
    parsed.or_else(|| file.wrong(yaml, "a size such as 512KiB or 1MiB, at most 64MiB"))
}
