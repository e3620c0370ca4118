//! What a failed request proves. Not sent is only what cannot have reached the
//! backend's code: no name, no connection, no TLS, a request that never left the
//! queue, an HTTP/2 stream that the server says it did not process. Everything
//! else is lost (FOUR OUTCOMES).

use std::error::Error;

use countersign_core::answer::{Barrier, Sent};

use super::egress::Denied;

/// Longest explanation kept, in characters.
const LONGEST: usize = 400;

/// What a failure before any answer proves.
pub(super) fn before_answer(error: &reqwest::Error) -> Sent {
    let why = explain(error);
    let barrier = if causes(error).any(<dyn Error>::is::<Denied>) || error.is_builder() {
        Barrier::Egress
    } else if error.is_connect() || causes(error).any(proves_unprocessed) {
        Barrier::Unreachable
    } else {
        return Sent::Lost { why };
    };
    Sent::NotSent { barrier, why }
}

/// What a failure after the answer's head proves: nothing.
pub(super) fn within_answer(error: &reqwest::Error) -> Sent {
    Sent::Lost { why: format!("the answer was cut: {}", explain(error)) }
}

fn proves_unprocessed(cause: &(dyn Error + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        // Handed back by the connection before its first byte was written.
        return error.is_canceled();
    }
    cause.downcast_ref::<h2::Error>().is_some_and(|error| {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        // Streams up to the GOAWAY's last one do not end with it: they go on, or
        // end with an I/O error.
        error.is_remote() && (refused || error.is_go_away())
    })
}

/// The whole chain of causes in words, without the URL.
pub(super) fn explain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let part = cause.to_string();
        if parts.last().is_none_or(|last| !last.contains(&part)) {
            parts.push(part);
        }
    }
    let why = if error.is_timeout() { "time-out: " } else { "" };
    let text: String = format!("{why}{}", parts.join(": "));
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// The causes below the outermost error, whose text would name the URL.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}
