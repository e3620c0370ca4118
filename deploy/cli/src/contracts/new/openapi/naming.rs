//! What names give away. Guesses, each marked where it is used.

use crate::contracts::new::page::snake;

/// The claim that an owner's field is compared with; the surest names first.
const OWNERS: [(&str, &str); 14] = [
    ("customer_id", "customer_id"),
    ("user_id", "user_id"),
    ("owner_id", "id"),
    ("buyer_id", "customer_id"),
    ("member_id", "member_id"),
    ("account_id", "account_id"),
    ("customer", "customer_id"),
    ("user", "user_id"),
    ("owner", "id"),
    ("buyer", "customer_id"),
    ("customer_email", "email"),
    ("user_email", "email"),
    ("email", "email"),
    ("email_address", "email"),
];

/// How sure it is that a field names the owner (0: surest), and the claim.
pub(super) fn owner(name: &str) -> Option<(usize, &'static str)> {
    let name = snake(name);
    let at = OWNERS.iter().position(|(owner, _)| *owner == name)?;
    OWNERS.get(at).map(|(_, claim)| (at, *claim))
}

/// Names that end in an id.
pub(super) fn is_id(name: &str) -> bool {
    let name = snake(name);
    name == "id" || name == "uuid" || name.ends_with("_id") || name.ends_with("_uuid")
}

/// Whether money is counted here.
pub(super) fn is_amount(name: &str) -> bool {
    let dated = ["at", "on", "date", "id", "by"]
        .iter()
        .any(|end| snake(name).ends_with(&format!("_{end}")));
    !dated
        && any_word(
            name,
            &["amount", "price", "total", "subtotal", "refunded", "paid", "balance", "fee", "cost"],
        )
}

/// Whether a currency stands here.
pub(super) fn is_currency(name: &str) -> bool {
    matches!(snake(name).as_str(), "currency" | "currency_code")
}

/// Texts that a service stores and shows again: room for a marker.
pub(super) fn is_note(name: &str) -> bool {
    matches!(
        snake(name).as_str(),
        "note"
            | "notes"
            | "memo"
            | "comment"
            | "reason_text"
            | "remark"
            | "description"
            | "internal_note"
            | "staff_note"
            | "external_id"
            | "external_reference"
    )
}

/// Native idempotency keys.
pub(super) fn is_key(name: &str) -> bool {
    let name = snake(name);
    matches!(
        name.as_str(),
        "idempotency_key"
            | "x_idempotency_key"
            | "idempotency_token"
            | "request_id"
            | "x_request_id"
            | "client_request_id"
            | "client_token"
    )
}

/// Parameters that only steer how a list is given.
pub(super) fn is_paging(name: &str) -> bool {
    matches!(
        snake(name).as_str(),
        "page"
            | "per_page"
            | "page_size"
            | "limit"
            | "offset"
            | "cursor"
            | "after"
            | "before"
            | "starting_after"
            | "ending_before"
            | "page_token"
            | "sort"
            | "sort_by"
            | "order_by"
            | "direction"
            | "fields"
            | "expand"
            | "include"
    )
}

/// What people call an object by.
pub(super) fn is_label(name: &str) -> bool {
    any_word(name, &["number", "reference", "name", "title", "sku", "code"])
}

/// What a value decides, where it is consequential.
pub(super) fn role(name: &str) -> Option<&'static str> {
    let account = ["iban", "bic", "account", "card", "wallet"];
    let destination = [
        "email",
        "address",
        "address1",
        "address2",
        "street",
        "city",
        "zip",
        "postcode",
        "postal",
        "country",
        "state",
        "province",
        "phone",
        "recipient",
        "line1",
        "line2",
    ];
    if is_amount(name) {
        Some("amount")
    } else if any_word(name, &account) {
        Some("account")
    } else if any_word(name, &destination) {
        Some("destination")
    } else {
        None
    }
}

/// What a status means for an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Pending,
    Failed,
    Done,
}

/// What a word of a status means; `None` where it does not tell.
pub(super) fn means(status: &str) -> Option<Means> {
    match snake(status).as_str() {
        "pending" | "processing" | "in_progress" | "requested" | "queued" | "submitted" | "new"
        | "awaiting_response" => Some(Means::Pending),
        "failed" | "failure" | "declined" | "rejected" | "error" => Some(Means::Failed),
        "succeeded" | "success" | "completed" | "complete" | "done" | "settled" | "processed" => {
            Some(Means::Done)
        }
        _ => None,
    }
}

fn any_word(name: &str, words: &[&str]) -> bool {
    snake(name).split('_').any(|word| words.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_each_spelling() {
        assert_eq!(owner("customerId"), Some((0, "customer_id")));
        assert!(owner("email") > owner("customer"));
        assert!(is_id("orderId") && !is_id("paid"));
        assert!(
            is_amount("amount_refunded")
                && !is_amount("paid_at")
                && is_key("Idempotency-Key")
                && is_note("staffNote")
        );
        assert_eq!(
            (role("shippingAddress"), role("iban"), role("colour")),
            (Some("destination"), Some("account"), None)
        );
        assert_eq!(
            (means("IN_PROGRESS"), means("SUCCEEDED"), means("open")),
            (Some(Means::Pending), Some(Means::Done), None)
        );
    }
}
