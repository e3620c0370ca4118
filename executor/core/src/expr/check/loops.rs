//! Bounded walks over lists.

use super::{Checked, Checker, Typed, Var, article};
use crate::expr::node::{Function, Loop, Node, Zero};
use crate::expr::syntax::{Ast, Kind};
use crate::expr::{FaultKind, Type};

/// Deepest nesting of loops.
const MAX_LOOPS: usize = 2;

impl Checker<'_> {
    /// `all`, `exists`, `exists_one`, `map` and `filter`.
    pub(super) fn walk(&mut self, name: &str, of: &Ast, var: &Ast, body: &Ast) -> Checked {
        let list = self.a_list(of)?;
        let (element, origin) = (list.1, list.0.origin.clone());
        let body = self.inside(var, element.clone(), origin.clone(), |c| match name {
            "map" => c.value(body),
            _ => c.boolean(body),
        })?;
        let (kind, yields, origin) = match name {
            "all" => (Loop::All, Type::Bool, None),
            "exists" => (Loop::Exists, Type::Bool, None),
            "exists_one" => (Loop::ExistsOne, Type::Bool, None),
            "filter" => (Loop::Filter, element.list(), origin),
            _ => (Loop::Map, body.kind.clone().list(), None),
        };
        let (over, body) = (Box::new(list.0.node), Box::new(body.node));
        Some(Typed { node: Node::Loop { kind, over, body }, kind: yields, origin })
    }

    /// `list.sum()`.
    pub(super) fn sum(&mut self, ast: &Ast, of: &Ast) -> Checked {
        let list = self.a_list(of)?;
        self.paths.extend(list.0.origin);
        self.total(ast, list.0.node, list.1)
    }

    /// `list.sum(x, body)`.
    pub(super) fn sum_of(&mut self, ast: &Ast, of: &Ast, var: &Ast, body: &Ast) -> Checked {
        let mapped = self.walk("map", of, var, body)?;
        let Type::List(element) = mapped.kind else { return None };
        self.total(ast, mapped.node, *element)
    }

    fn total(&mut self, ast: &Ast, list: Node, element: Type) -> Checked {
        let zero = match element {
            Type::Int => Zero::Int,
            Type::Decimal => Zero::Decimal,
            Type::Money => Zero::Money,
            Type::Null
            | Type::Bool
            | Type::Str(_)
            | Type::Time
            | Type::Duration
            | Type::List(_)
            | Type::Object(_)
            | Type::Optional(_) => {
                let message = format!("there is no sum of {element}");
                let remedy = Some("sum numbers or money: lines.sum(l, l.amount)".to_owned());
                return self.fault(ast, FaultKind::WrongType, message, remedy);
            }
        };
        Some(Typed::new(Node::Call(Function::Sum(zero), vec![list]), element))
    }

    /// A list, and its element's type; the path is not taken yet.
    fn a_list(&mut self, of: &Ast) -> Option<(Typed, Type)> {
        let list = self.lower(of)?;
        let list = self.present(of, list)?;
        let Type::List(element) = list.kind.clone() else {
            let message = format!("{} is not a list", article(&list.kind));
            return self.fault(of, FaultKind::WrongType, message, None);
        };
        Some((list, *element))
    }

    fn inside<T>(
        &mut self,
        var: &Ast,
        kind: Type,
        origin: Option<Vec<String>>,
        then: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let Kind::Name(name) = &var.kind else {
            let message = "expected a name for the element".to_owned();
            return self.fault(var, FaultKind::Syntax, message, None);
        };
        if self.names.get(name).is_some() || self.vars.iter().any(|v| v.name == *name) {
            let message = format!("`{name}` is already a name here");
            let remedy = Some("choose another name for the element".to_owned());
            return self.fault(var, FaultKind::WrongType, message, remedy);
        }
        if self.vars.len() >= MAX_LOOPS {
            let message = format!("loops nest at most {MAX_LOOPS} deep");
            return self.fault(var, FaultKind::WrongType, message, None);
        }
        self.vars.push(Var { name: name.clone(), kind, origin: origin.clone(), used: false });
        let out = then(self);
        // A body that looks at no element still depends on how many there are.
        if self.vars.pop().is_some_and(|var| !var.used) {
            self.paths.extend(origin);
        }
        out
    }
}
