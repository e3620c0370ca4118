//! Sentences with holes: what people read.

use std::collections::BTreeSet;

use super::functions::readable;
use super::types::name_of;
use super::{EvalError, Expr, Fault, FaultKind, Names, Path, Scope, Type};
use crate::value::Value;

/// Most characters that one hole inserts.
const MAX_INSERTED: usize = 200;

/// A checked text with `{expression}` in it; `{{` and `}}` are literal braces.
#[derive(Debug, Clone)]
pub struct Prose {
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Words(String),
    Hole(Expr),
}

impl Prose {
    /// Parses `source` and checks each hole against `names`.
    ///
    /// # Errors
    /// Every fault found, each with its place in the source.
    pub fn parse(source: &str, names: &Names) -> Result<Self, Vec<Fault>> {
        let mut parts = Vec::new();
        let mut faults = Vec::new();
        for piece in pieces(source)? {
            match piece {
                Piece::Words(words) => parts.push(Part::Words(words)),
                Piece::Hole { at, source } => match hole(&source, names) {
                    Ok(expr) => parts.push(Part::Hole(expr)),
                    Err(found) => faults.extend(
                        found.into_iter().map(|fault| Fault { offset: at + fault.offset, ..fault }),
                    ),
                },
            }
        }
        if faults.is_empty() { Ok(Self { source: source.to_owned(), parts }) } else { Err(faults) }
    }

    /// The text in `scope`. What is inserted loses control, zero-width and
    /// direction characters and is cut after 200 characters.
    ///
    /// # Errors
    /// See [`EvalError`].
    pub fn render(&self, scope: &Scope) -> Result<String, EvalError> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Words(words) => out.push_str(words),
                Part::Hole(expr) => out.push_str(&safe(&spoken(&expr.eval(scope)?)?)),
            }
        }
        Ok(out)
    }

    /// Every path that its holes read.
    #[must_use]
    pub fn paths(&self) -> BTreeSet<Path> {
        self.holes().flat_map(|expr| expr.paths().iter().cloned()).collect()
    }

    /// The source as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    fn holes(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(expr) => Some(expr),
            Part::Words(_) => None,
        })
    }
}

fn hole(source: &str, names: &Names) -> Result<Expr, Vec<Fault>> {
    let expr = Expr::parse(source, names)?;
    let (kind, message, remedy) = match expr.kind() {
        Type::Bool
        | Type::Int
        | Type::Decimal
        | Type::Str(_)
        | Type::Time
        | Type::Duration
        | Type::Money => return Ok(expr),
        Type::List(of) if scalar(of) => return Ok(expr),
        Type::Null | Type::Optional(_) => {
            let source = source.trim();
            let remedy = format!("write {{has({source}) ? {source} : \"…\"}}");
            (FaultKind::MayBeAbsent, format!("`{source}` may be absent"), Some(remedy))
        }
        Type::List(_) | Type::Object(_) => {
            let remedy = "name its fields, or .map(x, …) a list to text".to_owned();
            (FaultKind::WrongType, format!("{} cannot be read out", expr.kind()), Some(remedy))
        }
    };
    let blank = source.chars().take_while(|c| c.is_whitespace()).count();
    Err(vec![Fault { offset: blank, kind, message, remedy }])
}

const fn scalar(kind: &Type) -> bool {
    !matches!(kind, Type::Null | Type::List(_) | Type::Object(_) | Type::Optional(_))
}

fn spoken(value: &Value) -> Result<String, EvalError> {
    Ok(match value {
        Value::Null => return Err(EvalError::Absent),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Int(n) => n.to_string(),
        Value::Decimal(d) => d.to_string(),
        Value::Str(s) => s.clone(),
        Value::Time(t) => readable(*t),
        Value::Duration(d) => format!("{d:#}"),
        Value::Money(m) => m.to_string(),
        Value::List(items) => items.iter().map(spoken).collect::<Result<Vec<_>, _>>()?.join(", "),
        Value::Object(_) => {
            return Err(EvalError::Type { expected: "text", found: name_of(value) });
        }
    })
}

/// Text of others cannot hide, reorder or flood what a person is shown.
fn safe(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !invisible(*c))
        .collect();
    if clean.chars().count() <= MAX_INSERTED {
        return clean;
    }
    clean.chars().take(MAX_INSERTED - 1).chain(['…']).collect()
}

/// Zero-width characters, direction marks and overrides, tags and their like.
const fn invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}'
            | '\u{034F}'
            | '\u{061C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

enum Piece {
    Words(String),
    Hole { at: usize, source: String },
}

/// Splits a text at its holes. A `}` inside a hole's quoted string does not end it.
fn pieces(source: &str) -> Result<Vec<Piece>, Vec<Fault>> {
    let mut out = Vec::new();
    let mut words = String::new();
    let mut chars = source.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        let doubled = matches!(c, '{' | '}') && chars.peek().is_some_and(|(_, next)| *next == c);
        match c {
            _ if doubled => {
                chars.next();
                words.push(c);
            }
            '{' => {
                out.push(Piece::Words(std::mem::take(&mut words)));
                let Some(source) = until_close(&mut chars) else {
                    return Err(vec![brace(at, "`{` is not closed", "write `{{` for a brace")]);
                };
                out.push(Piece::Hole { at: at + 1, source });
            }
            '}' => return Err(vec![brace(at, "`}` closes nothing", "write `}}` for a brace")]),
            c => words.push(c),
        }
    }
    out.push(Piece::Words(words));
    Ok(out)
}

fn until_close(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<String> {
    let mut source = String::new();
    let mut quote = None;
    let mut escaped = false;
    for (_, c) in chars {
        match (quote, c) {
            (None, '}') => return Some(source),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if c == open && !escaped => quote = None,
            _ => {}
        }
        escaped = quote.is_some() && c == '\\' && !escaped;
        source.push(c);
    }
    None
}

fn brace(offset: usize, message: &str, remedy: &str) -> Fault {
    Fault {
        offset,
        kind: FaultKind::Syntax,
        message: message.to_owned(),
        remedy: Some(remedy.to_owned()),
    }
}
