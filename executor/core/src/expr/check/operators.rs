//! Operators: what they take and what they yield.

use super::{Checked, Checker, Typed, article};
use crate::expr::node::{Node, Order};
use crate::expr::syntax::{Ast, Kind};
use crate::expr::types::{Text, unify};
use crate::expr::{FaultKind, Type};
use crate::nearest::nearest;

impl Checker<'_> {
    pub(super) fn binary(&mut self, ast: &Ast, operator: &str, a: &Ast, b: &Ast) -> Checked {
        match operator {
            "&&" => {
                let left = self.boolean(a);
                let right = self.assuming(a, true, |c| c.boolean(b));
                Some(Typed::new(pair(Node::And, left?, right?), Type::Bool))
            }
            "||" => {
                let left = self.boolean(a);
                let right = self.assuming(a, false, |c| c.boolean(b));
                Some(Typed::new(pair(Node::Or, left?, right?), Type::Bool))
            }
            "==" => self.equality(ast, a, b),
            "!=" => {
                let equal = self.equality(ast, a, b)?;
                Some(Typed::new(Node::Not(Box::new(equal.node)), Type::Bool))
            }
            "<" => self.ordering(ast, Order::Less, a, b),
            "<=" => self.ordering(ast, Order::LessOrEqual, a, b),
            ">" => self.ordering(ast, Order::Greater, a, b),
            ">=" => self.ordering(ast, Order::GreaterOrEqual, a, b),
            "in" => self.among(a, b),
            "+" | "-" | "*" => self.arithmetic(ast, operator, a, b),
            other => {
                let message = format!("there is no `{other}`");
                let remedy = Some("divide where the numbers come from".to_owned());
                self.fault(ast, FaultKind::UnknownFunction, message, remedy)
            }
        }
    }

    /// Between two of one scalar type; either may be absent.
    fn equality(&mut self, ast: &Ast, a: &Ast, b: &Ast) -> Checked {
        let left = self.value(a);
        let right = self.value(b);
        let (left, right) = (left?, right?);
        match (&left.kind, &right.kind) {
            (Type::Null, Type::Null) => {
                let message = "null is compared with null".to_owned();
                return self.fault(ast, FaultKind::WrongType, message, None);
            }
            (Type::Null, _) => return Some(absence(right)),
            (_, Type::Null) => return Some(absence(left)),
            _ => {}
        }
        self.comparable(ast, &left.kind, &right.kind)?;
        self.one_of(&left.kind, b)?;
        self.one_of(&right.kind, a)?;
        Some(Typed::new(pair(Node::Equal, left, right), Type::Bool))
    }

    fn comparable(&mut self, ast: &Ast, a: &Type, b: &Type) -> Option<()> {
        let (a, b) = (a.present(), b.present());
        if unify(a, b).is_none() {
            let message = format!("{} is compared with {}", article(a), article(b));
            return self.fault(ast, FaultKind::WrongType, message, conversion(a, b));
        }
        if matches!(a, Type::List(_) | Type::Object(_)) {
            let message = format!("{} cannot be compared as a whole", article(a));
            let remedy = Some("compare its fields or elements".to_owned());
            return self.fault(ast, FaultKind::WrongType, message, remedy);
        }
        Some(())
    }

    /// A literal compared with one of an enumeration must be one of it.
    fn one_of(&mut self, kind: &Type, literal: &Ast) -> Option<()> {
        let (Type::Str(Text::OneOf(values)), Kind::Text(text)) = (kind.present(), &literal.kind)
        else {
            return Some(());
        };
        if values.contains(text) {
            return Some(());
        }
        let remedy = nearest(text, values.iter().map(String::as_str)).map_or_else(
            || format!("it is one of: {}", values.join(", ")),
            |near| format!("did you mean \"{near}\"?"),
        );
        let message = format!("\"{text}\" is never a value here");
        self.fault(literal, FaultKind::WrongType, message, Some(remedy))
    }

    fn ordering(&mut self, ast: &Ast, order: Order, a: &Ast, b: &Ast) -> Checked {
        let left = self.needed(a);
        let right = self.needed(b);
        let (left, right) = (left?, right?);
        if unify(&left.kind, &right.kind).is_none() {
            let message =
                format!("{} is compared with {}", article(&left.kind), article(&right.kind));
            let remedy = conversion(&left.kind, &right.kind);
            return self.fault(ast, FaultKind::WrongType, message, remedy);
        }
        match left.kind {
            Type::Int | Type::Decimal | Type::Money | Type::Time | Type::Duration => {
                let node = Node::Order(order, Box::new(left.node), Box::new(right.node));
                Some(Typed::new(node, Type::Bool))
            }
            Type::Null
            | Type::Bool
            | Type::Str(_)
            | Type::List(_)
            | Type::Object(_)
            | Type::Optional(_) => {
                let message = format!("{} has no order", article(&left.kind));
                self.fault(ast, FaultKind::WrongType, message, None)
            }
        }
    }

    fn among(&mut self, a: &Ast, b: &Ast) -> Checked {
        let item = self.value(a);
        let list = self.needed(b);
        let (item, list) = (item?, list?);
        let Type::List(element) = &list.kind else {
            let message = format!("`in` looks into a list, not into {}", article(&list.kind));
            return self.fault(b, FaultKind::WrongType, message, None);
        };
        if item.kind == Type::Null {
            let message = "null is in no list".to_owned();
            return self.fault(a, FaultKind::WrongType, message, None);
        }
        self.comparable(b, &item.kind, element)?;
        if let Kind::List(literals) = &b.kind {
            let checked: Vec<_> =
                literals.iter().map(|literal| self.one_of(&item.kind, literal)).collect();
            checked.into_iter().collect::<Option<Vec<()>>>()?;
        }
        Some(Typed::new(pair(Node::Among, item, list), Type::Bool))
    }

    fn arithmetic(&mut self, ast: &Ast, operator: &str, a: &Ast, b: &Ast) -> Checked {
        let left = self.needed(a);
        let right = self.needed(b);
        let (left, right) = (left?, right?);
        let Some(kind) = result(operator, &left.kind, &right.kind) else {
            let message = format!("no `{operator}` between {} and {}", left.kind, right.kind);
            let remedy = conversion(&left.kind, &right.kind);
            return self.fault(ast, FaultKind::WrongType, message, remedy);
        };
        let build = match operator {
            "+" => Node::Add,
            "-" => Node::Subtract,
            _ => Node::Multiply,
        };
        Some(Typed::new(pair(build, left, right), kind))
    }

    pub(super) fn negate(&mut self, ast: &Ast, of: &Ast) -> Checked {
        let of = self.needed(of)?;
        if !matches!(of.kind, Type::Int | Type::Decimal) {
            let message = format!("{} has no negative", article(&of.kind));
            return self.fault(ast, FaultKind::WrongType, message, None);
        }
        Some(Typed::new(Node::Negate(Box::new(of.node)), of.kind))
    }
}

