//! Spans of a trace, in OpenTelemetry's terms. They go to a collector where one is
//! configured; where none is, only their ids are made, so that every hop names its parent.
//!
//! What a span says of itself is bounded to names, codes, ids and counts: no value of a
//! person and no secret (NO SECRET LEAVES).

mod export;
mod otlp;

use std::future::Future;
use std::time::SystemTime;

use crate::trace::{Traceparent, current};

pub use export::{ExportError, Telemetry, flush, lost, start};

/// What a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Work within a process.
    Internal,
    /// A call that came in.
    Server,
    /// A call that went out.
    Client,
}

/// What is said of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// A name, a code or an id.
    Text(String),
    /// A count.
    Number(i64),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u32> for Attribute {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// Work that has begun. It ends when it is dropped. Outside of a trace it is nothing.
#[derive(Debug)]
pub struct Span(Option<Begun>);

#[derive(Debug)]
struct Begun {
    at: Traceparent,
    parent: [u8; 8],
    kind: Kind,
    name: String,
    began: SystemTime,
    attributes: Vec<(&'static str, Attribute)>,
    failed: bool,
}

impl Span {
    /// A child of the span that this task is in.
    #[must_use]
    pub fn begin(kind: Kind, name: impl Into<String>) -> Self {
        Self(current().map(|parent| Begun {
            at: parent.child(),
            parent: *parent.span(),
            kind,
            name: name.into(),
            began: SystemTime::now(),
            attributes: Vec::new(),
            failed: false,
        }))
    }

    /// Says something of it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Attribute>) {
        if let Some(begun) = &mut self.0 {
            begun.attributes.push((key, value.into()));
        }
    }

    /// It ends badly.
    pub fn fail(&mut self) {
        if let Some(begun) = &mut self.0 {
            begun.failed = true;
        }
    }

    /// Runs a future within it: what that begins is its child.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        match &self.0 {
            Some(begun) => begun.at.scope(future).await,
            None => future.await,
        }
    }
}

/// Work within a process, as a span of this name.
pub async fn within<F: Future>(name: &'static str, work: F) -> F::Output {
    Span::begin(Kind::Internal, name).run(work).await
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(begun) = self.0.take() {
            export::ended(begun);
        }
    }
}
