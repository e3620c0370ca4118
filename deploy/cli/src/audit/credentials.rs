//! `countersign audit credentials`: which secrets there are, by name. Reads no content.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::anyhow;
use countersign_core::contract::{Catalog, CredentialUse};
use countersign_executor::config::Config;
use countersign_executor::connector::config::ConnectionConfig;
use countersign_executor::packs;
use countersign_executor::siem::config::{SinkConfig, To};
use countersign_executor::store::StoreConfig;
use serde_json::json;

use crate::command::OK;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign audit credentials --config executor.yaml
  countersign audit credentials --config executor.yaml --json

No file is opened: its age is its time of last change, and a file that is not there says so.";

/// What `audit credentials` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The executor's configuration file.
    #[arg(long, value_name = "FILE", default_value = "executor.yaml")]
    config: PathBuf,
    /// Print one JSON object a credential.
    #[arg(long)]
    json: bool,
}

/// One secret of the deployment.
struct Credential {
    /// Its file, below the credentials folder or beside the configuration.
    name: String,
    /// What it opens.
    opens: String,
    /// How it is presented.
    kind: String,
    /// On whose behalf, and through whom.
    used_by: String,
    /// Whole days since its last change; `None` where there is no such file.
    days: Option<u64>,
}

/// Prints the inventory.
///
/// # Errors
/// When the configuration or the packs cannot be read.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let catalog = packs::load(&config.packs).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the packs do not load:\n{}", lines.join("\n"))
    })?;
    let all = inventory(&config, &catalog);
    print(&mut io::stdout().lock(), &all, args.json)?;
    Ok(ExitCode::from(OK))
}

fn print(out: &mut impl Write, all: &[Credential], as_json: bool) -> io::Result<()> {
    for one in all {
        let Credential { name, opens, kind, used_by, days } = one;
        if as_json {
            let line = json!({ "name": name, "opens": opens, "kind": kind, "used_by": used_by, "days": days });
            writeln!(out, "{line}")?;
            continue;
        }
        let age = days.map_or_else(|| "no such file".to_owned(), |days| format!("{days} days old"));
        writeln!(
            out,
            "{name}\n  opens    {opens}\n  kind     {kind}\n  age      {age}\n  used by  {used_by}"
        )?;
    }
    Ok(())
}

fn inventory(config: &Config, catalog: &Catalog) -> Vec<Credential> {
    let mut all: Vec<_> =
        config.connections.iter().filter_map(|to| backend(config, catalog, to)).collect();
    all.extend(config.siem.iter().filter_map(|sink| token(config, sink)));
    all.extend(database(config));
    all.extend(own(config));
    all
}

/// A backend's, which the executor presents for subjects of one tenant.
fn backend(config: &Config, catalog: &Catalog, to: &ConnectionConfig) -> Option<Credential> {
    let name = to.credential.as_ref()?;
    let tools = catalog.tools.values().filter(|tool| tool.pack.name == to.pack).count();
    let usage = catalog.packs.get(&to.pack).map(|pack| presented(&pack.credential));
    let per = to.credential_per.as_ref();
    let used_by = match per {
        None => format!("{tools} tools of pack {}, for every subject of {}", to.pack, to.tenant),
        Some(per) => format!(
            "{tools} tools of pack {}, a file per subject of {} by claim {}",
            to.pack, to.tenant, per.claim
        ),
    };
    Some(Credential {
        days: days(&config.credentials.join(name)),
        name: name.clone(),
        opens: format!("account {} at {}", to.account, host(&to.base_url)),
        kind: usage.unwrap_or_else(|| "its pack is not loaded".to_owned()),
        used_by,
    })
}

fn presented(usage: &CredentialUse) -> String {
    match usage {
        CredentialUse::None => "not presented".to_owned(),
        CredentialUse::Header(name) => format!("header {name}"),
        CredentialUse::Bearer => "bearer token".to_owned(),
        CredentialUse::Basic => "user and password".to_owned(),
        CredentialUse::Hmac { header } => format!("signs requests, in header {header}"),
        CredentialUse::OauthClientCredentials { scope, .. } => {
            format!("OAuth client, scope {}", if scope.is_empty() { "unsaid" } else { scope })
        }
    }
}

/// A collector's, for events.
fn token(config: &Config, sink: &SinkConfig) -> Option<Credential> {
    let http = sink.http()?;
    let name = http.credential.as_ref()?;
    let kind = match sink.to {
        To::File(_) => return None,
        To::SplunkHec(_) => "event collector token",
        To::Otlp(_) => "bearer token",
    };
    Some(Credential {
        days: days(&config.credentials.join(name)),
        name: name.clone(),
        opens: format!("collector {}", host(&http.url)),
        kind: kind.to_owned(),
        used_by: format!("sink {} of events", sink.name),
    })
}

fn database(config: &Config) -> Option<Credential> {
    let StoreConfig { postgres, .. } = config.store.as_ref()?;
    let name = postgres.password.as_ref()?;
    Some(Credential {
        days: days(&config.credentials.join(name)),
        name: name.clone(),
        opens: format!("database {} at {}", postgres.database, postgres.host),
        kind: format!("password of role {}", postgres.user),
        used_by: "the executor's store".to_owned(),
    })
}

/// Keys and shared secrets that are the executor's own.
fn own(config: &Config) -> Vec<Credential> {
    let mut all = Vec::new();
    let mut add = |path: &Path, opens: &str, kind: &str, used_by: &str| {
        all.push(Credential {
            name: path.display().to_string(),
            opens: opens.to_owned(),
            kind: kind.to_owned(),
            used_by: used_by.to_owned(),
            days: days(path),
        });
    };
    add(&config.log.key, &format!("log {}", config.log.origin), "Ed25519 key", "checkpoints");
    add(&config.tls.key, "the executor's identity", "private key", "every connection to it");
    if let Some(confirm) = &config.confirm {
        let page = &confirm.page.public_url;
        add(&confirm.key, page, "Ed25519 key", "yeses of customers on its page");
        add(&confirm.mailer.secret_file, "the mailer", "HMAC secret", "links to customers");
    }
    if let Some(tls) = config.console.as_ref().and_then(|console| console.tls.as_ref()) {
        add(&tls.key, "the approval page", "private key", "browsers of approvers");
    }
    for (at, notify) in config.notify.iter().enumerate() {
        if let Some(secret) = &notify.secret_file {
            add(secret, &format!("receiver {at} of notices"), "HMAC secret", "notices to staff");
        }
    }
    all
}

fn host(url: &url::Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn days(path: &Path) -> Option<u64> {
    let changed = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    let age = SystemTime::now().duration_since(changed).unwrap_or_default();
    Some(age.as_secs() / 86_400)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::init;

    #[test]
    fn every_credential_is_named_and_none_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        init::write(folder.path()).unwrap();
        fs::write(folder.path().join("credentials/shopify_token"), "shpat_hunter2\n").unwrap();
        let config = Config::load(&folder.path().join("executor.yaml")).unwrap();
        let catalog = packs::load(&config.packs).unwrap();
        for as_json in [false, true] {
            let mut out = Vec::new();
            print(&mut out, &inventory(&config, &catalog), as_json).unwrap();
            let text = String::from_utf8(out).unwrap();
            for part in ["shopify_token", "account shop", "log.key", "for every subject of shop"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
