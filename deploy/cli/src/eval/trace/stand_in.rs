//! What is personal in a conversation, and what stands in its place: the same wherever it
//! occurs, so that words, arguments and replies still belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::conversation::Conversation;

/// Stand-ins by what they stand for, in lower case. The default replaces nothing.
#[derive(Default)]
pub(super) struct StandIns {
    known: BTreeMap<String, String>,
    words: Option<Regex>,
}

/// Kinds of values that are somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Person,
    Street,
    Unit,
    City,
    Zip,
    Phone,
    Mail,
}

impl Kind {
    /// Of a field or an argument, by its name.
    fn of(name: &str) -> Option<Self> {
        match name.to_lowercase().replace('_', "").as_str() {
            "firstname" | "lastname" | "fullname" | "customername" | "recipient" | "company" => {
                Some(Self::Person)
            }
            "address1" | "street" | "line1" => Some(Self::Street),
            "address2" | "line2" => Some(Self::Unit),
            "city" | "town" => Some(Self::City),
            "zip" | "postcode" | "postalcode" => Some(Self::Zip),
            "phone" | "mobile" | "telephone" => Some(Self::Phone),
            "email" => Some(Self::Mail),
            _other => None,
        }
    }

    /// The `n`th stand-in, in the form of what it stands for; each is another.
    fn stand_in(self, n: usize, of: &str) -> String {
        let one =
            |all: [&'static str; 6]| all.get((n - 1) % all.len()).copied().unwrap_or("Sample");
        let round = |name: String| match (n - 1) / 6 {
            0 => name,
            round => format!("{name} {}", round + 1),
        };
        match self {
            Self::Person => round(one(["Alex", "Sam", "Robin", "Kim", "Charlie", "Jo"]).to_owned()),
            Self::City => {
                let end = one(["ton", "ford", "ham", "bury", "field", "wick"]);
                round(format!("Sample{end}"))
            }
            Self::Unit => format!("Apt {n}"),
            Self::Street if of.starts_with(|c: char| c.is_ascii_digit()) => {
                format!("{n} Sample Street")
            }
            Self::Street if of.ends_with(|c: char| c.is_ascii_digit()) => {
                format!("Samplestraat {n}")
            }
            Self::Street if n == 1 => "Sample Street".to_owned(),
            Self::Street => format!("Sample Street No. {n}"),
            Self::Zip => shaped(of, n),
            Self::Phone => format!("0555 01{:02}", n - 1),
            Self::Mail if n == 1 => "somebody@example.com".to_owned(),
            Self::Mail => format!("somebody{n}@example.com"),
        }
    }
}

/// A code in this form: `11111`, `AA1 1AA`; from the tenth on its number, `00010`.
fn shaped(of: &str, n: usize) -> String {
    let width = of.chars().filter(char::is_ascii_digit).count();
    let number = match n {
        1..=9 => n.to_string().repeat(width),
        _more => format!("{n:0>width$}"),
    };
    let mut digits = number.chars();
    let each = of.chars().map(|c| match c {
        '0'..='9' => digits.next().unwrap_or('0'),
        letter if letter.is_ascii_alphabetic() => 'A',
        other => other,
    });
    each.collect()
}

/// E-mail addresses; those of example.com are nobody's.
static MAIL: LazyLock<Regex> = LazyLock::new(|| constant(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"));
/// Telephone numbers as people write them: their first digit a 0 or after a plus, or in the
/// American form.
static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    constant(r"(^|[\s(,:])((?:\+|\(?0)\d?[\d ()./-]{7,}\d|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b)")
});
/// Days as people write them, which telephone numbers look like.
static DAY: LazyLock<Regex> = LazyLock::new(|| constant(r"^\d{1,4}[./-]\d{1,2}[./-]\d{2,4}$"));
/// What orders are called.
static ORDER: LazyLock<Regex> = LazyLock::new(|| constant(r"^#?[A-Z-]*\d+$"));
/// What no person wrote: times, numbers, ids, and names of tools and codes.
static OURS: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r"^(?:\d{4}-\d\d-\d\dT.*|-?\d+(?:\.\d+)?|gid://\S+|[a-z0-9]+(?:[._:][a-z0-9]+)+|[A-Z]+(?:_[A-Z]+)+)$",
    )
});

#[expect(clippy::unwrap_used, reason = "constants, used by a test")]
fn constant(form: &str) -> Regex {
    Regex::new(form).unwrap()
}

