//! The checker: lowers a parsed expression into a tree whose operands have the
//! types that its operations take, and collects every fault on the way.

mod calls;
mod loops;
mod operators;

use std::collections::BTreeSet;

use super::flow::{self, Place};
use super::node::Node;
use super::syntax::{self, Ast, Kind};
use super::types::unify;
use super::{Expr, Fault, FaultKind, Names, Path, Type, Written};
use crate::nearest::nearest;
use crate::value::Value;

/// Parses and checks an expression.
pub(super) fn expression(source: &str, names: &Names) -> Result<Expr, Vec<Fault>> {
    let ast = syntax::parse(source).map_err(|fault| vec![fault])?;
    tree(source, &ast, names)
}

/// Checks a tree that was parsed from `source`.
pub(super) fn tree(source: &str, ast: &Ast, names: &Names) -> Result<Expr, Vec<Fault>> {
    let mut checker = Checker::new(names);
    match checker.value(ast) {
        Some(typed) if checker.faults.is_empty() => Ok(Expr {
            written: Written::new(source, &checker.paths).into(),
            paths: checker.paths,
            kind: typed.kind,
            node: typed.node,
        }),
        _ => Err(checker.faults),
    }
}

struct Checker<'n> {
    names: &'n Names,
    faults: Vec<Fault>,
    /// Variables of the loops around, outermost first.
    vars: Vec<Var>,
    /// Places proved present here.
    known: Vec<Place>,
    paths: BTreeSet<Path>,
}

struct Var {
    name: String,
    kind: Type,
    origin: Option<Path>,
    used: bool,
}

/// A checked part.
struct Typed {
    node: Node,
    kind: Type,
    /// The path it spells, as long as nobody has taken its value.
    origin: Option<Path>,
}

impl Typed {
    const fn new(node: Node, kind: Type) -> Self {
        Self { node, kind, origin: None }
    }
}

/// `None` once a fault has been reported.
type Checked = Option<Typed>;

impl<'n> Checker<'n> {
    fn new(names: &'n Names) -> Self {
        Self {
            names,
            faults: Vec::new(),
            vars: Vec::new(),
            known: names.known().to_vec(),
            paths: BTreeSet::new(),
        }
    }

    /// A part whose value is taken: the path that it spells is one it reads.
    fn value(&mut self, ast: &Ast) -> Checked {
        let typed = self.lower(ast)?;
        self.paths.extend(typed.origin.clone());
        Some(typed)
    }

    /// A part whose value is needed: it may not be absent.
    fn needed(&mut self, ast: &Ast) -> Checked {
        let typed = self.value(ast)?;
        self.present(ast, typed)
    }

    fn present(&mut self, ast: &Ast, typed: Typed) -> Checked {
        match typed.kind {
            Type::Optional(_) | Type::Null => {
                let place =
                    flow::place(ast, &self.var_names()).map(|p| p.spelled(&self.var_names()));
                let (what, remedy) = place.map_or_else(
                    || ("this".to_owned(), "test it with `!= null` first".to_owned()),
                    |p| {
                        (
                            format!("`{p}`"),
                            format!("test it first: has({p}) && …, or has({p}) ? … : …"),
                        )
                    },
                );
                let remedy = Some(remedy);
                self.fault(ast, FaultKind::MayBeAbsent, format!("{what} may be absent"), remedy)
            }
            Type::Bool
            | Type::Int
            | Type::Decimal
            | Type::Str(_)
            | Type::Time
            | Type::Duration
            | Type::Money
            | Type::List(_)
            | Type::Object(_) => Some(typed),
        }
    }

