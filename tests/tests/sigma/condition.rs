//! Sigma's conditions: selections joined by `and`, `or`, `not` and brackets.

pub enum Condition {
    Selection(String),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    pub fn parse(text: &str) -> Self {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<_> = spaced.split_whitespace().collect();
        let mut words = words.as_slice();
        let condition = or(&mut words);
        assert!(words.is_empty(), "{text}: {words:?} is left over");
        condition
    }

    pub fn holds(&self, selection: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Selection(name) => selection(name),
            Self::Not(of) => !of.holds(selection),
            Self::And(a, b) => a.holds(selection) && b.holds(selection),
            Self::Or(a, b) => a.holds(selection) || b.holds(selection),
        }
    }
}

fn or(words: &mut &[&str]) -> Condition {
    let mut left = and(words);
    while take(words, "or") {
        left = Condition::Or(Box::new(left), Box::new(and(words)));
    }
    left
}

fn and(words: &mut &[&str]) -> Condition {
    let mut left = one(words);
    while take(words, "and") {
        left = Condition::And(Box::new(left), Box::new(one(words)));
    }
    left
}

fn one(words: &mut &[&str]) -> Condition {
    if take(words, "not") {
        return Condition::Not(Box::new(one(words)));
    }
    if take(words, "(") {
        let inner = or(words);
        assert!(take(words, ")"), "a bracket stays open");
        return inner;
    }
    let name = words[0];
    assert!(name.chars().all(|c| c.is_ascii_lowercase()), "{name} is no selection");
    *words = &words[1..];
    Condition::Selection(name.to_owned())
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let there = words.first() == Some(&word);
    if there {
        *words = &words[1..];
    }
    there
}

#[test]
fn sigma_rules_conditions_bind_as_sigma_says() {
    let holds = |text: &str| Condition::parse(text).holds(&|name| name == "yes");
    for text in ["yes", "no or yes", "yes and not no", "not (no and yes)", "no and no or yes"] {
        assert!(holds(text), "{text}");
    }
    for text in ["no", "not yes", "no and (no or yes)", "not yes or no"] {
        assert!(!holds(text), "{text}");
    }
}