impl StandIns {
    /// For whoever this conversation knows: fields of state and arguments, by their names.
    pub(super) fn of(held: &Conversation) -> Self {
        let mut found = Found::default();
        // What was said has the first stand-ins.
        for receipt in &held.receipts {
            for argument in receipt.arguments.iter().filter(|argument| argument.from != "claim") {
                let name = argument.path.rsplit('.').next().unwrap_or_default();
                found.take(name, &argument.value, false);
            }
            found.mail(&serde_json::to_value(receipt).unwrap_or_default());
        }
        for told in &held.turns {
            found.mail(&serde_json::to_value(&told.turn).unwrap_or_default());
        }
        for receipt in &held.receipts {
            for part in [&receipt.before, &receipt.after, &receipt.output, &receipt.facts] {
                found.walk(part);
            }
        }
        found.stand_ins()
    }

    /// The conversation with stand-ins.
    pub(super) fn conversation(&self, held: &Conversation) -> anyhow::Result<Conversation> {
        let mut turns = Vec::with_capacity(held.turns.len());
        for told in &held.turns {
            let turn = self.over(&told.turn)?;
            turns.push(told.with(turn));
        }
        let receipts = held.receipts.iter().map(|receipt| self.over(receipt));
        Ok(Conversation { turns, receipts: receipts.collect::<anyhow::Result<_>>()? })
    }

    /// The same with stand-ins in each of its texts.
    pub(super) fn over<T: Serialize + DeserializeOwned>(&self, value: &T) -> anyhow::Result<T> {
        let mut json = serde_json::to_value(value)?;
        self.replace(&mut json);
        Ok(serde_json::from_value(json)?)
    }

