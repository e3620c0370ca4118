//! The checked tree that evaluation walks.

use regex::Regex;

use crate::value::Value;

/// An operation whose operands have been checked.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Const(Value),
    /// A name of the scope.
    Root(String),
    /// A loop variable, counted from the outermost loop.
    Var(usize),
    Field(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    /// Not absent: `has(x)`, `x != null`.
    Present(Box<Node>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
    Equal(Box<Node>, Box<Node>),
    Order(Order, Box<Node>, Box<Node>),
    Among(Box<Node>, Box<Node>),
    Add(Box<Node>, Box<Node>),
    Subtract(Box<Node>, Box<Node>),
    Multiply(Box<Node>, Box<Node>),
    Negate(Box<Node>),
    List(Vec<Node>),
    Call(Function, Vec<Node>),
    Loop {
        kind: Loop,
        over: Box<Node>,
        body: Box<Node>,
    },
}

/// An ordering test.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A function over values.
#[derive(Debug, Clone)]
pub(super) enum Function {
    Contains,
    StartsWith,
    EndsWith,
    Matches(Regex),
    Size,
    Lower,
    Trim,
    Text,
    Money,
    Decimal,
    NumericId,
    Minor,
    Amount,
    Currency,
    Sum(Zero),
}

/// What an empty sum is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Zero {
    Int,
    Decimal,
    /// No currency, so no sum.
    Money,
}

/// A bounded walk over a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loop {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}
