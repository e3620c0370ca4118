//! Which tool a message means: notions and words of its examples against those
//! of the message.

use std::collections::{BTreeMap, BTreeSet};

use super::hear::{Clause, Heard, hear};
use super::lexicon::Notion;
use super::phrase::Hit;
use super::text::{Word, stem};
use crate::tools::{ToolSpec, Toolbox};

/// How well each tool fits, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The tool's name.
    pub tool: String,
    /// 0 to about 1.5.
    pub weight: f64,
}

/// The standing notions of a message, each with its strength.
#[derive(Debug, Default)]
pub struct Meant(pub BTreeMap<Notion, f64>);

impl Meant {
    /// Strength of a notion, 0 where it is not there.
    #[must_use]
    pub fn of(&self, notion: Notion) -> f64 {
        self.0.get(&notion).copied().unwrap_or(0.0)
    }

    /// Collects what stands, weaker where the clause tells of the past.
    #[must_use]
    pub fn in_message(heard: &Heard) -> Self {
        let mut meant = BTreeMap::new();
        // "I changed my mind, don't cancel": a faint sign does not outlive the denial.
        let denied =
            |notion| heard.clauses.iter().flat_map(|c| &c.denied).any(|hit| hit.notion == notion);
        // Where something is asked or asked for, the rest only surrounds it.
        let spoken = heard.clauses.iter().any(is_speech_act);
        for clause in &heard.clauses {
            let told = match clause {
                past if past.has(Notion::Past) => 0.3,
                aside if spoken && !is_speech_act(aside) => 0.4,
                _said => 1.0,
            };
            let counts = |notion: Notion| if TOPICS.contains(&notion) { told } else { 1.0 };
            for hit in clause.hits.iter().filter(|hit| hit.weight >= 1.0 || !denied(hit.notion)) {
                let strength: &mut f64 = meant.entry(hit.notion).or_default();
                *strength = strength.max(hit.weight * counts(hit.notion));
            }
        }
        // "Is my address 5 Elm Street?" asks about it; it is not a wish for it.
        let asked = |c: &Clause| {
            c.asks && !c.asks_favour && c.denied.iter().any(|hit| hit.notion == Notion::Address)
        };
        let idle = !spoken && !heard.clauses.iter().any(asked);
        let meant_here = idle || meant.contains_key(&Notion::Address);
        if heard.postal && meant_here {
            let strength: &mut f64 = meant.entry(Notion::Address).or_default();
            *strength = strength.max(1.0) + 0.2;
        }
        imply(&mut meant);
        status_question(heard, &mut meant);
        // "Cancel it and refund me": the second follows from the first.
        let both = |c: &Clause| c.has(Notion::Cancel) && c.has(Notion::Refund);
        if heard.clauses.iter().any(both)
            && let Some(refund) = meant.get_mut(&Notion::Refund)
        {
            *refund *= 0.4;
        }
        // "Cancel everything I ordered": what is to be done outweighs what it is done to.
        if ACTS.iter().any(|n| meant.get(n).is_some_and(|s| *s >= 0.6)) {
            for (notion, share) in [(Notion::List, 0.3), (Notion::Track, 0.6)] {
                if let Some(strength) = meant.get_mut(&notion) {
                    *strength *= share;
                }
            }
        }
        Self(meant)
    }
}

/// What comes back is to be paid back, and so may be what came broken.
fn imply(meant: &mut BTreeMap<Notion, f64>) {
    let back = meant.get(&Notion::Return).copied().unwrap_or(0.0) * 0.9;
    let broken = meant.get(&Notion::Defect).copied().unwrap_or(0.0) * 0.6;
    let implied = back.max(broken);
    if implied > 0.0 {
        let refund: &mut f64 = meant.entry(Notion::Refund).or_default();
        *refund = refund.max(implied);
    }
}

/// "Did you cancel 1004?", "what about 1002?": asks how that very thing stands.
fn status_question(heard: &Heard, meant: &mut BTreeMap<Notion, f64>) {
    let asked = heard.clauses.iter().any(|c| c.asks && c.words.iter().any(is_order_number));
    if asked && TOPICS.iter().all(|topic| !meant.contains_key(topic)) {
        meant.insert(Notion::Track, 0.7);
    }
}

fn is_order_number(word: &Word) -> bool {
    word.number && word.stem.len() >= 3 && word.stem.chars().all(|c| c.is_ascii_digit())
}

