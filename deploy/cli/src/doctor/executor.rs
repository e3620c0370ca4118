//! What is wrong with an executor's configuration.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use countersign_core::contract::Catalog;
use countersign_executor::activation::signable;
use countersign_executor::config::Config;
use countersign_executor::connector::Connections;
use countersign_executor::siem::SinkConfig;
use countersign_executor::vault::Vault;
use countersign_executor::{log, packs, policy, siem, store};
use countersign_shared::mtls::MaterialFiles;
use countersign_shared::tlog::key::{Signer as _, VerifierKey};

use super::report::Report;
use super::{certificate, files, pages};

/// Looks at everything that the executor will look at.
pub(super) fn look(report: &mut Report, file: &Path) {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => {
            return report.wrong(
                "executor",
                error.to_string(),
                "`countersign init DIR` writes one that is right",
            );
        }
    };
    report.good("executor", format!("{} is well formed", file.display()));
    for (place, text) in [("listen", &config.listen), ("admin", &config.admin)] {
        address(report, place, text);
    }
    let tls = &config.tls;
    let tls = MaterialFiles {
        cert: tls.cert.clone(),
        key: tls.key.clone(),
        ca: tls.ca.clone(),
        crl: tls.crl.clone(),
    };
    let own = certificate::look(report, &tls, "executor");
    if config.callers.planners.is_empty() {
        report.wrong(
            "callers.planners",
            "nobody may propose anything",
            "name your planner's identity",
        );
    }
    if let Some(own) = own.filter(|own| config.callers.planners.iter().any(|p| p.matches(own))) {
        let what = format!("the executor's own identity {own} may call as a planner");
        report.warn("callers.planners", what, "give the planner an identity of its own");
    }
    pages::look(report, &config);
    voices(report, &config);
    backends(report, &config);
    history(report, &config);
}

pub(super) fn address(report: &mut Report, place: &str, text: &str) {
    if text.parse::<SocketAddr>().is_err() {
        let what = format!("{text:?} is no address and port");
        report.wrong(place, what, "write it like 127.0.0.1:7443");
    }
}

/// Issuers and frontends: their keys, and what they are for.
fn voices(report: &mut Report, config: &Config) {
    for issuer in &config.issuers {
        for key in &issuer.keys {
            let place = format!("issuers {} key {}", issuer.issuer, key.kid);
            files::public_key(report, &place, &key.file);
        }
        for planner in &issuer.planners {
            if !config.callers.planners.contains(planner) {
                let (place, planner) =
                    (format!("issuers {}", issuer.issuer), String::from(planner.clone()));
                let what = format!("{planner} may act for {} and may not call", issuer.tenant);
                report.warn(&place, what, "add it to `callers.planners`, or take it out here");
            }
        }
    }
    for frontend in &config.frontends {
        for key in &frontend.keys {
            let place = format!("frontends {} key {}", frontend.id, key.kid);
            files::public_key(report, &place, &key.file);
        }
    }
    for tenant in config.issuers.iter().map(|issuer| &issuer.tenant).collect::<BTreeSet<_>>() {
        if !config.frontends.iter().any(|frontend| frontend.tenant == *tenant) {
            let what = format!(
                "tenant {tenant} has none: nobody can attest its customers' messages or confirmations"
            );
            report.warn("frontends", what, "add the tenant's chat frontend");
        }
    }
}

/// Packs, credentials and connections.
fn backends(report: &mut Report, config: &Config) {
    let vault = match Vault::open(&config.credentials) {
        Ok(vault) => Some(vault),
        Err(error) => {
            report.wrong("credentials", error.to_string(), "");
            None
        }
    };
    let catalog = match packs::load(&config.packs) {
        Ok(catalog) => catalog,
        Err(problems) => {
            for problem in problems {
                report.wrong("packs", problem.to_string(), "countersign contracts check DIR");
            }
            return;
        }
    };
    report.good("packs", format!("{} tools", catalog.tools.len()));
    may(report, config, &catalog);
    if let Some(vault) = &vault {
        connections(report, config, &catalog, vault);
        store(report, config, &catalog, vault);
        sinks(report, config, vault);
    }
    claims(report, config, &catalog);
}

