//! What a test proves present: `has(a.b) && a.b > 1`.

use super::syntax::{Ast, Kind};

/// A place that a test speaks of: a root and fields of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) root: Root,
    pub(super) fields: Vec<String>,
}

/// Where a place begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// A declared name.
    Name(String),
    /// The variable of the loop at this depth.
    Var(usize),
}

impl Place {
    /// The place as it is written, given the loop variables around it.
    pub(super) fn spelled(&self, vars: &[&str]) -> String {
        let root = match &self.root {
            Root::Name(name) => name.as_str(),
            Root::Var(depth) => vars.get(*depth).copied().unwrap_or("element"),
        };
        std::iter::once(root)
            .chain(self.fields.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(".")
    }

    /// Whether this place being present means that `other` is.
    pub(super) fn implies(&self, other: &Self) -> bool {
        self.root == other.root && self.fields.starts_with(&other.fields)
    }
}

/// The place that `ast` spells, if it is names and dots only. `vars` are the
/// loop variables around it, outermost first.
pub(super) fn place(ast: &Ast, vars: &[&str]) -> Option<Place> {
    match &ast.kind {
        Kind::Name(name) => {
            let var = vars.iter().rposition(|var| var == name);
            let root = var.map_or_else(|| Root::Name(name.clone()), Root::Var);
            Some(Place { root, fields: Vec::new() })
        }
        Kind::Select(of, field) => {
            let mut place = place(of, vars)?;
            place.fields.push(field.clone());
            Some(place)
        }
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Text(_)
        | Kind::List(_)
        | Kind::Index(..)
        | Kind::Call { .. }
        | Kind::Not(_)
        | Kind::Negate(_)
        | Kind::Binary(..)
        | Kind::If(..) => None,
    }
}

/// The places that are present when `ast` turns out to be `answer`.
pub(super) fn proved(ast: &Ast, answer: bool, vars: &[&str]) -> Vec<Place> {
    match (&ast.kind, answer) {
        (Kind::Not(of), _) => proved(of, !answer, vars),
        (Kind::Call { target: None, name, args }, true) if name == "has" => {
            args.iter().filter_map(|arg| place(arg, vars)).collect()
        }
        (Kind::Binary("&&", a, b), true) | (Kind::Binary("||", a, b), false) => {
            let mut all = proved(a, answer, vars);
            all.extend(proved(b, answer, vars));
            all
        }
        (Kind::Binary("!=", a, b), true) | (Kind::Binary("==", a, b), false) => {
            against_null(a, b, vars)
        }
        // Equality with an absent value is false, so it proves both sides.
        (Kind::Binary("==", a, b), true) | (Kind::Binary("!=", a, b), false) => {
            let null = a.kind == Kind::Null || b.kind == Kind::Null;
            let sides = [a, b].into_iter().filter(|_| !null);
            sides.filter_map(|side| place(side, vars)).collect()
        }
        _ => Vec::new(),
    }
}

fn against_null(a: &Ast, b: &Ast, vars: &[&str]) -> Vec<Place> {
    let tested = match (&a.kind, &b.kind) {
        (Kind::Null, _) => b,
        (_, Kind::Null) => a,
        _ => return Vec::new(),
    };
    place(tested, vars).into_iter().collect()
}
