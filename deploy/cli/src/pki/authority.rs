//! A small certificate authority: one key, one trust domain, one identity per certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use countersign_shared::mtls::{IdentityError, SpiffeId};
use jiff::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use super::files::{Access, create, folder, replace};

/// Certificate life unless asked otherwise, in days.
pub(super) const DEFAULT_DAYS: u16 = 30;
const AUTHORITY_DAYS: u16 = 3650;
const DAY: Duration = Duration::from_secs(86_400);
/// Certificates begin a little in the past, for peers whose clocks run behind.
const BACKDATE: Duration = Duration::from_secs(300);

/// Makes an authority in `dir`: `ca.crt`, and `ca.key` that only its owner can read.
///
/// # Errors
/// When there is an authority already, the trust domain is no host-like name, or a file cannot be
/// written.
pub fn init_ca(dir: &Path, trust_domain: &str) -> Result<(), PkiError> {
    let (cert, key) = new_authority(trust_domain)?;
    folder(dir)?;
    for taken in [key_file(dir), cert_file(dir)] {
        if taken.exists() {
            return Err(PkiError::Exists(taken));
        }
    }
    create(&key_file(dir), &key, Access::Owner)?;
    create(&cert_file(dir), &cert, Access::Everyone)
}

/// As [`init_ca`], over an authority that may be there.
pub(super) fn replace_ca(dir: &Path, trust_domain: &str) -> Result<(), PkiError> {
    let (cert, key) = new_authority(trust_domain)?;
    folder(dir)?;
    replace(&key_file(dir), &key, Access::Owner)?;
    replace(&cert_file(dir), &cert, Access::Everyone)
}

/// Issues a certificate by the authority in `dir`, with identity `spiffe://TRUST_DOMAIN/ROLE` (a
/// person's is `…/people/NAME`), as `tls.crt`, `tls.key` and `ca.crt` in a folder below `out`. Files
/// of an earlier one are replaced.
///
/// # Errors
/// When there is no usable authority in `dir`, the name is no plain file name, a person has none,
/// pages have no DNS name, or a file cannot be written.
pub fn issue(dir: &Path, request: impl Into<Request>, out: &Path) -> Result<Issued, PkiError> {
    let Request { role, name, days, dns } = request.into();
    if (role == Role::Pages) == dns.is_empty() {
        return Err(PkiError::Dns);
    }
    let (path, name) = match (role, name) {
        (Role::Person, Some(name)) if Role::from_str(&name, true).is_err() => {
            (format!("people/{name}"), name)
        }
        (Role::Person, _) => return Err(PkiError::Person),
        (_, name) => {
            let role = role.as_str().to_owned();
            (role.clone(), name.unwrap_or(role))
        }
    };
    check_name(&name)?;
    let authority = Authority::open(dir)?;
    let id: SpiffeId = format!("{}/{path}", authority.trust_domain).parse()?;
    let (params, until) = leaf((&id, role), &name, days, &dns)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let cert = params.signed_by(&key, &authority.issuer)?;

    let dir = out.join(if role == Role::Person { &path } else { &name });
    folder(&dir)?;
    replace(&dir.join("tls.key"), &key.serialize_pem(), Access::Owner)?;
    replace(&dir.join("tls.crt"), &cert.pem(), Access::Everyone)?;
    replace(&dir.join("ca.crt"), &authority.cert, Access::Everyone)?;
    Ok(Issued { id, dir, until })
}

/// Which part a certificate's holder plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Thinks and proposes; holds no privilege.
    Planner,
    /// Decides and acts.
    Executor,
    /// Reads receipts and proofs.
    Auditor,
    /// Runs the executor: turns its switches.
    Operator,
    /// Shows waiting requests to members of staff and hands over their signed answers.
    Approver,
    /// Speaks with customers and attests their words.
    Frontend,
    /// A person who signs in to the console by it; needs a name.
    Person,
    /// Shown to browsers by the pages that the executor serves; needs DNS names.
    Pages,
}

impl Role {
    /// The last word of the identity; a person's is their name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Executor => "executor",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Frontend => "frontend",
            Self::Person => "person",
            Self::Pages => "pages",
        }
    }
}

/// What to issue. A [`Role`] alone is a request too, with the defaults.
#[derive(Clone, Debug)]
pub struct Request {
    /// The part the holder plays.
    pub role: Role,
    /// Name of the new folder; the role when absent.
    pub name: Option<String>,
    /// Days until it expires.
    pub days: u16,
    /// What browsers know the pages by.
    pub dns: Vec<String>,
}

impl From<Role> for Request {
    fn from(role: Role) -> Self {
        Self { role, name: None, days: DEFAULT_DAYS, dns: Vec::new() }
    }
}

