//! When what is in use runs out, for those who are to be told before it does.

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::parse_x509_certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

/// The ends of what a process proves itself with and whom it believes, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Of our own certificate, or of an intermediate that ends before it.
    pub certificate: i64,
    /// Of the authority that ends first.
    pub authorities: i64,
    /// Of the revocation list that ends first, after which nobody of its authority is believed;
    /// `None` where no list is named.
    pub revocations: Option<i64>,
}

/// When the first of these certificates ends, in seconds since 1970; `None` where there is none
/// or one cannot be read.
pub(super) fn certificates_end(all: &[CertificateDer<'_>]) -> Option<i64> {
    let end = |der: &CertificateDer<'_>| {
        let (_, read) = parse_x509_certificate(der).ok()?;
        Some(read.validity().not_after.timestamp())
    };
    all.iter().map(end).collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// The same of revocation lists.
pub(super) fn lists_end(all: &[CertificateRevocationListDer<'_>]) -> Option<i64> {
    let end = |der: &CertificateRevocationListDer<'_>| {
        let (_, read) = CertificateRevocationList::from_der(der).ok()?;
        Some(read.next_update()?.timestamp())
    };
    all.iter().map(end).collect::<Option<Vec<_>>>()?.into_iter().min()
}
