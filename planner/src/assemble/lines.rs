//! List arguments: "the jacket and two of the mugs" against the lines read.

use std::collections::BTreeMap;

use countersign_proto::v1::Argument;
use serde_json::{Value as Json, json};

use super::choose::{Candidate, Mention, left_out, mentioned, names_other_goods, rivals, whole};
use super::{ArgumentSpec, Break, Builder, Given, Source, fields_of, list_of, question, typed};
use crate::model::offline::phrase;
use crate::model::offline::text::{Word, stem};

/// One chosen element and how many of it were asked for.
struct Line {
    candidate: Candidate,
    count: Option<i64>,
}

impl Builder<'_, '_> {
    pub(super) async fn list(
        &mut self,
        name: &str,
        spec: &ArgumentSpec,
        items: &ArgumentSpec,
        given: Option<&Given>,
        depth: usize,
    ) -> Result<Option<Argument>, Break> {
        if let Some(Given::List(elements)) = given {
            return self.given_list(name, items, elements, depth).await.map(Some);
        }
        let Some((key, key_spec)) = key_of(name, items) else {
            return match self.argument(name, items, None, depth).await {
                Ok(one) => Ok(one.map(|argument| list_of(vec![argument]))),
                Err(Break::Ask(_)) if !spec.is_required() => Ok(None),
                Err(other) => Err(other),
            };
        };
        if !spec.is_required() {
            return Ok(None);
        }
        let lines = self.chosen(name, spec, key_spec, depth).await?;
        Ok(Some(list_of(lines.iter().map(|line| element(key, items, line)).collect())))
    }

    async fn given_list(
        &mut self,
        name: &str,
        items: &ArgumentSpec,
        elements: &[Given],
        depth: usize,
    ) -> Result<Argument, Break> {
        let mut found = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            let place = format!("{name}/{at}");
            match self.argument(&place, items, Some(element), depth).await? {
                Some(argument) => found.push(argument),
                None => {
                    return Err(Break::object(
                        "ARGUMENT_MISSING",
                        &place,
                        "this element has no value",
                    ));
                }
            }
        }
        if found.is_empty() {
            return Err(Break::object("ARGUMENT_MISSING", name, "at least one element is wanted"));
        }
        Ok(list_of(found))
    }

    /// The elements that the customer means; asked where the words leave it open.
    async fn chosen(
        &mut self,
        name: &str,
        spec: &ArgumentSpec,
        key: &ArgumentSpec,
        depth: usize,
    ) -> Result<Vec<Line>, Break> {
        let open = self.candidates(name, key, depth).await?;
        let open: Vec<Candidate> =
            open.into_iter().filter(|c| amount_beside(&c.element, "quantity") != Some(0)).collect();
        if let Some(picked) = self.task.picks.get(name) {
            return Ok(self.picked(&open, picked));
        }
        for said in &self.task.said {
            // What the wish itself names comes before what is only told of.
            let inside = self.unheard(said);
            let within =
                inside.map(|off| mentioned(&open, &said.text, &off)).filter(|m| !m.is_empty());
            let mentions =
                within.unwrap_or_else(|| mentioned(&open, &said.text, &self.shunned(said)));
            if rivals(&mentions) {
                let among =
                    mentions.iter().filter_map(|m| open.get(m.candidate).cloned()).collect();
                return Err(Break::Ask(question(name, spec, among, true)));
            }
            if !mentions.is_empty() {
                let counted = counts(&said.text, &mentions);
                return Ok(lines(&open, mentions, counted));
            }
        }
        let newest = self.task.said.first().map(|s| phrase::said(&s.text)).unwrap_or_default();
        match open.as_slice() {
            [only] if self.task.said.iter().any(|s| names_other_goods(only, &s.text)) => {
                Err(Break::Ask(question(name, spec, open, true)))
            }
            [only] => Ok(vec![Line { count: everything(&newest, only), candidate: only.clone() }]),
            [] => Err(Break::Ask(question(name, spec, open, true))),
            several if whole(&newest) => {
                let spared =
                    self.task.said.first().map(|s| left_out(several, &s.text)).unwrap_or_default();
                let meant = several.iter().enumerate().filter(|(at, _)| !spared.contains(at));
                Ok(meant.map(|(_, candidate)| all_of(candidate)).collect())
            }
            _several => Err(Break::Ask(question(name, spec, open, true))),
        }
    }

    fn picked(&self, open: &[Candidate], picked: &[Candidate]) -> Vec<Line> {
        let all = picked.len() > 1 && picked.len() == open.len();
        let newest = self.task.said.first().map(|s| phrase::said(&s.text)).unwrap_or_default();
        let line = |c: &Candidate| {
            let count = self.task.said.iter().find_map(|said| {
                let mentions = mentioned(std::slice::from_ref(c), &said.text, &[]);
                counts(&said.text, &mentions).into_iter().next().flatten()
            });
            let every = if all { all_of(c).count } else { everything(&newest, c) };
            Line { candidate: c.clone(), count: count.or(every) }
        };
        picked.iter().map(line).collect()
    }
}