/// What was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The identity in the certificate.
    pub id: SpiffeId,
    /// The folder with `tls.crt`, `tls.key` and `ca.crt`.
    pub dir: PathBuf,
    /// When it expires.
    pub until: Timestamp,
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// An authority is there already.
    #[error("{} is there already: take another folder, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// The trust domain does not fit into an identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The folder name is no plain name.
    #[error("{0:?} is no plain name: use letters, digits, '.', '-' and '_'")]
    Name(String),
    /// A person without a name of their own.
    #[error("say who with --name, which cannot be the name of a role: --role person --name erin")]
    Person,
    /// DNS names where none are shown, or none where they are.
    #[error("--dns is for pages, and they need it: --role pages --dns approve.shop.example")]
    Dns,
    /// No authority to issue by.
    #[error("cannot read {}: {error}; make an authority first: countersign pki init DIR", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The authority's files are not what `init` wrote.
    #[error("{} is no authority of `countersign pki init`, or its key is another's", .0.display())]
    Authority(PathBuf),
    /// A file or folder cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The certificate could not be built.
    #[error("cannot make the certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The clock is outside of what a certificate can say.
    #[error("the system's clock is out of range: set it")]
    Clock(#[from] jiff::Error),
}

/// An authority read back from its folder.
struct Authority {
    /// `spiffe://TRUST_DOMAIN`, as its own certificate says.
    trust_domain: String,
    cert: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn open(dir: &Path) -> Result<Self, PkiError> {
        let cert = read(&cert_file(dir))?;
        let key = read(&key_file(dir))?;
        let unusable = || PkiError::Authority(cert_file(dir));
        let key = KeyPair::from_pem(&key).map_err(|_| unusable())?;
        let trust_domain = trust_domain(&cert, &key).ok_or_else(unusable)?;
        let issuer = Issuer::from_ca_cert_pem(&cert, key).map_err(|_| unusable())?;
        Ok(Self { trust_domain, cert, issuer })
    }
}

/// The authority's one URI name, if `key` is the certificate's.
fn trust_domain(cert: &str, key: &KeyPair) -> Option<String> {
    let (_, pem) = parse_x509_pem(cert.as_bytes()).ok()?;
    let cert = pem.parse_x509().ok()?;
    if cert.public_key().subject_public_key.as_ref() != key.public_key_raw() {
        return None;
    }
    let names = cert.subject_alternative_name().ok()??;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => Some((*uri).to_owned()),
        _ => None,
    }
}