/// Notions that name something to be done.
const ACTS: &[Notion] = &[Notion::Cancel, Notion::Refund, Notion::Return, Notion::Address];

/// A clause that asks or asks for something that tools are about.
fn is_speech_act(clause: &Clause) -> bool {
    (clause.asks || clause.requests)
        && clause
            .hits
            .iter()
            .any(|hit| TOPICS.contains(&hit.notion) && hit.notion != Notion::Defect)
}

/// Notions that tell tools apart; the others shape the kind of message.
pub const TOPICS: &[Notion] = &[
    Notion::Cancel,
    Notion::Refund,
    Notion::Return,
    Notion::Defect,
    Notion::Track,
    Notion::Address,
    Notion::List,
];

/// What the examples of the tools say, ready to be compared with messages.
#[derive(Debug)]
pub struct Profiles {
    tools: Vec<Profile>,
    /// Stem to the number of tools that use it.
    spread: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Profile {
    tool: String,
    /// It changes something: what it hardly means must not reach it.
    writes: bool,
    notions: BTreeMap<Notion, f64>,
    examples: Vec<BTreeSet<String>>,
}

impl Profiles {
    /// From the tools that customers ask for.
    #[must_use]
    pub fn of(toolbox: &Toolbox) -> Self {
        let mut tools: Vec<Profile> = toolbox.asked_for().map(profile).collect();
        let mut spread = BTreeMap::new();
        for tool in &tools {
            let stems: BTreeSet<&String> = tool.examples.iter().flatten().collect();
            for stem in stems {
                *spread.entry(stem.clone()).or_default() += 1;
            }
        }
        sharpen(&mut tools);
        Self { tools, spread }
    }