    fn lower(&mut self, ast: &Ast) -> Checked {
        match &ast.kind {
            Kind::Null => Some(Typed::new(Node::Const(Value::Null), Type::Null)),
            Kind::Bool(b) => Some(Typed::new(Node::Const(Value::Bool(*b)), Type::Bool)),
            Kind::Int(n) => Some(Typed::new(Node::Const(Value::Int(*n)), Type::Int)),
            Kind::Text(s) => Some(Typed::new(Node::Const(Value::Str(s.clone())), Type::ID)),
            Kind::List(items) => self.list(ast, items),
            Kind::Name(name) => self.name(ast, name),
            Kind::Select(of, field) => self.select(ast, of, field),
            Kind::Index(of, index) => self.index(of, index),
            Kind::Call { target: None, name, args } => self.global(ast, name, args),
            Kind::Call { target: Some(of), name, args } => self.member(ast, of, name, args),
            Kind::Not(of) => {
                let of = self.boolean(of)?;
                Some(Typed::new(Node::Not(Box::new(of.node)), Type::Bool))
            }
            Kind::Negate(of) => self.negate(ast, of),
            Kind::Binary(operator, a, b) => self.binary(ast, operator, a, b),
            Kind::If(test, yes, no) => self.choice(ast, test, yes, no),
        }
    }

    fn name(&mut self, ast: &Ast, name: &str) -> Checked {
        let named = |(_, var): &(usize, &mut Var)| var.name == name;
        if let Some((depth, var)) = self.vars.iter_mut().enumerate().rfind(named) {
            var.used = true;
            let typed = Typed {
                node: Node::Var(depth),
                kind: var.kind.clone(),
                origin: var.origin.clone(),
            };
            return Some(self.narrowed(ast, typed));
        }
        if let Some(declared) = self.names.get(name) {
            let node = Node::Root(name.to_owned());
            let typed =
                Typed { node, kind: declared.kind.clone(), origin: declared.origin.clone() };
            return Some(self.narrowed(ast, typed));
        }
        if self.names.is_broken(&[name.to_owned()]) {
            return None;
        }
        if let Some(why) = self.names.why_absent(name) {
            let (message, why) = (format!("`{name}` cannot be used here"), why.to_owned());
            return self.fault(ast, FaultKind::UnknownName, message, Some(why));
        }
        let known: Vec<&str> =
            self.names.all().chain(self.vars.iter().map(|v| v.name.as_str())).collect();
        let remedy = suggestion(name, &known);
        self.fault(ast, FaultKind::UnknownName, format!("`{name}` is not known here"), Some(remedy))
    }

    fn select(&mut self, ast: &Ast, of: &Ast, field: &str) -> Checked {
        let of = self.lower(of)?;
        let origin = of.origin.map(|mut path| {
            path.push(field.to_owned());
            path
        });
        if origin.as_ref().is_some_and(|path| self.names.is_broken(path)) {
            return None;
        }
        let Type::Object(fields) = of.kind.present() else {
            let remedy = matches!(of.kind.present(), Type::List(_))
                .then(|| format!("walk the list: .exists(x, x.{field} == …)"));
            let message = format!("{} has no fields, so no `{field}`", article(&of.kind));
            return self.fault(ast, FaultKind::WrongType, message, remedy);
        };
        let Some(kind) = fields.get(field).cloned() else {
            let remedy = suggestion(field, &fields.keys().map(String::as_str).collect::<Vec<_>>());
            let message = format!("there is no field `{field}`");
            return self.fault(ast, FaultKind::UnknownName, message, Some(remedy));
        };
        // A field of what may be absent may be absent.
        let kind = if matches!(of.kind, Type::Optional(_)) { kind.optional() } else { kind };
        let node = Node::Field(Box::new(of.node), field.to_owned());
        Some(self.narrowed(ast, Typed { node, kind, origin }))
    }

    /// The part without "may be absent" where a test around it proved that.
    fn narrowed(&self, ast: &Ast, mut typed: Typed) -> Typed {
        if let Type::Optional(inner) = &typed.kind
            && let Some(place) = flow::place(ast, &self.var_names())
            && self.known.iter().any(|known| known.implies(&place))
        {
            typed.kind = inner.as_ref().clone();
        }
        typed
    }

