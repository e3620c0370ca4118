//! What `sign_in` and `people.yaml` may not say together. Told at the start, before any of
//! it is activated.

use anyhow::{Context as _, ensure};
use countersign_core::policy::People;
use countersign_core::subject::Kind;
use countersign_shared::mtls::SpiffeId;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::SignInConfig;
use crate::config::Config;

/// Whether people are let in by nothing that somebody else can have.
///
/// # Errors
/// Settings under which they would be, or that nobody would go by, with what to do.
pub(crate) fn check(config: &Config, people: &People) -> anyhow::Result<()> {
    let SignInConfig { oidc, certificates } = &config.sign_in;
    let console = config.console.as_ref();
    ensure!(
        console.is_some() || (oidc.is_none() && certificates.is_none()),
        "`sign_in` needs `console`: there is no page to sign in on. Add one, or leave `sign_in` out"
    );
    let own = console.is_some_and(|console| console.tls.is_some() && !console.behind_ingress);
    ensure!(
        certificates.is_none() || own,
        "`sign_in.certificates` needs `console.tls`, and no `behind_ingress`: an ingress that \
         speaks TLS sees the browser's certificate, and the executor does not"
    );
    let issuer = oidc.as_ref().map(|oidc| oidc.issuer.as_str());
    let mut customers = config.issuers.iter().filter(|issuer| issuer.kind == Kind::Customer);
    ensure!(
        customers.all(|customers| Some(customers.issuer.as_str()) != issuer),
        "`sign_in.oidc.issuer` vouches for customers in `issuers`: whoever gets an account there \
         could come in as a person of the house. Let people sign in elsewhere"
    );
    services(config, people)
}

/// A service's certificate signs nobody in: what runs there is no person.
fn services(config: &Config, people: &People) -> anyhow::Result<()> {
    let planners = config.issuers.iter().flat_map(|issuer| &issuer.planners);
    let planners: Vec<_> = planners.chain(&config.callers.planners).collect();
    for person in people.iter() {
        for text in &person.certificates {
            let id: SpiffeId = text.parse()?;
            ensure!(
                !planners.iter().any(|planner| planner.matches(&id)) && own(config)? != id,
                "{id} is a planner's or the executor's own, and cannot be {} of people.yaml: give \
                 people ids with a path of their own, such as /people/erin",
                person.id
            );
        }
    }
    Ok(())
}

fn own(config: &Config) -> anyhow::Result<SpiffeId> {
    let file = &config.tls.cert;
    let leaf = CertificateDer::from_pem_file(file);
    let leaf = leaf.with_context(|| format!("`tls`: {}", file.display()))?;
    Ok(SpiffeId::from_certificate(&leaf)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_core::policy::Policy;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::testing::with_people;

    fn erin(certificate: &str) -> Policy {
        let people = format!(
            "people:\n  - {{ id: erin, issuer: d, name: Erin, roles: [auditor], tenants: [t], \
             certificates: [\"{certificate}\"] }}\n"
        );
        with_people(&people, Vec::new())
    }

    /// Why an executor with these settings does not start; empty where it does.
    fn why(more: Json, certificate: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::default();
        let own = "spiffe://shop.example/executor".try_into().unwrap();
        params.subject_alt_names = vec![rcgen::SanType::URI(own)];
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = dir.path().join("tls.crt");
        std::fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
        let mut all = json!({
            "listen": "", "admin": "", "tls": { "cert": cert, "key": "", "ca": "" }, "state": "",
            "packs": [], "policy": "", "credentials": "", "log": { "origin": "", "key": "" },
            "callers": { "planners": ["spiffe://shop.example/*/planner"] }, "frontends": [],
            "issuers": [{
                "issuer": "https://accounts.example", "audience": "a", "tenant": "t",
                "planners": ["spiffe://shop.example/bot"],
            }],
            "connections": [], "console": { "listen": "", "public_url": "" },
        });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config: Config = serde_json::from_value(all).unwrap();
        check(&config, erin(certificate).people()).err().map(|w| w.to_string()).unwrap_or_default()
    }

    const ERIN: &str = "spiffe://shop.example/people/erin";

    #[test]
    fn what_nobody_would_go_by_is_refused() {
        let oidc = |issuer: &str| json!({ "oidc": { "issuer": issuer, "client_id": "c" } });
        let certificates = json!({ "certificates": { "ca": "ca.pem" } });
        assert_eq!(why(json!({}), ERIN), "");
        assert_eq!(why(json!({ "sign_in": oidc("https://login.example") }), ERIN), "");
        let none = json!({ "console": null, "sign_in": oidc("https://login.example") });
        assert!(why(none, ERIN).contains("needs `console`"));
        let customers = json!({ "sign_in": oidc("https://accounts.example") });
        assert!(why(customers, ERIN).contains("vouches for customers"));
        let behind = |ingress: bool| {
            let tls = json!({ "cert": "", "key": "" });
            let console = json!({ "listen": "", "public_url": "", "tls": tls,
                                  "behind_ingress": ingress });
            why(json!({ "console": console, "sign_in": certificates.clone() }), ERIN)
        };
        assert_eq!(behind(false), "");
        assert!(behind(true).contains("no `behind_ingress`"));
        assert!(why(json!({ "sign_in": certificates.clone() }), ERIN).contains("`console.tls`"));
    }

    #[test]
    fn no_service_is_a_person() {
        for service in ["bot", "ns/planner", "executor"] {
            let why = why(json!({}), &format!("spiffe://shop.example/{service}"));
            assert!(why.contains("cannot be erin"), "{service}: {why}");
        }
    }
}
