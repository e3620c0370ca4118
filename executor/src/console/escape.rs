//! How every text gets into a page: as text, in the order in which it was written.

use std::fmt;

use askama::filters::{Escaper, Html};
use countersign_shared::attest::marked;

/// HTML's own characters are escaped, and no text turns the page's order round.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Escaper for Plain {
    fn write_escaped_str<W: fmt::Write>(&self, dest: W, text: &str) -> fmt::Result {
        Html.write_escaped_str(dest, &marked(text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn text_stays_text_and_in_order() {
        let mut page = String::new();
        Plain.write_escaped_str(&mut page, "<b title=\"x\">'&\u{202e}\0").unwrap();
        assert_eq!(page, "&#60;b title=&#34;x&#34;&#62;&#39;&#38;⟨U+202E⟩");
    }
}
