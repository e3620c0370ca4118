//! A property, and what breaks it.

use serde_json::Value;

use crate::rendered::Rendered;

pub struct Check {
    pub says: &'static str,
    pub holds: fn(&Rendered) -> Result<(), String>,
    /// Each of these alone makes it fail.
    pub broken: &'static [Break],
}

/// One edit of one object.
pub struct Break {
    pub kind: &'static str,
    pub name: &'static str,
    /// JSON Pointer, in which `[x]` is the item of that name; `-` at its end appends to a list.
    pub at: &'static str,
    /// YAML that is put there; empty takes it away.
    pub to: &'static str,
}

pub const fn put(
    kind: &'static str,
    name: &'static str,
    at: &'static str,
    to: &'static str,
) -> Break {
    Break { kind, name, at, to }
}

pub const fn without(kind: &'static str, name: &'static str, at: &'static str) -> Break {
    Break { kind, name, at, to: "" }
}

impl Check {
    pub fn holds_and_can_fail(&self, overlay: &str, rendered: &Rendered) {
        if let Err(why) = (self.holds)(rendered) {
            panic!("{overlay}: {}: {why}", self.says);
        }
        assert!(!self.broken.is_empty(), "{}: nobody has seen it fail", self.says);
        for edit in self.broken {
            let mut copy = rendered.clone();
            edit.apply(&mut copy);
            let found = (self.holds)(&copy);
            let Break { kind, name, at, to } = edit;
            assert!(found.is_err(), "{}: does not see {kind} {name} {at} = {to:?}", self.says);
        }
    }
}

impl Break {
    pub fn apply(&self, copy: &mut Rendered) {
        if self.at.is_empty() {
            let object = copy.object_mut(self.kind, self.name).clone();
            return copy.objects.retain(|other| *other != object);
        }
        let (parent, last) = self.at.rsplit_once('/').unwrap();
        let object = copy.object_mut(self.kind, self.name);
        let place = parent.split('/').skip(1).fold(object, step);
        let value: Option<Value> =
            (!self.to.is_empty()).then(|| serde_saphyr::from_str(self.to).unwrap());
        let last = last.replace("~1", "/");
        match (place, value) {
            (Value::Object(fields), Some(value)) => drop(fields.insert(last, value)),
            (Value::Object(fields), None) => {
                assert!(fields.remove(&last).is_some(), "nothing at {}", self.at);
            }
            (Value::Array(items), Some(value)) if last == "-" => items.push(value),
            (Value::Array(items), Some(value)) => items[last.parse::<usize>().unwrap()] = value,
            (Value::Array(items), None) => drop(items.remove(at(items, &last))),
            (other, _) => panic!("{} is no place: {other}", self.at),
        }
    }
}

fn step<'v>(value: &'v mut Value, segment: &str) -> &'v mut Value {
    let segment = segment.replace("~1", "/");
    let at = value.as_array().map(|items| at(items, &segment));
    let found = match at {
        Some(at) => value.get_mut(at),
        None => value.get_mut(&segment),
    };
    found.unwrap_or_else(|| panic!("nothing at {segment}"))
}

fn at(items: &[Value], segment: &str) -> usize {
    let name = segment.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let named = |name| items.iter().position(|item| item["name"] == name);
    name.map_or_else(|| segment.parse().ok(), named).unwrap_or_else(|| panic!("no {segment}"))
}
