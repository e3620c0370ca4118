//! Everyday ways of saying the things that customers say to any shop or service.
//! Contracts' examples decide which tool a notion stands for; this table only
//! knows that "call it off" and "cancel" are the same notion.
//!
//! The phrases are data: `lexicon.txt` says how they are written.

/// A notion that a phrase stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Notion {
    /// Stop something ordered or booked.
    Cancel,
    /// Money back.
    Refund,
    /// Send something back.
    Return,
    /// Something is wrong with what came.
    Defect,
    /// Where is it, how far is it.
    Track,
    /// Goes somewhere else.
    Address,
    /// What have I got.
    List,
    /// Wants a person.
    Human,
    /// Threatens or suffers: a person must see it.
    Grave,
    /// The speaker does not know yet.
    Unsure,
    /// Takes something back that was said before.
    Retract,
    /// Tells of something earlier.
    Past,
    /// A question about how things are in general.
    General,
    /// A question about money already promised.
    RefundStatus,
    /// Asks for something to be kept as it is.
    Keep,
    /// Means a part of a thing, not all of it.
    Partial,
}

/// The phrases.
const PHRASES: &str = include_str!("lexicon.txt");

/// Every phrase with its notion and weight, in the file's order.
pub fn phrases() -> impl Iterator<Item = (Notion, f64, &'static str)> {
    let mut section = None;
    PHRASES.lines().filter(|line| !line.starts_with('#')).flat_map(move |line| {
        if let Some(header) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = header
                .split_once(' ')
                .and_then(|(name, weight)| Some((Notion::named(name)?, weight.parse().ok()?)));
            return Vec::new();
        }
        let here = section;
        let each = line.split(',').map(str::trim).filter(|phrase| !phrase.is_empty());
        each.filter_map(|phrase| here.map(|(notion, weight)| (notion, weight, phrase))).collect()
    })
}

impl Notion {
    fn named(name: &str) -> Option<Self> {
        let all = [
            ("cancel", Self::Cancel),
            ("refund", Self::Refund),
            ("return", Self::Return),
            ("defect", Self::Defect),
            ("track", Self::Track),
            ("address", Self::Address),
            ("list", Self::List),
            ("human", Self::Human),
            ("grave", Self::Grave),
            ("unsure", Self::Unsure),
            ("retract", Self::Retract),
            ("past", Self::Past),
            ("general", Self::General),
            ("refundstatus", Self::RefundStatus),
            ("keep", Self::Keep),
            ("partial", Self::Partial),
        ];
        all.into_iter().find(|(known, _)| *known == name).map(|(_, notion)| notion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_of_the_file_is_understood() {
        let headers = PHRASES.lines().filter(|l| l.starts_with('[')).count();
        let mut sections: Vec<(Notion, f64)> =
            phrases().map(|(notion, weight, _)| (notion, weight)).collect();
        sections.dedup();
        assert_eq!(sections.len(), headers);
    }
}