/// The field by which elements are told apart, and its declaration.
fn key_of<'s>(name: &'s str, items: &'s ArgumentSpec) -> Option<(&'s str, &'s ArgumentSpec)> {
    match &items.fields {
        Some(fields) => {
            fields.iter().find(|(_, f)| !f.obtain.is_empty()).map(|(key, f)| (key.as_str(), f))
        }
        None => (!items.obtain.is_empty()).then_some((name, items)),
    }
}

fn element(key: &str, items: &ArgumentSpec, line: &Line) -> Argument {
    let Some(fields) = &items.fields else { return line.candidate.argument.clone() };
    let mut found = BTreeMap::from([(key.to_owned(), line.candidate.argument.clone())]);
    for (name, spec) in fields.iter().filter(|(name, _)| *name != key) {
        let count = line.count.filter(|_| spec.kind() == "integer" && spec.accepts(Source::Model));
        let fits = count.filter(|n| spec.fits(&json!(n)));
        if let Some(count) = fits {
            found.insert(name.clone(), typed(&json!(count)));
        }
    }
    fields_of(found)
}

fn lines(open: &[Candidate], mentions: Vec<Mention>, counts: Vec<Option<i64>>) -> Vec<Line> {
    let each = mentions.into_iter().zip(counts);
    each.filter_map(|(m, count)| {
        open.get(m.candidate).map(|c| Line { candidate: c.clone(), count })
    })
    .collect()
}

fn all_of(candidate: &Candidate) -> Line {
    Line { count: amount_beside(&candidate.element, "quantity"), candidate: candidate.clone() }
}

fn everything(said: &[Word], candidate: &Candidate) -> Option<i64> {
    whole(said).then(|| amount_beside(&candidate.element, "quantity")).flatten()
}

/// How many there are to act on: what remains, where the read says so.
fn amount_beside(element: &Json, name: &str) -> Option<i64> {
    let names = ["refundable", "remaining", "available", "open"];
    let joined = names.map(|n| format!("{n}_{name}"));
    let fields = joined.iter().map(String::as_str).chain(names).chain([name]);
    fields.filter_map(|f| element.get(f)).find_map(Json::as_i64)
}

const NUMBERS: &[&str] =
    &["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Words between a number and what it counts: "two pairs of the socks".
const BETWEEN: &[&str] =
    &["of", "the", "those", "these", "my", "pairs", "pieces", "packs", "sets", "boxes", "bottles"];

/// The number that stands before each mention: "two of the mugs", "3 plates".
fn counts(text: &str, mentions: &[Mention]) -> Vec<Option<i64>> {
    let said = phrase::said(text);
    let number = |w: &Word| {
        let digits = w.stem.trim_end_matches('x');
        let spelled = || NUMBERS.iter().skip(1).position(|n| stem(n) == w.stem).map(|n| n + 1);
        let short = digits.len() <= 2 && !digits.is_empty();
        digits
            .parse()
            .ok()
            .filter(|_| short)
            .or_else(|| spelled().and_then(|n| i64::try_from(n).ok()))
    };
    let before = |m: &Mention| {
        let counted = |w: &&Word| !BETWEEN.iter().any(|b| stem(b) == w.stem);
        let steps = said.get(..m.word).unwrap_or_default().iter().rev();
        steps
            .filter(counted)
            .take(4)
            .take_while(|w| !matches!(w.stem.as_str(), "and" | "order" | "from" | "week" | "day"))
            .find_map(number)
    };
    mentions.iter().map(before).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_before_what_they_count() {
        let at = |word| Mention { candidate: 0, word };
        assert_eq!(counts("refund 2 of the mugs", &[at(4)]), [Some(2)]);
        assert_eq!(counts("refund three plates", &[at(2)]), [Some(3)]);
        for pairs in ["refund two pairs of the thick boot socks", "two pairs of those boot socks"] {
            let words = pairs.split(' ').count();
            assert_eq!(counts(pairs, &[at(words - 1)]), [Some(2)], "{pairs}");
            assert_eq!(counts(pairs, &[at(words - 2)]), [Some(2)], "{pairs}");
        }
        assert_eq!(counts("from order 1004 the mug", &[at(4)]), [None]);
        assert_eq!(counts("the cap and 2 mugs", &[at(1), at(4)]), [None, Some(2)]);
    }

    #[test]
    fn what_remains_counts_before_what_was_bought() {
        assert_eq!(amount_beside(&json!({"quantity": 3, "refundable": 1}), "quantity"), Some(1));
        assert_eq!(amount_beside(&json!({"quantity": 3}), "quantity"), Some(3));
    }
}
