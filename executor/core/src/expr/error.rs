//! What is wrong with an expression at load, and what can fail when it runs.

use countersign_shared::money::MoneyError;

/// Why an evaluation gave no value. ERRORS REFUSE.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The scope has no such name.
    #[error("`{0}` is not known at this point")]
    Unbound(String),
    /// A value that the operation needs is absent.
    #[error("a value that is needed here is absent")]
    Absent,
    /// The scope holds a value of another type than declared.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What the operation works on.
        expected: &'static str,
        /// What the scope held.
        found: &'static str,
    },
    /// No such element.
    #[error("there is no element {index} in a list of {length}")]
    Index {
        /// Asked for, from 0.
        index: i64,
        /// Elements there are.
        length: usize,
    },
    /// Two currencies, or no exact amount.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A result out of range.
    #[error("the result is too large")]
    Overflow,
    /// Not a decimal.
    #[error("`{0}` is not a decimal number")]
    Decimal(String),
    /// No digits at the end.
    #[error("`{0}` does not end in digits")]
    NumericId(String),
    /// A JSON number would not hold the decimal exactly.
    #[error("{0} cannot be written as an exact JSON number")]
    Inexact(String),
    /// A sum over no money has no currency.
    #[error("the sum of an empty list of money has no currency")]
    EmptySum,
    /// A list is longer than expressions walk.
    #[error("a list of {0} elements is too long")]
    TooLong(usize),
    /// A string is longer than expressions make.
    #[error("the text becomes too long")]
    TooMuchText,
    /// Too many steps.
    #[error("the evaluation takes too many steps")]
    TooManySteps,
}

/// What is wrong with an expression, found at load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Characters from the start of the source, from 0.
    pub offset: usize,
    /// What sort of fault.
    pub kind: FaultKind,
    /// One sentence without a full stop.
    pub message: String,
    /// What to do about it, where that is known.
    pub remedy: Option<String>,
}

/// The sorts of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Not an expression of the language.
    Syntax,
    /// A name that is not declared here.
    UnknownName,
    /// A function that does not exist or takes other arguments.
    UnknownFunction,
    /// A type that does not fit.
    WrongType,
    /// A value that may be absent is used untested.
    MayBeAbsent,
}