    /// Fit of every tool, best first; ties by name.
    #[must_use]
    pub fn fits(&self, heard: &Heard, meant: &Meant) -> Vec<Fit> {
        let said: BTreeSet<String> =
            heard.clauses.iter().filter(|c| c.denied.is_empty()).flat_map(content).collect();
        let elsewhere = elsewhere(heard);
        let fit = |t: &Profile| {
            let foreign = t.writes
                && elsewhere.iter().any(|stem| !t.examples.iter().any(|e| e.contains(*stem)));
            let fit = self.fit(t, meant, &said);
            Fit { weight: if foreign { fit.weight * FOREIGN_SHARE } else { fit.weight }, ..fit }
        };
        let mut fits: Vec<Fit> = self.tools.iter().map(fit).collect();
        fits.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.tool.cmp(&b.tool)));
        fits
    }

    fn fit(&self, profile: &Profile, meant: &Meant, said: &BTreeSet<String>) -> Fit {
        let notions: f64 = TOPICS
            .iter()
            .map(|n| meant.of(*n) * profile.notions.get(n).copied().unwrap_or(0.0))
            .sum();
        let best = |fit: &dyn Fn(&BTreeSet<String>) -> f64| {
            profile.examples.iter().map(fit).fold(0.0, f64::max)
        };
        // Words lead where the lexicon knows nothing of the tool, and only break ties elsewhere.
        let words = match profile.notions.is_empty() {
            true => best(&|e| self.covered(e, said) * self.explained(e, said)),
            false => 0.25 * best(&|e| self.covered(e, said)),
        };
        Fit { tool: profile.tool.clone(), weight: notions + words }
    }

    /// How much of an example the message says, rarer words counting more.
    fn covered(&self, example: &BTreeSet<String>, said: &BTreeSet<String>) -> f64 {
        share(self.rarity(example.intersection(said)), self.rarity(example.iter()))
    }

    /// How much an example explains of what the examples know of the message: "my call" is all
    /// there in "book a call", and leaves the booking unexplained.
    fn explained(&self, example: &BTreeSet<String>, said: &BTreeSet<String>) -> f64 {
        share(self.rarity(example.intersection(said)), self.rarity(said.iter()))
    }

    fn rarity<'s>(&self, stems: impl Iterator<Item = &'s String>) -> f64 {
        stems.filter_map(|stem| self.spread.get(stem)).map(|tools| 1.0 / *tools as f64).sum()
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Things and deeds that few tools mean. A tool whose own examples do not speak of
/// them is hardly what such a message wants: "cancel my newsletter".
const ELSEWHERE: &[&str] = &[
    "account",
    "newsletter",
    "subscription",
    "membership",
    "appointment",
    "ticket",
    "replace",
    "replacement",
    "exchange",
    "label",
    "invoice",
    "password",
    "login",
    "repair",
    "voucher",
    "coupon",
    "discount",
    "add",
    "profile",
    "unsubscribe",
    "survey",
];
/// Objects of a deed that turn it into another: "cancel the refund".
const TURNED: &[&str] = &["refund", "return", "change", "request", "address"];
/// What is left of a fit that speaks of something else.
const FOREIGN_SHARE: f64 = 0.35;

/// Stems of the message that point to something few tools do.
fn elsewhere(heard: &Heard) -> Vec<&String> {
    let mut found = Vec::new();
    for clause in &heard.clauses {
        for (at, word) in clause.words.iter().enumerate() {
            let before = clause.words.get(..at).unwrap_or_default();
            let denied = before
                .iter()
                .rev()
                .take(4)
                .any(|w| matches!(w.stem.as_str(), "not" | "no" | "without"));
            let named =
                !word.spelled.ends_with("ed") && ELSEWHERE.iter().any(|e| stem(e) == word.stem);
            if (named && !denied) || is_turned(clause, at, word) {
                found.push(&word.stem);
            }
        }
    }
    found
}

fn is_turned(clause: &Clause, at: usize, word: &Word) -> bool {
    let joined = |from: usize| {
        clause
            .words
            .get(from..at)
            .unwrap_or_default()
            .iter()
            .any(|w| matches!(w.stem.as_str(), "and" | "or" | "then"))
    };
    let after_cancel = |hit: &Hit| {
        hit.notion == Notion::Cancel
            && hit.words.end <= at
            && at < hit.words.end + 3
            && !joined(hit.words.end)
    };
    let asked_for = word.spelled.ends_with("ed");
    !asked_for
        && TURNED.iter().any(|t| stem(t) == word.stem)
        && clause.hits.iter().any(after_cancel)
}

fn profile(tool: &ToolSpec) -> Profile {
    let mut counts: BTreeMap<Notion, f64> = BTreeMap::new();
    let mut examples = Vec::new();
    for example in &tool.examples {
        let heard = hear(&without_slots(example));
        for (notion, strength) in Meant::in_message(&heard).0 {
            if TOPICS.contains(&notion) {
                *counts.entry(notion).or_default() += strength.min(1.0);
            }
        }
        examples.push(heard.clauses.iter().flat_map(content).collect());
    }
    let often = |count: f64| (2.5 * count / tool.examples.len().max(1) as f64).min(1.0);
    let notions = counts.into_iter().map(|(n, count)| (n, often(count))).collect();
    Profile { tool: tool.name.clone(), writes: !tool.read, notions, examples }
}

/// A notion that several tools' examples share says less about each.
fn sharpen(tools: &mut [Profile]) {
    let mut totals: BTreeMap<Notion, f64> = BTreeMap::new();
    for tool in tools.iter() {
        for (notion, weight) in &tool.notions {
            *totals.entry(*notion).or_default() += weight;
        }
    }
    for tool in tools {
        for (notion, weight) in &mut tool.notions {
            *weight *= *weight / totals.get(notion).copied().unwrap_or(1.0).max(f64::MIN_POSITIVE);
        }
        tool.notions.retain(|_, weight| *weight > 0.05);
    }
}

fn without_slots(example: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0_usize;
    for letter in example.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            other if depth == 0 => kept.push(other),
            _inside => {}
        }
    }
    kept
}

/// Words that carry no topic.
pub(super) const EMPTY: &[&str] = &[
    "a", "an", "the", "i", "you", "it", "my", "me", "your", "we", "us", "our", "is", "are", "am",
    "was", "be", "been", "do", "doe", "did", "have", "has", "had", "to", "of", "for", "from", "on",
    "in", "at", "with", "by", "and", "or", "that", "this", "thi", "not", "no", "pleas", "can",
    "could", "would", "will", "want", "like", "need", "get", "got", "order", "so", "if", "as",
    "just", "now", "they", "them", "then", "there", "hi", "hello", "thank", "up", "out", "any",
    "more", "some", "what", "when", "wher", "how", "which",
];

fn content(clause: &Clause) -> Vec<String> {
    let keep = |w: &&Word| !w.number && !EMPTY.contains(&w.stem.as_str());
    clause.words.iter().filter(keep).map(|w| w.stem.clone()).collect()
}
