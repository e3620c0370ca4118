//! Relay connections: nodes, edges, cursors and pages over any list.

use std::rc::Rc;

use apollo_compiler::resolvers::FieldError;
use apollo_compiler::response::JsonMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::object::{Resolved, Shown, flag, int, leaf, list, maybe, object, text, unknown};

/// Type names of a connection and of its edges.
pub(super) type Names = (&'static str, &'static str);

/// One element: what makes its cursor unique, and how to make its object.
#[derive(Clone)]
pub(super) struct Item {
    cursor: String,
    node: Rc<dyn Fn() -> Shown>,
}

impl Item {
    pub(super) fn new(id: impl std::fmt::Display, node: impl Fn() -> Shown + 'static) -> Self {
        Self { cursor: STANDARD.encode(format!("{{\"last_id\":\"{id}\"}}")), node: Rc::new(node) }
    }
}

struct Page {
    items: Vec<Item>,
    next: bool,
    previous: bool,
}

/// The page of `items` that `first`, `last`, `after`, `before` and `reverse` ask for.
pub(super) fn connection((connection, edge): Names, items: Vec<Item>, args: &JsonMap) -> Resolved {
    let page = Rc::new(page(items, args)?);
    Ok(object(connection, move |field, _| match field {
        "nodes" => list(page.items.iter().map(|item| (item.node)())),
        "edges" => list(page.items.iter().cloned().map(|item| edge_object(edge, item))),
        "pageInfo" => Ok(page_info(Rc::clone(&page))),
        _ => unknown(field),
    }))
}

fn edge_object(edge: &'static str, item: Item) -> Shown {
    object(edge, move |field, _| match field {
        "cursor" => leaf(item.cursor.clone()),
        "node" => Ok((item.node)()),
        _ => unknown(field),
    })
}

fn page_info(page: Rc<Page>) -> Shown {
    object("PageInfo", move |field, _| match field {
        "hasNextPage" => leaf(page.next),
        "hasPreviousPage" => leaf(page.previous),
        "startCursor" => maybe(page.items.first().map(|item| item.cursor.clone())),
        "endCursor" => maybe(page.items.last().map(|item| item.cursor.clone())),
        _ => unknown(field),
    })
}

fn page(mut items: Vec<Item>, args: &JsonMap) -> Result<Page, FieldError> {
    if flag(args, "reverse") {
        items.reverse();
    }
    let total = items.len();
    let position = |name| match text(args, name) {
        None => Ok(None),
        Some(cursor) => match items.iter().position(|item| item.cursor == cursor) {
            Some(at) => Ok(Some(at)),
            None => Err(error(format!("Invalid cursor for current pagination sort: {name}"))),
        },
    };
    let mut from = position("after")?.map_or(0, |at| at + 1);
    let mut to = position("before")?.unwrap_or(total).max(from);
    match (limit(args, "first")?, limit(args, "last")?) {
        (Some(_), Some(_)) => {
            return Err(error("providing both first and last is not supported".into()));
        }
        (Some(first), None) => to = to.min(from.saturating_add(first)),
        (None, Some(last)) => from = from.max(to.saturating_sub(last)),
        (None, None) => return Err(error("you must provide one of first or last".into())),
    }
    Ok(Page { items: items.drain(from..to).collect(), next: to < total, previous: from > 0 })
}

fn limit(args: &JsonMap, name: &str) -> Result<Option<usize>, FieldError> {
    match int(args, name) {
        None => Ok(None),
        Some(count @ 0..=250) => Ok(usize::try_from(count).ok()),
        Some(count) => Err(error(format!("{name} must be between 0 and 250, not {count}"))),
    }
}

fn error(message: String) -> FieldError {
    FieldError { message }
}
