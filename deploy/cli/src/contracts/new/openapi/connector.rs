//! The connector, drafted from servers and security schemes.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use url::Url;

use super::document::Document;
use crate::contracts::new::page::{Page, quoted, scalar, sentence};

/// `connector.yaml`.
pub(super) fn page(document: &Document, name: &str, claims: &BTreeSet<&'static str>) -> String {
    let mut page = Page::default();
    page.remark("How the backend is reached. Address and secret are the deployment's: they stand in executor.yaml.");
    if let Some(server) = document.text("/servers/0/url") {
        page.remark(&format!("The description names the base_url {}", sentence(server, 200)));
    }
    page.line(format!("pack: {name}"));
    let title = document.text("/info/title").map_or_else(|| name.to_owned(), |t| sentence(t, 120));
    page.marked(
        format!("summary: {}", quoted(&format!("{title}."))),
        "what is it, in one sentence?",
    );
    page.line("kind: http");
    credential(&mut page, document);
    let claims: Vec<_> = claims.iter().filter(|claim| **claim != "id").copied().collect();
    let line = format!("subject: [{}]", claims.join(", "));
    page.marked(line, "which claims of the customer's token say what is theirs?");
    page.line("timeout: 10s");
    page.line("response_limit: 1MiB");
    page.marked(
        "quiet_period: 15s",
        "how long may the service go on working after we stop waiting?",
    );
    page.finish()
}

fn credential(page: &mut Page, document: &Document) {
    let mut schemes = schemes(document).into_iter();
    let Some((name, first)) = schemes.next() else {
        return page.marked("credential: none", "the description names none. Is that so?");
    };
    let others: Vec<_> = schemes.map(|(name, _)| name).collect();
    match used(first) {
        Used::As(line) if others.is_empty() => page.line(format!("credential: {line}")),
        Used::As(line) => {
            let also = sentence(&others.join(", "), 120);
            page.marked(
                format!("credential: {line}"),
                &format!("this is `{name}`; the description has {also} too"),
            );
        }
        Used::NotYet(why) => page.marked("credential: none", why),
    }
}

/// The schemes that the description asks for first, then the others.
fn schemes(document: &Document) -> Vec<(&str, &Json)> {
    let all = document.at("/components/securitySchemes").and_then(Json::as_object);
    let asked = document.at("/security/0").and_then(Json::as_object);
    let asked: Vec<&String> = asked.into_iter().flat_map(|names| names.keys()).collect();
    let mut found: Vec<_> = all
        .into_iter()
        .flatten()
        .map(|(name, scheme)| (name.as_str(), document.follow(scheme)))
        .collect();
    found.sort_by_key(|(name, _)| !asked.iter().any(|asked| asked == name));
    found
}

enum Used {
    As(String),
    NotYet(&'static str),
}

fn used(scheme: &Json) -> Used {
    let text = |key: &str| scheme.get(key).and_then(Json::as_str).unwrap_or_default();
    match (text("type"), text("scheme").to_ascii_lowercase().as_str(), text("in")) {
        ("http", "bearer", _) => Used::As("bearer".to_owned()),
        ("http", "basic", _) => Used::As("basic".to_owned()),
        ("apiKey", _, "header") if text("name").eq_ignore_ascii_case("authorization") => {
            Used::As("bearer".to_owned())
        }
        ("apiKey", _, "header") => Used::As(format!("{{ header: {} }}", scalar(text("name")))),
        ("apiKey", ..) => Used::NotYet(
            "the key goes into the query or a cookie, and a connector sends it in a header. Can the service take that?",
        ),
        ("oauth2", ..) => oauth(scheme),
        ("openIdConnect", ..) => Used::As("bearer".to_owned()),
        _ => Used::NotYet("this scheme is not known here. How is the secret presented?"),
    }
}

fn oauth(scheme: &Json) -> Used {
    let Some(flow) = scheme.pointer("/flows/clientCredentials") else {
        return Used::As("bearer".to_owned());
    };
    let url = flow.get("tokenUrl").and_then(Json::as_str).unwrap_or_default();
    let path = Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.path().to_owned());
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    let scopes = flow.get("scopes").and_then(Json::as_object).into_iter().flatten();
    let scopes: Vec<_> = scopes.map(|(name, _)| name.as_str()).collect();
    Used::As(format!(
        "{{ oauth_client_credentials: {{ token_path: {}, scope: {} }} }}",
        scalar(&path),
        quoted(&scopes.join(" ")),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn credential_of(schemes: &str) -> String {
        let text = format!(
            "openapi: 3.0.0\ncomponents: {{ securitySchemes: {schemes} }}\nsecurity: [ {{ b: [] }} ]\n"
        );
        let page = page(&Document::parse(&text).unwrap(), "p", &BTreeSet::new());
        page.lines().find(|l| l.starts_with("credential:")).unwrap().to_owned()
    }

    #[test]
    fn each_scheme_becomes_a_use_of_the_credential() {
        for (scheme, line) in [
            ("{ b: { type: http, scheme: Bearer } }", "credential: bearer"),
            ("{ b: { type: http, scheme: basic } }", "credential: basic"),
            (
                "{ b: { type: apiKey, in: header, name: X-Api-Key } }",
                "credential: { header: X-Api-Key }",
            ),
            (
                "{ b: { type: oauth2, flows: { clientCredentials: { tokenUrl: 'https://a.example/oauth/token', scopes: { 'a:b': x } } } } }",
                "credential: { oauth_client_credentials: { token_path: /oauth/token, scope: \"a:b\" } }",
            ),
        ] {
            assert_eq!(credential_of(scheme), line);
        }
        let query = credential_of("{ b: { type: apiKey, in: query, name: k } }");
        assert!(query.starts_with("credential: none") && query.contains("DECIDE"), "{query}");
        let two = credential_of(
            "{ a: { type: http, scheme: basic }, b: { type: http, scheme: bearer } }",
        );
        assert!(
            two.starts_with("credential: bearer") && two.contains("`b`; the description has a too"),
            "{two}"
        );
    }
}