/// The policy, its table, and who can approve.
fn may(report: &mut Report, config: &Config, catalog: &Catalog) {
    let dir = config.policy.display();
    let policy = match policy::load(&config.policy, catalog) {
        Ok(policy) => policy,
        Err(problems) => {
            let remedy = "countersign policy check DIR --packs PACK";
            return report.wrong("policy", problems.to_string(), remedy);
        }
    };
    pages::sign_in(report, config, policy.people());
    if let Err(why) = signable(&policy) {
        return report.wrong("policy", why.to_string(), "");
    }
    let rows = policy.run_table(catalog);
    let failed = rows.iter().filter(|row| !row.passed).count();
    if failed > 0 {
        let what = format!("{failed} of {} rows of {dir}/tests.yaml fail", rows.len());
        return report.warn("policy", what, "countersign policy test DIR --packs PACK");
    }
    report.good("policy", format!("{} rows of its table pass, {}", rows.len(), policy.digest()));
}

fn connections(report: &mut Report, config: &Config, catalog: &Catalog, vault: &Vault) {
    match Connections::build(&config.connections, catalog, vault) {
        Ok(_) => report.good("connections", format!("{} can be used", config.connections.len())),
        Err(problems) => {
            for problem in problems {
                report.wrong("connections", problem.to_string(), "");
            }
        }
    }
    for risk in config.connections.iter().flat_map(|connection| connection.risks()) {
        report.warn("connections", risk, "");
    }
}

/// Where events go; nothing is dialled.
fn sinks(report: &mut Report, config: &Config, vault: &Vault) {
    if config.siem.is_empty() {
        return;
    }
    match siem::check(&config.siem, vault) {
        Ok(()) => report.good("siem", format!("{} sinks can be used", config.siem.len())),
        Err(problems) => problems.into_iter().for_each(|what| report.wrong("siem", what, "")),
    }
    for http in config.siem.iter().filter_map(SinkConfig::http).filter(|http| http.plain_http) {
        let what = format!("events go to {} in plain http, with its token", http.url);
        report.warn("siem", what, "use https");
    }
}

/// Its settings; only the executor opens it.
fn store(report: &mut Report, config: &Config, catalog: &Catalog, vault: &Vault) {
    match store::check(config, catalog, vault) {
        Ok(()) => report.good("store", store::place(config)),
        Err(error) => report.wrong("store", error.to_string(), ""),
    }
}

/// Claims that a pack's rules compare with, and that no issuer hands over: such rules refuse always.
fn claims(report: &mut Report, config: &Config, catalog: &Catalog) {
    for connection in &config.connections {
        let given: BTreeSet<_> = config
            .issuers
            .iter()
            .filter(|issuer| issuer.tenant == connection.tenant)
            .flat_map(|issuer| &issuer.claims)
            .collect();
        let packs = catalog.tools.values().map(|tool| &tool.pack);
        let pack = packs.into_iter().find(|pack| pack.name == connection.pack);
        let wanted = pack.iter().flat_map(|pack| &pack.subject_claims);
        let missing: Vec<_> = wanted.filter(|claim| !given.contains(claim)).cloned().collect();
        if !missing.is_empty() {
            let what = format!(
                "pack {} may compare with the claims {}, and no issuer of tenant {} hands them over",
                connection.pack,
                missing.join(", "),
                connection.tenant,
            );
            report.warn(
                "issuers claims",
                what,
                "add them to the issuer's `claims`, and to its tokens",
            );
        }
    }
}

