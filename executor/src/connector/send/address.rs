//! The full address of a request.

use url::Url;

use crate::connector::config::ConnectionConfig;
use crate::connector::egress::check_literal;
use countersign_core::request::WireRequest;

/// The connection's base with the request's path and query, byte for byte: a path
/// that a URL parser would change is refused, since the intent holds other bytes.
pub(super) fn of(config: &ConnectionConfig, request: &WireRequest) -> Result<Url, String> {
    let base = &config.base_url;
    let path = format!("{}{}", base.path().trim_end_matches('/'), request.path);
    let mut text = format!("{}{path}", base.origin().ascii_serialization());
    if !request.query.is_empty() {
        text = format!("{text}?{}", request.query);
    }
    let url = Url::parse(&text).map_err(|error| format!("path {path}: {error}"))?;
    let same = request.path.starts_with('/')
        && url.origin() == base.origin()
        && url.path() == path
        && url.query().unwrap_or_default() == request.query
        && url.fragment().is_none();
    if !same {
        return Err(format!("path {path} would be sent as {}: encode it", url.path()));
    }
    check_literal(&config.egress, &url).map_err(|denied| denied.to_string())?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn address(base: &str, path: &str, query: &str) -> Result<String, String> {
        let config = serde_json::from_value(serde_json::json!({
            "tenant": "t", "pack": "p", "account": "a", "base_url": base,
            "egress": {"hosts": ["a.example.com"]},
        }));
        let request = WireRequest {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        of(&config.unwrap(), &request).map(String::from)
    }

    #[test]
    fn base_and_path_are_joined() {
        let base = "https://a.example.com:8443/api/";
        assert_eq!(
            address(base, "/v1/a%2Fb", "q=%20&l[0]=1").unwrap(),
            "https://a.example.com:8443/api/v1/a%2Fb?q=%20&l[0]=1"
        );
        assert_eq!(address("https://a.example.com", "/", "").unwrap(), "https://a.example.com/");
    }

    #[test]
    fn a_path_cannot_leave_the_base_or_change_on_the_way() {
        for path in [
            "/../x",
            "/a/./b",
            "/%2e%2e/x",
            "/a b",
            "/a?b",
            "/a#b",
            "//b.example.com/\\",
            "@b.example.com/",
        ] {
            assert!(address("https://a.example.com/api", path, "").is_err(), "{path}");
        }
        assert!(address("https://a.example.com", "@b.example.com/", "").is_err());
        assert!(address("https://a.example.com", ".b.example.com/", "").is_err());
        assert!(address("https://b.example.com", "/", "").is_err(), "a host off the list");
    }
}
