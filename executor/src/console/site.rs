//! As what browsers know the page: its origin, its cookie, and the paths on it.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use url::{Host, Url};

use super::challenge::STANDS;
use super::session::LASTS;

/// The page's address as browsers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    origin: String,
    host: String,
    secure: bool,
}

impl Site {
    /// From what `public_url` says.
    ///
    /// # Errors
    /// Where no browser would offer a passkey.
    pub(super) fn new(url: &str) -> Result<Self, &'static str> {
        let url = Url::parse(url).map_err(|_| "is no URL")?;
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => {
                return Err("has no host name: passkeys and certificates are bound to a name");
            }
        };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("must end after the host and port");
        }
        let secure = url.scheme() == "https";
        let here = url.scheme() == "http" && host == "localhost";
        if !secure && !here {
            return Err("must be https; only http://localhost is safe without, to try it out");
        }
        Ok(Self { origin: url.origin().ascii_serialization(), host, secure })
    }

    /// `https://approve.shop.example`, as in a browser's `Origin`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host that passkeys are bound to.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whether browsers reach it by TLS.
    pub(super) fn secure(&self) -> bool {
        self.secure
    }

    fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-countersign" } else { "countersign" }
    }

    /// The header that gives a browser its session, or takes an empty one back.
    pub(super) fn cookie(&self, token: &str) -> String {
        let (name, secure) = (self.cookie_name(), if self.secure { "; Secure" } else { "" });
        let age = if token.is_empty() { 0 } else { LASTS.as_secs() };
        format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
    }

    /// The session that a browser shows.
    pub(super) fn token(&self, headers: &HeaderMap) -> Option<String> {
        shown(headers, self.cookie_name())
    }

    fn way_name(&self, name: &str) -> String {
        format!("{}-way-{name}", self.cookie_name())
    }

    /// The header that keeps a sign-in under way in the browser that began it, or takes it
    /// back. It has to come along from another site, the house's sign-in: `Lax`.
    pub(super) fn way_cookie(&self, name: &str, value: &str) -> String {
        let (name, secure) = (self.way_name(name), if self.secure { "; Secure" } else { "" });
        let age = if value.is_empty() { 0 } else { STANDS.as_secs() };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
    }

    /// The sign-in under way of this name that a browser shows.
    pub(super) fn way(&self, headers: &HeaderMap, name: &str) -> Option<String> {
        shown(headers, &self.way_name(name))
    }
}

fn shown(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut each = lines.flat_map(|line| line.split(';')).map(str::trim);
    each.find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

/// A path on this site to go back to, with its query; anything else leads to the start.
pub(super) fn local(to: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-');
    let asked = |c: char| plain(c) || matches!(c, '=' | '&' | '%' | '+' | '.' | ':' | ',' | '@');
    let (path, query) = to.split_once('?').unwrap_or((to, ""));
    let here = path.starts_with('/') && !path.starts_with("//") && path.chars().all(plain);
    if here && query.chars().all(asked) { to } else { "/" }
}

/// The way to the sign-in, and back to where somebody wanted to go.
pub(super) fn sign_in(to: &str) -> String {
    let to = local(to).replace('%', "%25").replace('&', "%26").replace('+', "%2B");
    format!("/sign-in?to={to}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_where_browsers_offer_passkeys() {
        let site = Site::new("https://approve.shop.example:443").unwrap();
        assert_eq!(site.origin(), "https://approve.shop.example");
        assert_eq!(site.host(), "approve.shop.example");
        assert_eq!(Site::new("http://localhost:8445").unwrap().origin(), "http://localhost:8445");
        for wrong in [
            "http://approve.shop.example",
            "https://127.0.0.1",
            "https://approve.shop.example/page",
            "approve.shop.example",
            "ftp://localhost",
        ] {
            assert!(Site::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cookie_stays_with_its_host_and_its_site() {
        let site = Site::new("https://a.example").unwrap();
        let cookie = site.cookie("t0k");
        for part in ["__Host-countersign=t0k;", "HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(site.cookie("").contains("Max-Age=0"));
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=b; __Host-countersign=t0k".parse().unwrap());
        assert_eq!(site.token(&headers).as_deref(), Some("t0k"));
        assert_eq!(Site::new("http://localhost").unwrap().token(&headers), None);
    }

    #[test]
    fn a_way_back_never_leaves_the_site() {
        assert_eq!(local("/approve/prp_1"), "/approve/prp_1");
        assert_eq!(sign_in("/approve/prp_1"), "/sign-in?to=/approve/prp_1");
        assert_eq!(sign_in("/a?b=c%20d&e=f"), "/sign-in?to=/a?b=c%2520d%26e=f");
        for wrong in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a?b=<c>",
            "/a?b=//c\\d",
            "/a#b",
            "/%2F/evil.example",
            "/\t/evil.example",
            "",
        ] {
            assert_eq!(local(wrong), "/", "{wrong:?}");
        }
    }
}
