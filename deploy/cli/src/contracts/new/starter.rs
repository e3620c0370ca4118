//! A commented pack to begin with: one read, one write, one recorded case.

use super::{Files, Kind};

const HTTP: &[(&str, &str)] = &[
    ("connector.yaml", include_str!("starter/http/connector.yaml")),
    ("contracts/get_order.yaml", include_str!("starter/http/contracts/get_order.yaml")),
    ("contracts/cancel_order.yaml", include_str!("starter/http/contracts/cancel_order.yaml")),
    ("recorded/cancel_order.json", include_str!("starter/http/recorded/cancel_order.json")),
];

const GRAPHQL: &[(&str, &str)] = &[
    ("connector.yaml", include_str!("starter/graphql/connector.yaml")),
    ("contracts/get_order.yaml", include_str!("starter/graphql/contracts/get_order.yaml")),
    ("contracts/cancel_order.yaml", include_str!("starter/graphql/contracts/cancel_order.yaml")),
    ("documents/get_order.graphql", include_str!("starter/graphql/documents/get_order.graphql")),
    (
        "documents/cancel_order.graphql",
        include_str!("starter/graphql/documents/cancel_order.graphql"),
    ),
    ("recorded/cancel_order.json", include_str!("starter/graphql/recorded/cancel_order.json")),
];

/// The pack, called `name`.
pub(super) fn files(kind: Kind, name: &str) -> Files {
    let files = match kind {
        Kind::Http => HTTP,
        Kind::Graphql => GRAPHQL,
    };
    files.iter().map(|(path, text)| ((*path).to_owned(), text.replace("PACK", name))).collect()
}