/// Certificate and key of a new authority, as PEM.
fn new_authority(trust_domain: &str) -> Result<(String, String), PkiError> {
    // Any identity shows whether the trust domain is well formed.
    let probe: SpiffeId = format!("spiffe://{trust_domain}/planner").parse()?;
    let domain = probe.trust_domain();
    let (mut params, _) = dated(&format!("Countersign {domain}"), AUTHORITY_DAYS)?;
    params.subject_alt_names = vec![uri(&format!("spiffe://{domain}"))?];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn leaf(
    (id, role): (&SpiffeId, Role),
    name: &str,
    days: u16,
    dns: &[String],
) -> Result<(CertificateParams, Timestamp), PkiError> {
    let (mut params, until) = dated(name, days)?;
    params.subject_alt_names = vec![uri(id.as_str())?];
    for name in dns {
        params.subject_alt_names.push(SanType::DnsName(Ia5String::try_from(name.as_str())?));
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match role {
        Role::Person => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Role::Pages => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Role::Planner
        | Role::Executor
        | Role::Auditor
        | Role::Operator
        | Role::Approver
        | Role::Frontend => {
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth]
        }
    };
    params.use_authority_key_identifier_extension = true;
    Ok((params, until))
}

fn dated(common_name: &str, days: u16) -> Result<(CertificateParams, Timestamp), PkiError> {
    let now = SystemTime::now();
    let until = now + DAY * u32::from(days);
    let mut params = CertificateParams::default();
    params.not_before = (now - BACKDATE).into();
    params.not_after = until.into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok((params, Timestamp::try_from(until)?))
}

fn uri(text: &str) -> Result<SanType, PkiError> {
    Ok(SanType::URI(Ia5String::try_from(text)?))
}

fn check_name(name: &str) -> Result<(), PkiError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    if name.is_empty() || name.starts_with('.') || name.len() > 64 || !name.bytes().all(plain) {
        return Err(PkiError::Name(name.to_owned()));
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(|error| PkiError::Read { path: path.to_owned(), error })
}

fn cert_file(dir: &Path) -> PathBuf {
    dir.join("ca.crt")
}

fn key_file(dir: &Path) -> PathBuf {
    dir.join("ca.key")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use countersign_shared::mtls::{
        AcceptLimits, Material, MaterialFiles, bind, channel, serve_until, server,
    };
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keys_and_folders_are_closed_to_others() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("pki");
        init_ca(&dir, "shop.example").unwrap();
        let issued = issue(&dir, Role::Planner, &dir).unwrap();
        for folder in [&dir, &issued.dir] {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
        for key in [dir.join("ca.key"), issued.dir.join("tls.key")] {
            assert_eq!(mode(&key), 0o600, "{}", key.display());
        }
        assert!(!issued.dir.join("ca.key").exists());
    }

    #[test]
    fn an_authority_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        init_ca(dir.path(), "shop.example").unwrap();
        let before = read(&key_file(dir.path())).unwrap();
        fs::remove_file(cert_file(dir.path())).unwrap();
        assert!(matches!(init_ca(dir.path(), "shop.example"), Err(PkiError::Exists(_))));
        assert_eq!(read(&key_file(dir.path())).unwrap(), before);
    }

    #[test]
    fn what_cannot_be_issued_is_said() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(init_ca(dir.path(), "Not A Domain"), Err(PkiError::Identity(_))));
        assert!(matches!(issue(dir.path(), Role::Planner, dir.path()), Err(PkiError::Read { .. })));
        init_ca(dir.path(), "shop.example").unwrap();
        let outside = Request { name: Some("../x".to_owned()), ..Role::Planner.into() };
        assert!(matches!(issue(dir.path(), outside, dir.path()), Err(PkiError::Name(_))));
        let other = tempfile::tempdir().unwrap();
        init_ca(other.path(), "shop.example").unwrap();
        fs::copy(key_file(other.path()), key_file(dir.path())).unwrap();
        let mixed = issue(dir.path(), Role::Planner, dir.path());
        assert!(matches!(mixed, Err(PkiError::Authority(_))));
    }

    #[test]
    fn people_and_pages_get_what_browsers_need() {
        let dir = tempfile::tempdir().unwrap();
        init_ca(dir.path(), "shop.example").unwrap();
        let named = |role: Role, name: &str| Request { name: Some(name.into()), ..role.into() };
        let erin = issue(dir.path(), named(Role::Person, "erin"), dir.path()).unwrap();
        assert_eq!(erin.id.as_str(), "spiffe://shop.example/people/erin");
        assert!(dir.path().join("people/erin/tls.key").exists());
        for nobody in [Role::Person.into(), named(Role::Person, "planner")] {
            let refused = issue(dir.path(), nobody, dir.path());
            assert!(matches!(refused, Err(PkiError::Person)), "{refused:?}");
        }
        let dns = vec!["approve.shop.example".to_owned()];
        let pages = Request { dns: dns.clone(), ..Role::Pages.into() };
        let pages = issue(dir.path(), pages, dir.path()).unwrap();
        let pem = read(&pages.dir.join("tls.crt")).unwrap();
        let (_, pem) = parse_x509_pem(pem.as_bytes()).unwrap();
        let cert = pem.parse_x509().unwrap();
        let names = cert.subject_alternative_name().unwrap().unwrap();
        let shown = GeneralName::DNSName("approve.shop.example");
        assert!(names.value.general_names.contains(&shown), "{names:?}");
        for wrong in [Role::Pages.into(), Request { dns, ..Role::Planner.into() }] {
            assert!(matches!(issue(dir.path(), wrong, dir.path()), Err(PkiError::Dns)));
        }
    }

    #[tokio::test]
    async fn issued_certificates_serve_and_renew() {
        let dir = tempfile::tempdir().unwrap();
        init_ca(dir.path(), "shop.example").unwrap();
        let open = |role| {
            let issued = issue(dir.path(), role, dir.path()).unwrap();
            Material::open(MaterialFiles::in_dir(&issued.dir)).unwrap()
        };
        let (executor, planner) = (open(Role::Executor), open(Role::Planner));
        let expected = executor.id().clone();
        assert_eq!(expected.as_str(), "spiffe://shop.example/executor");
        issue(dir.path(), Role::Executor, dir.path()).unwrap();
        assert!(executor.reload().unwrap(), "a renewed certificate is taken into use");

        let address = "127.0.0.1:0".parse().unwrap();
        let incoming = bind(address, executor, AcceptLimits::default()).await.unwrap();
        let address = incoming.local_addr().unwrap().to_string();
        let router = server(Default::default()).add_routes(Default::default());
        tokio::spawn(serve_until(std::future::pending(), DAY, |stop| {
            router.serve_with_incoming_shutdown(incoming, stop)
        }));
        let mut client = HealthClient::new(channel(&address, planner, expected).unwrap());
        let answer = client.check(HealthCheckRequest::default()).await.unwrap_err();
        assert_eq!(answer.code(), tonic::Code::Unimplemented, "an answer means both were believed");
    }
}
