//! From words to a tree: CEL's grammar without floats, bytes, maps and messages.
//! Nesting is bounded here, so that nothing after it can run out of stack.

use super::token::{Token, Word, fault, tokens};
use super::{Fault, MAX_SOURCE};

/// Deepest tree.
const MAX_HEIGHT: usize = 64;

/// One place of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ast {
    /// Characters from the start: of a name, field, function or literal its
    /// first, of an operation its operator.
    pub(super) at: usize,
    pub(super) kind: Kind,
    height: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Ast>),
    Name(String),
    Select(Box<Ast>, String),
    Index(Box<Ast>, Box<Ast>),
    Call { target: Option<Box<Ast>>, name: String, args: Vec<Ast> },
    Not(Box<Ast>),
    Negate(Box<Ast>),
    Binary(&'static str, Box<Ast>, Box<Ast>),
    If(Box<Ast>, Box<Ast>, Box<Ast>),
}

/// Parses an expression.
pub(super) fn parse(source: &str) -> Result<Ast, Fault> {
    if source.len() > MAX_SOURCE {
        return Err(fault(0, &format!("an expression has at most {MAX_SOURCE} bytes"), None));
    }
    if source.trim().is_empty() {
        return Err(fault(0, "the expression is empty", None));
    }
    let mut parser = Parser { tokens: tokens(source)?, next: 0, open: 0 };
    let ast = parser.expression()?;
    if *parser.peek() == Word::End {
        Ok(ast)
    } else {
        Err(parser.unexpected("an operator or the end"))
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// Brackets and signs that are open around here.
    open: usize,
}

type Parsed = Result<Ast, Fault>;

impl Parser {
    fn expression(&mut self) -> Parsed {
        self.open += 1;
        if self.open > MAX_HEIGHT {
            return Err(too_deep(self.at()));
        }
        let test = self.binary(0)?;
        let at = self.at();
        let ast = if self.eat("?") {
            let yes = self.binary(0)?;
            self.expect(":")?;
            let no = self.expression()?;
            node(at, Kind::If(Box::new(test), Box::new(yes), Box::new(no)))?
        } else {
            test
        };
        self.open -= 1;
        Ok(ast)
    }

    /// Operators that bind tighter than `level`, left to right.
    fn binary(&mut self, level: u8) -> Parsed {
        let mut left = self.unary()?;
        while let Some((operator, binds)) = self.operator().filter(|(_, binds)| *binds > level) {
            let at = self.at();
            self.next += 1;
            let right = self.binary(binds)?;
            left = node(at, Kind::Binary(operator, Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<(&'static str, u8)> {
        let mark = match self.peek() {
            Word::Mark(mark) => mark,
            Word::Name(name) if name == "in" => "in",
            Word::Name(_) | Word::Int(_) | Word::Text(_) | Word::End => return None,
        };
        let binds = match mark {
            "||" => 1,
            "&&" => 2,
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" => 3,
            "+" | "-" => 4,
            "*" | "/" | "%" => 5,
            _ => return None,
        };
        Some((mark, binds))
    }

    fn unary(&mut self) -> Parsed {
        let at = self.at();
        let negative = matches!(self.peek(), Word::Mark("-"));
        if let (true, Some(Word::Int(n))) = (negative, self.ahead(1)) {
            let value = 0_i64.checked_sub_unsigned(*n);
            self.next += 2;
            let value = value.ok_or_else(|| fault(at, "the number is too large", None))?;
            return self.postfix(node(at, Kind::Int(value))?);
        }
        let sign: fn(Box<Ast>) -> Kind = if self.eat("-") {
            Kind::Negate
        } else if self.eat("!") {
            Kind::Not
        } else {
            let primary = self.primary()?;
            return self.postfix(primary);
        };
        self.open += 1;
        if self.open > MAX_HEIGHT {
            return Err(too_deep(at));
        }
        let of = self.unary()?;
        self.open -= 1;
        node(at, sign(Box::new(of)))
    }

    fn postfix(&mut self, mut of: Ast) -> Parsed {
        loop {
            if self.eat(".") {
                of = self.member(of)?;
            } else if matches!(self.peek(), Word::Mark("[")) {
                let at = self.at();
                self.next += 1;
                let index = self.expression()?;
                self.expect("]")?;
                of = node(at, Kind::Index(Box::new(of), Box::new(index)))?;
            } else {
                return Ok(of);
            }
        }
    }

    fn member(&mut self, of: Ast) -> Parsed {
        let at = self.at();
        let Word::Name(name) = self.peek().clone() else {
            return Err(self.unexpected("a field's name"));
        };
        self.next += 1;
        if self.eat("(") {
            let args = self.list(")")?;
            return node(at, Kind::Call { target: Some(Box::new(of)), name, args });
        }
        node(at, Kind::Select(Box::new(of), name))
    }

    fn primary(&mut self) -> Parsed {
        let at = self.at();
        let kind = match self.peek().clone() {
            Word::Int(n) => {
                Kind::Int(i64::try_from(n).map_err(|_| fault(at, "the number is too large", None))?)
            }
            Word::Text(text) => Kind::Text(text),
            Word::Name(name) if name == "in" => return Err(self.unexpected("a value")),
            Word::Name(name) => return self.named(at, name),
            Word::Mark("(") => {
                self.next += 1;
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Word::Mark("[") => {
                self.next += 1;
                let items = self.list("]")?;
                return node(at, Kind::List(items));
            }
            Word::Mark("{") => {
                return Err(fault(at, "there are no object literals", None));
            }
            Word::Mark(_) | Word::End => return Err(self.unexpected("a value")),
        };
        self.next += 1;
        node(at, kind)
    }

    fn named(&mut self, at: usize, name: String) -> Parsed {
        self.next += 1;
        let kind = match name.as_str() {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "null" => Kind::Null,
            _ if self.eat("(") => Kind::Call { target: None, name, args: self.list(")")? },
            _ => Kind::Name(name),
        };
        node(at, kind)
    }

    fn list(&mut self, close: &'static str) -> Result<Vec<Ast>, Fault> {
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.expression()?);
            if !self.eat(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn ahead(&self, by: usize) -> Option<&Word> {
        self.tokens.get(self.next + by).map(|token| &token.word)
    }

    fn peek(&self) -> &Word {
        self.ahead(0).unwrap_or(&Word::End)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |token| token.at)
    }

    fn eat(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Word::Mark(m) if *m == mark);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, mark: &'static str) -> Result<(), Fault> {
        if self.eat(mark) { Ok(()) } else { Err(self.unexpected(&format!("`{mark}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.peek() {
            Word::Name(name) => format!("`{name}`"),
            Word::Int(n) => format!("`{n}`"),
            Word::Text(_) => "a string".to_owned(),
            Word::Mark(mark) => format!("`{mark}`"),
            Word::End => "the end".to_owned(),
        };
        fault(self.at(), &format!("expected {wanted}, found {found}"), None)
    }
}

fn too_deep(at: usize) -> Fault {
    fault(at, &format!("the expression is nested deeper than {MAX_HEIGHT}"), Some("split it"))
}

fn node(at: usize, kind: Kind) -> Parsed {
    let height = 1 + match &kind {
        Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Text(_) | Kind::Name(_) => 0,
        Kind::List(items) => tallest(items),
        Kind::Select(of, _) | Kind::Not(of) | Kind::Negate(of) => of.height,
        Kind::Index(a, b) | Kind::Binary(_, a, b) => a.height.max(b.height),
        Kind::Call { target, args, .. } => {
            target.as_ref().map_or(0, |t| t.height).max(tallest(args))
        }
        Kind::If(a, b, c) => a.height.max(b.height).max(c.height),
    };
    if height > MAX_HEIGHT { Err(too_deep(at)) } else { Ok(Ast { at, kind, height }) }
}

fn tallest(items: &[Ast]) -> usize {
    items.iter().map(|item| item.height).max().unwrap_or(0)
}
