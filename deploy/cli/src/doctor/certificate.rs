//! A service's certificate: in date, of its own authority, with the identity that others expect.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId};
use jiff::{SignedDuration, Timestamp};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use x509_parser::parse_x509_certificate;

use super::files;
use super::report::Report;

const PLACE: &str = "tls";
/// Less than this left is worth a warning.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Looks at a service's certificate; answers with the identity in it.
pub(super) fn look(report: &mut Report, tls: &MaterialFiles, role: &str) -> Option<SpiffeId> {
    let remedy = format!("countersign pki issue --role {role} --dir PKI --out DIR");
    let id = match Material::open(tls.clone()) {
        Ok(material) => material.id().clone(),
        Err(error) => {
            report.wrong(PLACE, error.to_string(), &remedy);
            return None;
        }
    };
    files::private(report, "tls.key", &tls.key);
    match until(&tls.cert) {
        Ok(until) => dates(report, &id, until, &remedy),
        Err(error) => report.wrong(PLACE, format!("{error:#}"), &remedy),
    }
    if let Err(error) = chain(tls) {
        let what =
            format!("{} is not believed by {}: {error:#}", tls.cert.display(), tls.ca.display());
        report.wrong(PLACE, what, &remedy);
    }
    if id.role() != Some(role) {
        let what = format!("the certificate is for {id}, whose last word is not {role}");
        report.warn(PLACE, what, "make sure that this is the identity that the other side names");
    }
    Some(id)
}

fn dates(report: &mut Report, id: &SpiffeId, until: Timestamp, remedy: &str) {
    let left = until.duration_since(Timestamp::now());
    let until = until.strftime("%F %T UTC");
    if left.is_negative() {
        report.wrong(PLACE, format!("the certificate of {id} ended at {until}"), remedy);
    } else if left < SOON {
        report.warn(PLACE, format!("the certificate of {id} ends at {until}"), remedy);
    } else {
        report.good(PLACE, format!("{id}, until {until}"));
    }
}

fn until(cert: &Path) -> anyhow::Result<Timestamp> {
    let leaf = certificates(cert)?.into_iter().next().context("no certificate in the file")?;
    let (_, parsed) = parse_x509_certificate(&leaf).context("the certificate does not parse")?;
    Ok(Timestamp::from_second(parsed.validity().not_after.timestamp())?)
}

/// Whether peers that trust the same authority will believe the certificate.
fn chain(tls: &MaterialFiles) -> anyhow::Result<()> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&tls.ca)? {
        roots.add(authority)?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    let chain = certificates(&tls.cert)?;
    let (leaf, intermediates) = chain.split_first().context("no certificate in the file")?;
    verifier.verify_client_cert(leaf, intermediates, UnixTime::now())?;
    Ok(())
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let pem = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| anyhow::anyhow!("{} holds no usable PEM certificate", path.display()))
}
