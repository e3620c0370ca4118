//! Peers that should not get through, each for its own reason.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::ExtendedKeyUsagePurpose;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::kit::{Authority, EXECUTOR, Issued, Leaf, PLANNER, Service, causes, id, write};
use crate::mtls::verify::{OnlyWorkload, Trust};
use crate::mtls::{Material, MaterialFiles, channel};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

#[tokio::test]
async fn clients_without_one_good_identity_are_refused() {
    let ca = Authority::new("ca");
    let other = Authority::new("other");
    let service = Service::start(ca.material(EXECUTOR)).await;
    let good = Leaf::of(&[PLANNER]);
    let expired = Leaf { expired: true, ..Leaf::of(&[PLANNER]) };
    let server_only =
        Leaf { purposes: vec![ExtendedKeyUsagePurpose::ServerAuth], ..Leaf::of(&[PLANNER]) };
    let cases = [
        ("another authority", Some(other.issue(&good)), "UnknownCA"),
        ("no certificate", None, "CertificateRequired"),
        ("expired", Some(ca.issue(&expired)), "CertificateExpired"),
        ("for servers only", Some(ca.issue(&server_only)), "CertificateUnknown"),
        ("no URI", Some(ca.issue(&Leaf::of(&[]))), "CertificateUnknown"),
        ("two URIs", Some(ca.issue(&Leaf::of(&[PLANNER, EXECUTOR]))), "CertificateUnknown"),
        ("no SPIFFE id", Some(ca.issue(&Leaf::of(&["https://x/planner"]))), "CertificateUnknown"),
    ];
    for (case, issued, alert) in cases {
        let error = knock(&service, &ca, issued.as_ref(), &TLS13).await.expect_err(case);
        assert!(error.contains(alert), "{case}: {error}");
    }
    let error = knock(&service, &ca, Some(&ca.issue(&good)), &TLS12).await.expect_err("TLS 1.2");
    assert!(error.contains("ProtocolVersion"), "{error}");
    knock(&service, &ca, Some(&ca.issue(&good)), &TLS13).await.expect("the good one gets through");
}

#[tokio::test]
async fn a_session_is_never_offered_for_resumption() {
    let ca = Authority::new("ca");
    let service = Service::start(ca.material(EXECUTOR)).await;
    let good = ca.issue(&Leaf::of(&[PLANNER]));
    let tickets = knock(&service, &ca, Some(&good), &TLS13).await.unwrap();
    assert_eq!(tickets, 0);
}

#[tokio::test]
async fn servers_other_than_the_expected_one_are_refused() {
    let ca = Authority::new("ca");
    let other = Authority::new("other");
    let expired = Leaf { expired: true, ..Leaf::of(&[EXECUTOR]) };
    let client_only =
        Leaf { purposes: vec![ExtendedKeyUsagePurpose::ClientAuth], ..Leaf::of(&[EXECUTOR]) };
    let elsewhere = "spiffe://elsewhere.internal/executor";
    let cases = [
        ("another role", ca.issue(&Leaf::of(&[PLANNER])), PLANNER),
        ("another trust domain", ca.issue(&Leaf::of(&[elsewhere])), elsewhere),
        ("another authority", other.issue(&Leaf::of(&[EXECUTOR])), "UnknownIssuer"),
        ("expired", ca.issue(&expired), "expired"),
        ("for clients only", ca.issue(&client_only), "RequiredEkuNotFound"),
        ("two URIs", ca.issue(&Leaf::of(&[EXECUTOR, PLANNER])), "several URI names"),
        ("no URI", ca.issue(&Leaf::of(&[])), "names no SPIFFE id"),
    ];
    for (case, issued, reason) in cases {
        let error = dial_server_with(&ca, &issued, &TLS13).await.expect_err(case);
        assert!(error.contains(reason), "{case}: {error}");
    }
    let good = ca.issue(&Leaf::of(&[EXECUTOR]));
    let error = dial_server_with(&ca, &good, &TLS12).await.expect_err("TLS 1.2");
    assert!(error.contains("ProtocolVersion"), "{error}");
    dial_server_with(&ca, &good, &TLS13).await.expect("the good one is believed");
}

#[tokio::test]
async fn a_call_to_the_wrong_service_says_whom_it_met() {
    let ca = Authority::new("ca");
    let service = Service::start(ca.material("spiffe://test.internal/auditor")).await;
    let status =
        service.client(&ca.material(PLANNER), EXECUTOR).who_am_i().await.expect_err("wrong id");
    assert_eq!(status.code(), tonic::Code::Unavailable);
    let told = causes(&status);
    assert!(told.contains("test.internal/auditor") && told.contains(EXECUTOR), "{told}");
}