fn pair(build: fn(Box<Node>, Box<Node>) -> Node, a: Typed, b: Typed) -> Node {
    build(Box::new(a.node), Box::new(b.node))
}

/// `x == null`.
fn absence(of: Typed) -> Typed {
    let present = Node::Present(Box::new(of.node));
    Typed::new(Node::Not(Box::new(present)), Type::Bool)
}

fn result(operator: &str, a: &Type, b: &Type) -> Option<Type> {
    match (operator, a, b) {
        ("+" | "-" | "*", Type::Int, Type::Int) => Some(Type::Int),
        ("+" | "-" | "*", Type::Decimal, Type::Decimal) => Some(Type::Decimal),
        ("+" | "-", Type::Money, Type::Money)
        | ("*", Type::Money, Type::Int)
        | ("*", Type::Int, Type::Money) => Some(Type::Money),
        ("+", Type::Str(Text::Free), Type::Str(_)) | ("+", Type::Str(_), Type::Str(Text::Free)) => {
            Some(Type::TEXT)
        }
        ("+", Type::Str(_), Type::Str(_)) => Some(Type::ID),
        ("+" | "-", Type::Time, Type::Duration) | ("+", Type::Duration, Type::Time) => {
            Some(Type::Time)
        }
        ("+" | "-", Type::Duration, Type::Duration) | ("-", Type::Time, Type::Time) => {
            Some(Type::Duration)
        }
        _ => None,
    }
}

/// How to make one type of two.
fn conversion(a: &Type, b: &Type) -> Option<String> {
    let remedy = match (a, b) {
        (Type::Money, Type::Int | Type::Decimal | Type::Str(_))
        | (Type::Int | Type::Decimal | Type::Str(_), Type::Money) => {
            "write money(\"12.50\", \"USD\")"
        }
        (Type::Decimal, Type::Int | Type::Str(_)) | (Type::Int | Type::Str(_), Type::Decimal) => {
            "write decimal(\"12.5\")"
        }
        (Type::Str(_), Type::Int) | (Type::Int, Type::Str(_)) => "write string(number)",
        (Type::Time | Type::Duration, _) | (_, Type::Time | Type::Duration) => {
            "write duration(\"24h\") for a length of time"
        }
        _ => return None,
    };
    Some(remedy.to_owned())
}
