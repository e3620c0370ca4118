//! The search syntax of `orders(query:)`, as far as the sandbox speaks it.
//!
//! Terms are joined by white space or `AND`. Anything else is an error: the real API ignores what it
//! does not know and then matches *every* order, which no test should lean on.

use super::shop::Order;

/// A parsed search: every term must match.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Search {
    terms: Vec<(Field, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Any,
    Id,
    Name,
    CustomerId,
    Email,
    Tag,
    Status,
}

impl Search {
    /// Reads `query`; an empty one matches everything.
    pub(crate) fn parse(query: &str) -> Result<Self, String> {
        let mut terms = Vec::new();
        for word in words(query)? {
            if word == "AND" {
                continue;
            }
            if matches!(word.as_str(), "OR" | "NOT")
                || word.starts_with(['-', '('])
                || word.ends_with(')')
            {
                return Err(format!("the sandbox's search does not know '{word}'"));
            }
            terms.push(term(&word)?);
        }
        Ok(Self { terms })
    }

    /// True when every term matches `order`.
    pub(crate) fn matches(&self, order: &Order) -> bool {
        self.terms.iter().all(|(field, value)| one(*field, value, order))
    }
}

fn one(field: Field, value: &str, order: &Order) -> bool {
    let same = |text: &str| text.eq_ignore_ascii_case(value);
    let name =
        || order.name.trim_start_matches('#').eq_ignore_ascii_case(value.trim_start_matches('#'));
    let email = || order.email.as_deref().is_some_and(same);
    match field {
        Field::Any => name() || email(),
        Field::Id => order.id.to_string() == value,
        Field::Name => name(),
        Field::CustomerId => order.customer.is_some_and(|id| id.to_string() == value),
        Field::Email => email(),
        Field::Tag => order.tags.iter().any(|tag| same(tag)),
        Field::Status => match value {
            "cancelled" | "closed" => order.cancelled.is_some(),
            "open" | "not_closed" => order.cancelled.is_none(),
            _ => value == "any",
        },
    }
}

fn term(word: &str) -> Result<(Field, String), String> {
    let Some((name, value)) = word.split_once(':') else {
        return Ok((Field::Any, unquoted(word)));
    };
    let field = match name {
        "id" => Field::Id,
        "name" => Field::Name,
        "customer_id" => Field::CustomerId,
        "email" => Field::Email,
        "tag" => Field::Tag,
        "status" => Field::Status,
        _ => {
            return Err(format!("the sandbox's search does not know the field '{name}'"));
        }
    };
    if value.is_empty() || value.starts_with(['<', '>']) || value.contains('*') {
        return Err(format!("the sandbox's search does not know '{word}'"));
    }
    Ok((field, unquoted(value)))
}

fn unquoted(value: &str) -> String {
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '"' | '\'' => {}
            other => out.push(other),
        }
    }
    out
}

/// Splits at white space outside quotes; a backslash keeps the next character.
fn words(query: &str) -> Result<Vec<String>, String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut chars = query.chars();
    while let Some(c) = chars.next() {
        let ends = c.is_whitespace() && quote.is_none();
        if ends {
            words.push(String::new());
            continue;
        }
        match quote {
            Some(open) if open == c => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(_) | None => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
            if c == '\\' {
                word.extend(chars.next());
            }
        }
    }
    words.retain(|word| !word.is_empty());
    match quote {
        None => Ok(words),
        Some(open) => Err(format!("the search has an open {open}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::sandbox::shopify::seed;

    fn found(query: &str) -> Vec<String> {
        let search = Search::parse(query).unwrap();
        let shop = seed::shop(jiff::Timestamp::UNIX_EPOCH);
        let orders = shop.orders.values().filter(|order| search.matches(order));
        orders.map(|order| order.name.clone()).collect()
    }

    #[test]
    fn terms_narrow_each_other() {
        assert_eq!(found("name:1001"), ["#1001"]);
        assert_eq!(found("name:#1001 AND customer_id:1"), ["#1001"]);
        assert_eq!(found("name:\"#1001\" customer_id:'1'"), ["#1001"]);
        assert!(found("name:1001 customer_id:2").is_empty());
        assert_eq!(found("email:Customer2@example.com").len(), 3);
        assert_eq!(found("").len(), 10);
    }

    #[test]
    fn a_guest_has_no_customer_and_quotes_hold_words_together() {
        assert!(found("name:3001 customer_id:1").is_empty());
        assert!(found("name:\"1001 OR name:2001\"").is_empty());
        assert!(found("name:\"1001\\\" customer_id:2\"").is_empty());
    }

    #[test]
    fn what_it_does_not_know_is_an_error() {
        for query in ["name:1001 OR name:2001", "-name:1001", "shoe_size:4", "name:10*", "name:\"1"]
        {
            assert!(Search::parse(query).is_err(), "{query}");
        }
    }
}