    /// A text with stand-ins.
    pub(super) fn text(&self, text: &str) -> String {
        let Some(words) = &self.words else { return text.to_owned() };
        let text = words.replace_all(text, |found: &Captures<'_>| {
            let whole = found.get(0).map_or("", |found| found.as_str());
            self.known.get(&whole.to_lowercase()).cloned().unwrap_or_else(|| whole.to_owned())
        });
        let text = MAIL.replace_all(&text, |found: &Captures<'_>| {
            let whole = found.get(0).map_or("", |found| found.as_str());
            let nobody = whole.to_lowercase().ends_with("@example.com");
            if nobody { whole.to_owned() } else { "somebody@example.com".to_owned() }
        });
        let text = PHONE.replace_all(&text, |found: &Captures<'_>| {
            let part = |n: usize| found.get(n).map_or("", |found| found.as_str());
            let number = if DAY.is_match(part(2)) { part(2) } else { "0555 0100" };
            format!("{}{number}", part(1))
        });
        text.into_owned()
    }

    fn replace(&self, value: &mut Json) {
        match value {
            Json::String(text) if self.is_words(text) => *text = self.text(text),
            Json::Array(items) => items.iter_mut().for_each(|item| self.replace(item)),
            Json::Object(fields) => fields.values_mut().for_each(|field| self.replace(field)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    /// Whether somebody may have written it.
    fn is_words(&self, text: &str) -> bool {
        self.known.contains_key(&text.to_lowercase()) || !OURS.is_match(text)
    }
}

/// Values that are somebody's, and names of orders, which are nobody's.
#[derive(Default)]
struct Found {
    values: Vec<(Kind, String)>,
    names: BTreeSet<String>,
}

impl Found {
    fn walk(&mut self, value: &Json) {
        match value {
            Json::Object(fields) => {
                // What has an address has a person's name.
                let persons = fields.keys().any(|name| Kind::of(name).is_some());
                for (name, field) in fields {
                    self.take(name, field, persons);
                    self.walk(field);
                }
            }
            Json::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    fn take(&mut self, name: &str, value: &Json, persons: bool) {
        let Some(text) = value.as_str().map(str::trim).filter(|text| text.len() > 1) else {
            return;
        };
        let kind = match Kind::of(name) {
            // A number alone is nobody's, and would be found in any other.
            Some(Kind::Unit) if text.chars().all(|c| c.is_ascii_digit()) => None,
            None if name == "name" && ORDER.is_match(text) => {
                self.names.insert(text.trim_start_matches('#').to_owned());
                None
            }
            None if name == "name" && persons => Some(Kind::Person),
            kind => kind,
        };
        match kind {
            Some(Kind::Mail) => self.address(text),
            Some(kind) => {
                self.values.push((kind, text.to_owned()));
            }
            None => {}
        }
    }

    /// E-mail addresses in whatever text they stand.
    fn mail(&mut self, value: &Json) {
        let text = value.to_string();
        for found in MAIL.find_iter(&text) {
            self.address(found.as_str());
        }
    }

    fn address(&mut self, text: &str) {
        if !text.to_lowercase().ends_with("@example.com") {
            self.values.push((Kind::Mail, text.to_lowercase()));
        }
    }

    fn stand_ins(self) -> StandIns {
        let mut known = BTreeMap::new();
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        for (kind, text) in self.values {
            if self.names.contains(&text) || known.contains_key(&text.to_lowercase()) {
                continue;
            }
            let n = counts.entry(kind).or_default();
            *n += 1;
            known.insert(text.to_lowercase(), kind.stand_in(*n, &text));
        }
        let mut forms: Vec<&String> = known.keys().collect();
        // What holds another is looked for first.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        let forms: Vec<_> = forms.iter().map(|form| bounded(form)).collect();
        // Without a value to look for, there are still addresses and numbers.
        let form = if forms.is_empty() { r"\z.".to_owned() } else { forms.join("|") };
        StandIns { words: Regex::new(&format!("(?i){form}")).ok(), known }
    }
}

/// Only as a whole word.
fn bounded(form: &str) -> String {
    let edge = |c: Option<char>| if c.is_some_and(char::is_alphanumeric) { r"\b" } else { "" };
    let (first, last) = (form.chars().next(), form.chars().next_back());
    format!("{}{}{}", edge(first), regex::escape(form), edge(last))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn of(state: &Json) -> StandIns {
        let mut found = Found::default();
        found.walk(state);
        found.stand_ins()
    }

    #[test]
    fn one_value_has_one_stand_in_wherever_it_occurs() {
        let address = json!({ "address1": "5 Elm Street", "city": "Portland", "zip": "04101" });
        let order = json!({ "name": "#1001", "address": address, "last_name": "Moreno" });
        let stand_ins = of(&json!({ "order": order }));
        let said = "I am Mrs MORENO: send #1001 to 5 Elm Street, Portland, ME 04101";
        assert_eq!(
            stand_ins.text(said),
            "I am Mrs Alex: send #1001 to 1 Sample Street, Sampleton, ME 11111"
        );
        let card = "Order #1001 now goes to 5 Elm Street, Portland, 04101.";
        let told = stand_ins.text(card);
        assert_eq!(told, "Order #1001 now goes to 1 Sample Street, Sampleton, 11111.");
    }

    #[test]
    fn addresses_and_numbers_need_not_be_known() {
        let stand_ins = of(&Json::Null);
        let said = stand_ins.text("mail ada@shop.invalid, call +49 30 1234567 or (030) 123 45 67");
        assert_eq!(said, "mail somebody@example.com, call 0555 0100 or 0555 0100");
        for nobodys in ["customer1@example.com", "gid://shopify/Order/5812345678", "2026-11-25"] {
            assert_eq!(stand_ins.text(nobodys), nobodys);
        }
        assert_eq!(StandIns::default().text("ada@shop.invalid"), "ada@shop.invalid");
    }

    #[test]
    fn what_no_person_wrote_stays_as_it_is() {
        let address = json!({ "address2": "12", "company": "Shopify", "name": "Jane Moreno" });
        let stand_ins = of(&json!({ "order": { "name": "#1001", "address": address } }));
        for ours in
            ["2026-12-01T12:00:00Z", "12.00", "shopify.cancel_order", "gid://shopify/Order/12"]
        {
            let mut value = json!({ "at": ours });
            stand_ins.replace(&mut value);
            assert_eq!(value["at"], ours);
        }
        let told = stand_ins.text("Jane Moreno of Shopify, 207-555-0199, before 05/11/2026");
        assert_eq!(told, "Sam of Alex, 0555 0100, before 05/11/2026");
    }

    #[test]
    fn different_values_stay_different() {
        for (kind, of) in [
            (Kind::Person, "Moreno"),
            (Kind::City, "Portland"),
            (Kind::Street, "Main"),
            (Kind::Zip, "04101"),
            (Kind::Mail, "a@b.c"),
        ] {
            let all: BTreeSet<_> = (1..=20).map(|n| kind.stand_in(n, of)).collect();
            assert_eq!(all.len(), 20, "{kind:?}: {all:?}");
        }
        let mut found = Found::default();
        found.mail(&json!(["I am ada@shop.invalid", "no, ada@home.invalid"]));
        let stand_ins = found.stand_ins();
        assert_ne!(stand_ins.text("ada@shop.invalid"), stand_ins.text("ada@home.invalid"));
    }

    #[test]
    fn an_order_is_nobodys_even_where_a_post_code_looks_like_it() {
        let stand_ins = of(&json!({ "name": "#1001", "zip": "1001", "first_name": "Ada" }));
        assert_eq!(stand_ins.text("Ada wants 1001, not Adam's"), "Alex wants 1001, not Adam's");
    }
}
