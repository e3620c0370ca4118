//! `connector.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use countersign_shared::codes::Code;

use super::file::File;
use super::section::{Section, size};
use super::yaml::{Key, Kind, Yaml};
use crate::contract::keys;
use crate::contract::problem::ProblemKind;
use crate::contract::{CredentialUse, Limits, Pack, PackCode, PackKind};

/// Longest total time-out of a request.
const MAX_TIMEOUT: Duration = Duration::from_secs(120);
/// Largest limit.
const MOST_AT_ONCE: usize = 10_000;

/// Reads the connector; what is broken is noted and replaced by something
/// harmless, so that the contracts can be checked all the same.
pub(super) fn connector(file: &File, yaml: &Yaml, digest: String) -> Option<Pack> {
    let top = Section::open(file, yaml, keys::CONNECTOR)?;
    let name = top.need("pack").and_then(|name| pack_name(file, name));
    Some(Pack {
        name: name.unwrap_or_default(),
        summary: top.need_text("summary").unwrap_or_default().to_owned(),
        kind: kind(&top),
        credential: credential(&top).unwrap_or(CredentialUse::None),
        subject_claims: claims(&top),
        timeout: timeout(&top),
        response_limit: top
            .get("response_limit")
            .and_then(|yaml| size(file, yaml))
            .unwrap_or(1 << 20),
        quiet_period: top.duration("quiet_period").unwrap_or(Duration::from_secs(15)),
        limits: limits(&top),
        throttled_codes: throttled(&top),
        codes: codes(&top),
        digest,
    })
}

fn pack_name(file: &File, yaml: &Yaml) -> Option<String> {
    let name = file.text(yaml)?;
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if first && rest {
        return Some(name.to_owned());
    }
    let message = format!("`{name}` cannot be a pack's name");
    let remedy = Some("use small letters, digits and _, beginning with a letter");
    file.error(yaml.at, ProblemKind::WrongValue, message, remedy)
}

fn kind(top: &Section<'_>) -> PackKind {
    let graphql = top
        .need("kind")
        .and_then(|yaml| top.file.choice(yaml, &[("graphql", true), ("http", false)]))
        .unwrap_or(false);
    if !graphql {
        if let Some(path) = top.get("path") {
            let message = "`path` is for GraphQL; with http each contract has its own";
            top.file.error::<()>(path.at, ProblemKind::WrongValue, message, None);
        }
        return PackKind::Http;
    }
    let path = top.need("path").and_then(|yaml| absolute(top.file, yaml)).unwrap_or_default();
    PackKind::GraphQl { path }
}

fn absolute(file: &File, yaml: &Yaml) -> Option<String> {
    let path = file.text(yaml)?;
    if path.starts_with('/') && !path.contains(['?', '#', ' ']) {
        return Some(path.to_owned());
    }
    file.wrong(yaml, "a path such as /admin/api/graphql.json, without query")
}

fn credential(top: &Section<'_>) -> Option<CredentialUse> {
    let file = top.file;
    let yaml = top.need("credential")?;
    if let Kind::Text(_) = yaml.kind {
        let choices = [("bearer", 0), ("basic", 1), ("none", 2)];
        return Some(match file.choice(yaml, &choices)? {
            0 => CredentialUse::Bearer,
            1 => CredentialUse::Basic,
            _ => CredentialUse::None,
        });
    }
    let section = Section::open(file, yaml, keys::CREDENTIAL)?;
    if let Some(header) = section.get("header") {
        return header_name(file, header).map(CredentialUse::Header);
    }
    if let Some(hmac) = section.get("hmac") {
        let hmac = Section::open(file, hmac, keys::HMAC)?;
        if let Some(algorithm) = hmac.get("algorithm") {
            file.choice(algorithm, &[("sha256", ())])?;
        }
        return header_name(file, hmac.need("header")?)
            .map(|header| CredentialUse::Hmac { header });
    }
    if let Some(oauth) = section.get("oauth_client_credentials") {
        let oauth = Section::open(file, oauth, keys::OAUTH)?;
        return Some(CredentialUse::OauthClientCredentials {
            token_path: absolute(file, oauth.need("token_path")?)?,
            scope: oauth.text("scope").unwrap_or_default().to_owned(),
        });
    }
    file.wrong(
        yaml,
        "bearer, basic, none, { header: NAME }, { hmac: … } or { oauth_client_credentials: … }",
    )
}

/// A header's name, as a contract may set it.
pub(super) fn header_name(file: &File, yaml: &Yaml) -> Option<String> {
    let name = file.text(yaml)?;
    let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(token) {
        return Some(name.to_owned());
    }
    file.wrong(yaml, "a header's name such as X-Api-Key")
}

fn claims(top: &Section<'_>) -> BTreeSet<String> {
    let names = top.items("subject").iter().filter_map(|yaml| {
        let claim = top.file.named(yaml.at, top.file.text(yaml)?)?;
        if claim == "id" {
            let message = "`id` is always there";
            return top.file.error(yaml.at, ProblemKind::WrongValue, message, Some("leave it out"));
        }
        Some(claim)
    });
    names.collect()
}

fn timeout(top: &Section<'_>) -> Duration {
    let timeout = top.duration("timeout").unwrap_or(Duration::from_secs(10));
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        let at = top.get("timeout").map_or(top.at, |yaml| yaml.at);
        let message = "a request takes from 1ms to 120s";
        top.file.error::<()>(at, ProblemKind::WrongValue, message, None);
    }
    timeout
}

fn limits(top: &Section<'_>) -> Limits {
    let open = |yaml| Section::open(top.file, yaml, keys::LIMITS);
    let Some(section) = top.get("limits").and_then(open) else { return Limits::default() };
    let most = |key: &str| {
        let count = section.count(key, MOST_AT_ONCE)?;
        let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
        count.or_else(|| section.get(key).and_then(|yaml| section.file.wrong(yaml, "at least 1")))
    };
    Limits { concurrent: most("concurrent"), per_second: most("per_second") }
}

fn throttled(top: &Section<'_>) -> BTreeSet<String> {
    let Some(section) =
        top.get("throttled").and_then(|yaml| Section::open(top.file, yaml, keys::THROTTLED))
    else {
        return BTreeSet::new();
    };
    let codes = section.items("graphql_codes").iter();
    codes.filter_map(|yaml| top.file.text(yaml)).map(str::to_owned).collect()
}

fn codes(top: &Section<'_>) -> BTreeMap<String, PackCode> {
    let entries = top.entries("codes").iter();
    entries.filter_map(|(key, yaml)| Some((code_name(top.file, key)?, code(top, yaml)?))).collect()
}

fn code_name(file: &File, key: &Key) -> Option<String> {
    let name = &key.text;
    let screaming = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if !screaming {
        let message = format!("`{name}` cannot be a code");
        let remedy = Some("write it like ORDER_NOT_PAID");
        return file.error(key.at, ProblemKind::WrongValue, message, remedy);
    }
    if Code::by_name(name).is_some() {
        let message = format!("`{name}` is a built-in code");
        let remedy = Some("use it without declaring it, or choose another name");
        return file.error(key.at, ProblemKind::WrongValue, message, remedy);
    }
    Some(name.clone())
}

fn code(top: &Section<'_>, yaml: &Yaml) -> Option<PackCode> {
    let section = Section::open(top.file, yaml, keys::CODE)?;
    let (cause, remedy) = (section.need_text("cause"), section.need_text("remedy"));
    let say = section.text("say").map(str::to_owned);
    let escalate = section.flag("escalate");
    Some(PackCode { cause: cause?.to_owned(), remedy: remedy?.to_owned(), say, escalate })
}