#[tokio::test]
async fn a_revoked_certificate_and_a_stale_list_are_refused() {
    let ca = Authority::new("ca");
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let revoked = ca.issue(&Leaf { serial: 9, ..Leaf::of(&[PLANNER]) });
    let other = ca.issue(&Leaf { serial: 10, ..Leaf::of(&[PLANNER]) });

    let fresh = Service::start(with_list(&ca, &ca.revoke(9, now + hour))).await;
    let error = knock(&fresh, &ca, Some(&revoked), &TLS13).await.expect_err("revoked");
    assert!(error.contains("CertificateRevoked"), "{error}");
    knock(&fresh, &ca, Some(&other), &TLS13).await.expect("not on the list");

    let stale = Service::start(with_list(&ca, &ca.revoke(9, now - hour))).await;
    knock(&stale, &ca, Some(&other), &TLS13).await.expect_err("stale list");
}

#[tokio::test]
async fn files_that_prove_nothing_do_not_open() {
    let ca = Authority::new("ca");
    let dir = ca.folder(PLANNER, &ca.pem());
    let files = MaterialFiles::in_dir(dir.path());
    let good = ca.issue(&Leaf::of(&[PLANNER]));
    let again = ca.issue(&Leaf::of(&[PLANNER]));
    let two = ca.issue(&Leaf::of(&[PLANNER, EXECUTOR]));
    let pair = |cert: &str, key: &str| Issued { cert: cert.to_owned(), key: key.to_owned() };
    let cases = [
        ("two names", two, ca.pem(), "several URI names"),
        ("another's key", pair(&good.cert, &again.key), ca.pem(), "is not the key of"),
        ("key for cert", pair(&good.key, &good.key), ca.pem(), "no usable PEM certificate"),
        ("cert for key", pair(&good.cert, &good.cert), ca.pem(), "no usable PEM private key"),
        ("no authority", pair(&good.cert, &good.key), String::new(), "ca.crt holds no usable"),
    ];
    for (case, issued, believed, reason) in cases {
        write(dir.path(), &issued, &believed);
        let error = Material::open(files.clone()).expect_err(case).to_string();
        assert!(error.contains(reason), "{case}: {error}");
    }
    std::fs::remove_file(&files.key).unwrap();
    let error = Material::open(files).expect_err("no key file").to_string();
    assert!(error.contains("cannot read") && error.contains("tls.key"), "{error}");
}

#[tokio::test]
async fn an_address_without_port_is_refused_at_once() {
    let material = Authority::new("ca").material(PLANNER);
    for address in ["executor", "http://executor:1", "executor:1/x", "", "u@executor:1"] {
        assert!(channel(address, Arc::clone(&material), id(EXECUTOR)).is_err(), "{address:?}");
    }
}

fn with_list(ca: &Authority, list: &str) -> Arc<Material> {
    let dir = ca.folder(EXECUTOR, &ca.pem());
    let crl = dir.path().join("ca.crl");
    std::fs::write(&crl, list).unwrap();
    Material::open(MaterialFiles { crl: Some(crl), ..MaterialFiles::in_dir(dir.path()) }).unwrap()
}

/// Connects as a client of our own making and speaks first; an answer means it got through. Says
/// how many session tickets came with it.
async fn knock(
    service: &Service,
    ca: &Authority,
    own: Option<&Issued>,
    version: &'static SupportedProtocolVersion,
) -> Result<u32, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(expecting_executor(ca)));
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let (chain, key) = parsed(own);
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(service.address).await.unwrap();
    let name = ServerName::try_from("executor.test").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut tls = connector.connect(name, stream).await.map_err(|e| e.to_string())?;
    tls.write_all(PREFACE).await.map_err(|e| e.to_string())?;
    match tls.read(&mut [0; 64]).await {
        Ok(0) => Err("closed".to_owned()),
        Ok(_) => Ok(tls.get_ref().1.tls13_tickets_received()),
        Err(error) => Err(error.to_string()),
    }
}

/// Lets our channel's connector meet a server of our own making.
async fn dial_server_with(
    ca: &Authority,
    own: &Issued,
    version: &'static SupportedProtocolVersion,
) -> Result<(), String> {
    let (chain, key) = parsed(own);
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    });
    let config = ca.material(PLANNER).client_config(&id(EXECUTOR)).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("executor.test").unwrap();
    let met = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    serving.await.unwrap();
    met.map(|_tls| ()).map_err(|error| error.to_string())
}

fn expecting_executor(ca: &Authority) -> OnlyWorkload {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let trust = Arc::new(Trust::new(roots, Vec::new(), &aws_lc_rs::default_provider()));
    OnlyWorkload { trust, expected: id(EXECUTOR) }
}

fn parsed(issued: &Issued) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let cert = CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap();
    (vec![cert], PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap())
}