/// The store and the log.
fn history(report: &mut Report, config: &Config) {
    files::state(report, "state", &config.state);
    match log::key(&config.log) {
        Ok(key) => {
            files::private(report, "log.key", &config.log.key);
            let public = key.verifier_key();
            report.good("log", format!("its public key, for your auditors: {public}"));
            handed_out(report, &config.log.key.with_extension("pub"), &public);
            cosigners(report, config);
        }
        Err(error) => report.wrong("log", error.to_string(), ""),
    }
}

/// Whose countersignatures are kept.
fn cosigners(report: &mut Report, config: &Config) {
    match log::LogKeys::open(&config.log).and_then(|keys| keys.cosigners()) {
        Ok(keys) if keys.is_empty() => {
            let what = "no planner's countersignature is kept: only the planners can show a fork";
            report.warn("log.cosigners", what, "name the file of each planner's public key");
        }
        Ok(keys) => {
            let names: Vec<_> = keys.iter().map(|key| key.name().to_owned()).collect();
            report.good("log.cosigners", names.join(", "));
        }
        Err(error) => report.wrong("log.cosigners", error.to_string(), ""),
    }
}

/// `log.pub`, as `init` writes it beside `log.key`, is what auditors check the log with.
fn handed_out(report: &mut Report, file: &Path, public: &VerifierKey) {
    let Ok(text) = fs::read_to_string(file) else { return };
    let shown = file.display();
    let what = match VerifierKey::parse(text.trim()) {
        Ok(there) if there == *public => {
            return report.good("log.pub", format!("{shown} is that key"));
        }
        Ok(there) if there.name() != public.name() => format!(
            "{shown} is the key of log {}, and `log.origin` is {}: no checkpoint will verify with it",
            there.name(),
            public.name()
        ),
        Ok(_) => {
            format!("{shown} is another key than log.key's: no checkpoint will verify with it")
        }
        Err(error) => format!("{shown} holds no log's key: {error}"),
    };
    let remedy = format!("printf '%s\\n' '{public}' > {shown}, and give it to your auditors anew");
    report.wrong("log.pub", what, &remedy);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::super::report::Grade;
    use super::*;
    use crate::init;
    use crate::pki::{Role, init_ca, issue};

    fn errors(file: &Path) -> Vec<String> {
        found(file, Grade::Error)
    }

    fn found(file: &Path, grade: Grade) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let mut report = Report::default();
        look(&mut report, file);
        let found = report.findings.iter().filter(|f| f.grade == grade);
        found.map(|f| format!("{}: {}", f.place, f.what)).collect()
    }

    fn private(path: &Path, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The road that `init` prints, step by step, until nothing is wrong.
    #[test]
    fn the_road_from_init_ends_without_errors() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        init::write(dir).unwrap();
        let file = dir.join("executor.yaml");
        // Its own ports may be somebody else's here.
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace(":7443", ":0").replace(":7480", ":0")).unwrap();
        let first = errors(&file);
        for part in ["tls: ", "connections: "] {
            assert!(first.iter().any(|error| error.starts_with(part)), "{part}: {first:#?}");
        }
        let pki = dir.join("pki");
        init_ca(&pki, "shop.example").unwrap();
        issue(&pki, Role::Executor, dir).unwrap();
        private(&dir.join("credentials/shopify_token"), "secret\n");
        assert_eq!(errors(&file), Vec::<String>::new());
        let trying = found(&file, Grade::Warning);
        assert_eq!(
            trying.iter().filter(|w| w.contains("DEVELOPMENT KEY")).count(),
            2,
            "{trying:#?}"
        );

        // Names changed, as the first step says; log.pub is what auditors have.
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("origin: shop.example", "origin: other.example")).unwrap();
        let renamed = errors(&file);
        assert!(
            matches!(renamed.as_slice(), [one] if one.contains("is the key of log shop.example/countersign")),
            "{renamed:#?}"
        );
        fs::write(&file, text).unwrap();
        let other = crate::logkey::generate("shop.example/countersign").unwrap();
        fs::write(dir.join("log.pub"), other.public.to_string()).unwrap();
        let foreign = errors(&file);
        assert!(matches!(foreign.as_slice(), [one] if one.contains("another key")), "{foreign:#?}");
        fs::write(dir.join("log.pub"), "no key").unwrap();
        assert!(matches!(errors(&file).as_slice(), [one] if one.contains("holds no log's key")));
        fs::remove_file(dir.join("log.pub")).unwrap();
        assert_eq!(errors(&file), Vec::<String>::new());

        // Events go to a collector whose token is not there yet.
        let text = fs::read_to_string(&file).unwrap();
        let sink = "siem: [{ name: soc, to: { splunk_hec: { url: 'https://s.example', credential: t } } }]";
        fs::write(&file, format!("{text}\n{sink}\n")).unwrap();
        let missing = errors(&file);
        assert!(
            matches!(missing.as_slice(), [one] if one.contains("credential `t`")),
            "{missing:#?}"
        );
        fs::write(&file, &text).unwrap();

        // Another authority's certificates are not believed.
        init_ca(&dir.join("other"), "shop.example").unwrap();
        fs::copy(dir.join("other/ca.crt"), dir.join("executor/ca.crt")).unwrap();
        let foreign = errors(&file);
        assert!(foreign.iter().any(|e| e.contains("is not believed by")), "{foreign:#?}");
    }

    /// What would keep the executor from starting though each file is well formed.
    #[test]
    fn what_the_executor_would_not_start_with_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        init::write(dir).unwrap();
        let file = dir.join("executor.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let text = text.replace(":7443", ":0").replace(":7480", ":0");
        let pki = dir.join("pki");
        init_ca(&pki, "shop.example").unwrap();
        issue(&pki, Role::Executor, dir).unwrap();
        private(&dir.join("credentials/shopify_token"), "secret\n");

        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = held.local_addr().unwrap();
        let page = |listen: &str, url: &str, more: &str| {
            format!("console: {{ listen: '{listen}', public_url: '{url}'{more} }}\n")
        };
        let url = "https://approve.shop.example";
        let oidc = |more: &str| {
            format!("sign_in: {{ oidc: {{ issuer: 'https://id.example', client_id: c{more} }} }}\n")
        };
        let local = page("127.0.0.1:0", url, "");
        let certificates = "sign_in: { certificates: { ca: executor/ca.crt } }\n";
        let absent = ", tls: { cert: absent.crt, key: absent.key }";
        for (more, place, says) in [
            (page("127.0.0.1:0", "http://approve.shop.example", ""), "console", "public_url"),
            (page("0.0.0.0:0", url, ""), "console", "plain HTTP"),
            (page("127.0.0.1:0", url, absent), "console", "absent.crt"),
            (page(&taken.to_string(), url, ""), "console", "cannot listen"),
            (local.clone() + &oidc(", secret_file: absent"), "sign_in", "absent"),
            (local + certificates, "sign_in", "needs `console.tls`"),
            (oidc(""), "sign_in", "needs `console`"),
        ] {
            fs::write(&file, format!("{text}\n{more}")).unwrap();
            let found = errors(&file);
            let told = |e: &String| e.starts_with(&format!("{place}: ")) && e.contains(says);
            assert!(found.len() == 1 && found.iter().all(told), "{more}: {found:#?}");
        }
        fs::write(&file, text).unwrap();

        // One operator, where a policy is changed by two.
        let people = dir.join("policy/people.yaml");
        let alice = "people:\n  - { id: alice, issuer: 'https://d.example', name: Alice, roles: [operator], tenants: [shop] }\n";
        fs::write(&people, alice).unwrap();
        let alone = errors(&file);
        assert!(
            matches!(alone.as_slice(), [one] if one.contains("asks for 2 signatures")),
            "{alone:#?}"
        );
    }
}
