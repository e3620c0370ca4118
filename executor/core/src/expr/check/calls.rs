//! Functions: what they take and what they yield.

use regex::RegexBuilder;

use super::{Checked, Checker, Typed, article, suggestion};
use crate::expr::functions::duration;
use crate::expr::node::{Function, Node};
use crate::expr::syntax::{Ast, Kind};
use crate::expr::{FaultKind, Scope, Type, eval};
use crate::value::Value;

const GLOBAL: [&str; 10] = [
    "has",
    "money",
    "decimal",
    "numeric_id",
    "minor",
    "amount",
    "currency",
    "string",
    "duration",
    "size",
];
const MEMBER: [&str; 14] = [
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "size",
    "lower",
    "trim",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "sum",
    "has",
];

impl Checker<'_> {
    pub(super) fn global(&mut self, ast: &Ast, name: &str, args: &[Ast]) -> Checked {
        match (name, args) {
            ("has", [of]) => self.has(of),
            ("money", [amount, currency]) => self.money(ast, amount, currency),
            ("decimal", [of]) => {
                self.convert(ast, Function::Decimal, of, &[Type::ID, Type::Int], Type::Decimal)
            }
            ("string", [of]) => {
                let from = [Type::Int, Type::Decimal, Type::ID];
                self.convert(ast, Function::Text, of, &from, Type::ID)
            }
            ("numeric_id", [of]) => {
                self.convert(ast, Function::NumericId, of, &[Type::ID], Type::ID)
            }
            ("minor", [of]) => self.convert(ast, Function::Minor, of, &[Type::Money], Type::Int),
            ("amount", [of]) => {
                self.convert(ast, Function::Amount, of, &[Type::Money], Type::Decimal)
            }
            ("currency", [of]) => {
                self.convert(ast, Function::Currency, of, &[Type::Money], Type::ID)
            }
            ("duration", [of]) => self.duration(of),
            ("size", [of]) => self.size(of),
            ("json_number", _) => {
                let message = "json_number(…) is not a part of an expression".to_owned();
                let remedy = "use it in a request, as the whole of a value: =json_number(amount)";
                self.fault(ast, FaultKind::UnknownFunction, message, Some(remedy.to_owned()))
            }
            _ => self.no_function(ast, name, args.len(), &GLOBAL),
        }
    }

    pub(super) fn member(&mut self, ast: &Ast, of: &Ast, name: &str, args: &[Ast]) -> Checked {
        match (name, args) {
            ("contains", [other]) => self.test(of, Function::Contains, other),
            ("startsWith", [other]) => self.test(of, Function::StartsWith, other),
            ("endsWith", [other]) => self.test(of, Function::EndsWith, other),
            ("matches", [pattern]) => self.matches(of, pattern),
            ("size", []) => self.size(of),
            ("lower", []) => self.reshape(of, Function::Lower),
            ("trim", []) => self.reshape(of, Function::Trim),
            ("sum", []) => self.sum(ast, of),
            ("sum", [var, body]) => self.sum_of(ast, of, var, body),
            ("all" | "exists" | "exists_one" | "map" | "filter", [var, body]) => {
                self.walk(name, of, var, body)
            }
            _ => self.no_function(ast, name, args.len(), &MEMBER),
        }
    }

    fn no_function(&mut self, ast: &Ast, name: &str, args: usize, known: &[&str]) -> Checked {
        let (message, remedy) = if known.contains(&name) {
            let message = format!("`{name}` does not take {args} arguments");
            (message, None)
        } else {
            (format!("there is no function `{name}`"), Some(suggestion(name, known)))
        };
        self.fault(ast, FaultKind::UnknownFunction, message, remedy)
    }

    fn has(&mut self, of: &Ast) -> Checked {
        if !matches!(of.kind, Kind::Select(..) | Kind::Name(_)) {
            let message = "has(…) takes a path such as has(state.order.email)".to_owned();
            return self.fault(of, FaultKind::WrongType, message, None);
        }
        let typed = self.value(of)?;
        Some(Typed::new(Node::Present(Box::new(typed.node)), Type::Bool))
    }

    fn money(&mut self, ast: &Ast, amount: &Ast, currency: &Ast) -> Checked {
        let amount = self.one_type(amount, &[Type::Decimal, Type::ID]);
        let currency = self.expect(currency, &Type::ID);
        let node = Node::Call(Function::Money, vec![amount?.node, currency?.node]);
        self.folded(ast, node, Type::Money)
    }

    fn convert(
        &mut self,
        ast: &Ast,
        function: Function,
        of: &Ast,
        from: &[Type],
        to: Type,
    ) -> Checked {
        let of = self.one_type(of, from)?;
        let free = of.kind.is_free_text() && to == Type::ID;
        let to = if free { Type::TEXT } else { to };
        self.folded(ast, Node::Call(function, vec![of.node]), to)
    }

    /// A call on literals is made now: what can never work is a fault of the file.
    fn folded(&mut self, ast: &Ast, node: Node, kind: Type) -> Checked {
        let Node::Call(_, args) = &node else { return Some(Typed::new(node, kind)) };
        if !args.iter().all(|arg| matches!(arg, Node::Const(_))) {
            return Some(Typed::new(node, kind));
        }
        match eval::evaluate(&node, &Scope::new()) {
            Ok(value) => Some(Typed::new(Node::Const(value), kind)),
            Err(error) => self.fault(ast, FaultKind::WrongType, error.to_string(), None),
        }
    }

    fn one_type(&mut self, ast: &Ast, wanted: &[Type]) -> Checked {
        let typed = self.needed(ast)?;
        let fits = |kind: &Type| crate::expr::types::unify(kind, &typed.kind).is_some();
        if wanted.iter().any(fits) {
            return Some(typed);
        }
        let wanted: Vec<String> = wanted.iter().map(article).collect();
        let message = format!("expected {}, found {}", wanted.join(" or "), article(&typed.kind));
        self.fault(ast, FaultKind::WrongType, message, None)
    }

    fn duration(&mut self, of: &Ast) -> Checked {
        let Kind::Text(text) = &of.kind else {
            let message = "duration(…) takes a literal such as \"24h\"".to_owned();
            return self.fault(of, FaultKind::WrongType, message, None);
        };
        let Some(length) = duration(text).and_then(|d| jiff::SignedDuration::try_from(d).ok())
        else {
            let message = format!("\"{text}\" is no length of time");
            let remedy = Some("write 30s, 5m, 24h or 30d".to_owned());
            return self.fault(of, FaultKind::WrongType, message, remedy);
        };
        Some(Typed::new(Node::Const(Value::Duration(length)), Type::Duration))
    }

    fn size(&mut self, of: &Ast) -> Checked {
        let typed = self.needed(of)?;
        if !matches!(typed.kind, Type::Str(_) | Type::List(_)) {
            let message = format!("{} has no size", article(&typed.kind));
            return self.fault(of, FaultKind::WrongType, message, None);
        }
        Some(Typed::new(Node::Call(Function::Size, vec![typed.node]), Type::Int))
    }

    fn test(&mut self, of: &Ast, function: Function, other: &Ast) -> Checked {
        let of = self.expect(of, &Type::ID);
        let other = self.expect(other, &Type::ID);
        let node = Node::Call(function, vec![of?.node, other?.node]);
        Some(Typed::new(node, Type::Bool))
    }

    fn matches(&mut self, of: &Ast, pattern: &Ast) -> Checked {
        let of = self.expect(of, &Type::ID);
        let Kind::Text(source) = &pattern.kind else {
            let message = "matches(…) takes a literal pattern".to_owned();
            return self.fault(pattern, FaultKind::WrongType, message, None);
        };
        match RegexBuilder::new(source).size_limit(1 << 20).build() {
            Ok(regex) => {
                let node = Node::Call(Function::Matches(regex), vec![of?.node]);
                Some(Typed::new(node, Type::Bool))
            }
            Err(_) => {
                let message = format!("\"{source}\" is no regular expression");
                self.fault(pattern, FaultKind::Syntax, message, None)
            }
        }
    }

    fn reshape(&mut self, of: &Ast, function: Function) -> Checked {
        let of = self.expect(of, &Type::ID)?;
        let kind = if of.kind.is_free_text() { Type::TEXT } else { Type::ID };
        Some(Typed::new(Node::Call(function, vec![of.node]), kind))
    }
}