    fn index(&mut self, of: &Ast, index: &Ast) -> Checked {
        let list = self.lower(of);
        let position = self.expect(index, &Type::Int);
        let list = self.present(of, list?)?;
        let Type::List(item) = list.kind else {
            let message = format!("{} has no elements", article(&list.kind));
            return self.fault(of, FaultKind::WrongType, message, None);
        };
        let node = Node::Index(Box::new(list.node), Box::new(position?.node));
        Some(Typed { node, kind: *item, origin: list.origin })
    }

    fn list(&mut self, ast: &Ast, items: &[Ast]) -> Checked {
        let typed: Vec<Checked> = items.iter().map(|item| self.needed(item)).collect();
        let typed: Vec<Typed> = typed.into_iter().collect::<Option<_>>()?;
        let mut kinds = typed.iter().zip(items);
        let Some((first, _)) = kinds.next() else {
            let message = "an empty list has no type".to_owned();
            return self.fault(ast, FaultKind::WrongType, message, None);
        };
        let mut kind = first.kind.clone();
        for (item, at) in kinds {
            let Some(joined) = unify(&kind, &item.kind) else {
                let message = format!("a list of {kind} cannot hold {}", article(&item.kind));
                return self.fault(at, FaultKind::WrongType, message, None);
            };
            kind = joined;
        }
        let node = Node::List(typed.into_iter().map(|t| t.node).collect());
        Some(Typed::new(node, kind.list()))
    }

    fn choice(&mut self, ast: &Ast, test: &Ast, yes: &Ast, no: &Ast) -> Checked {
        let tested = self.boolean(test);
        let yes = self.assuming(test, true, |c| c.value(yes));
        let no = self.assuming(test, false, |c| c.value(no));
        let (test, yes, no) = (tested?, yes?, no?);
        let Some(kind) = unify(&yes.kind, &no.kind) else {
            let message = format!("the two results differ: {} and {}", yes.kind, no.kind);
            return self.fault(ast, FaultKind::WrongType, message, None);
        };
        let [test, yes, no] = [test, yes, no].map(|t| Box::new(t.node));
        Some(Typed::new(Node::If(test, yes, no), kind))
    }

    fn boolean(&mut self, ast: &Ast) -> Checked {
        self.expect(ast, &Type::Bool)
    }

    /// A part that must be there and of this type.
    fn expect(&mut self, ast: &Ast, wanted: &Type) -> Checked {
        let typed = self.needed(ast)?;
        if unify(&typed.kind, wanted).is_some() {
            return Some(typed);
        }
        let message = format!("expected {}, found {}", article(wanted), article(&typed.kind));
        self.fault(ast, FaultKind::WrongType, message, None)
    }

    /// Checks something with what `test` being `answer` proves.
    fn assuming<T>(&mut self, test: &Ast, answer: bool, then: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.known.len();
        let proved = flow::proved(test, answer, &self.var_names());
        self.known.extend(proved);
        let out = then(self);
        self.known.truncate(before);
        out
    }

    fn var_names(&self) -> Vec<&str> {
        self.vars.iter().map(|v| v.name.as_str()).collect()
    }

    fn fault<T>(
        &mut self,
        at: &Ast,
        kind: FaultKind,
        message: String,
        remedy: Option<String>,
    ) -> Option<T> {
        self.faults.push(Fault { offset: at.at, kind, message, remedy });
        None
    }
}

/// `did you mean …`, or what there is.
fn suggestion(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "nothing is known here".to_owned(),
        None => format!("there is: {}", known.join(", ")),
    }
}

/// `a string`, `an int`.
fn article(kind: &Type) -> String {
    let name = kind.to_string();
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'u']);
    if *kind == Type::Null { name } else { format!("{} {name}", if vowel { "an" } else { "a" }) }
}
