//! What looks like a postal address: a sign of what is meant, and a reason not to
//! take a house number for an order number.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Whether a text holds an address, or a good part of one.
#[must_use]
pub fn is_address(text: &str) -> bool {
    ADDRESS.is_match(text)
}

/// Streets and post codes of a few common forms.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    const FORMS: &str = concat!(
        r"\b\d+[a-zA-Z]?\s+(?:[A-Z][\w.'’-]*\s+){1,3}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Way|Boulevard|Blvd",
        r"|Court|Ct|Close|Grove|Mews|Terrace|Place|Pl|Square|Sq|Row|Crescent|Parkway|Pkwy|Hill|Gardens|Park|Highway|Hwy)\b",
        r"|\b[A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}\b",
        r"|\b[A-Z]{2},?\s+\d{5}(?:-\d{4})?\b",
        r"|\b\p{Lu}[\p{L}-]*(?:straße|strasse|str\.|weg|platz|gasse|allee|laan|straat)\s*\d+",
        r"|\b(?:Rua|Rue|Via|Calle|Avenida|Plaza|Piazza|Avenue)\s+[\p{L}\s'’.-]{2,40}\d+",
        r"|\b[A-Z][a-z]+ (?:Street|Avenue|Road|Lane|Drive|Boulevard)\b",
        r"|,\s*\d{4,5}(?:-\d{3})?\s+\p{Lu}\p{L}+",
    );
    #[expect(clippy::unwrap_used, reason = "a constant, compiled by a test")]
    Regex::new(FORMS).unwrap()
});

/// House numbers before a street's name: "1001 Cedar Road".
#[must_use]
pub fn house_numbers(text: &str) -> Vec<Range<usize>> {
    const LINKS: &[&str] = &[
        "to", "my", "the", "new", "old", "at", "is", "was", "on", "from", "for", "in", "a", "and",
        "goes", "go", "should",
    ];
    let street =
        |name: &str| !name.to_lowercase().split_whitespace().any(|word| LINKS.contains(&word));
    let found =
        HOUSE.captures_iter(text).filter(|c| c.get(2).is_some_and(|name| street(name.as_str())));
    found.filter_map(|c| c.get(1).map(|number| number.range())).collect()
}

static HOUSE: LazyLock<Regex> = LazyLock::new(|| {
    const FORM: &str = concat!(
        r"(?i)\b(\d+)[a-z]?,?\s+((?:[\p{L}.'’-]+\s+){1,3})",
        r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|way|boulevard|blvd|court|ct|close|grove|mews|terrace|place|square|row|crescent|parkway|gardens|highway|hwy)\b",
    );
    #[expect(clippy::unwrap_used, reason = "a constant, compiled by a test")]
    Regex::new(FORM).unwrap()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_house_number_is_told_from_an_order_number() {
        let numbers = |text: &str| -> Vec<String> {
            house_numbers(text).into_iter().filter_map(|r| text.get(r).map(str::to_owned)).collect()
        };
        assert_eq!(numbers("1004 should be delivered to 1001 Cedar Road"), ["1001"]);
        assert_eq!(numbers("1005 pine ave is my new address"), ["1005"]);
        assert!(numbers("send 1001 to my new street").is_empty());
        assert!(numbers("order 1001 goes the wrong way").is_empty());
    }
}
