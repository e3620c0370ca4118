//! An authority that issues good and bad certificates, and a small service behind the listener.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber,
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::mtls::{
    AcceptLimits, Channel, ConnectionLimits, Material, MaterialFiles, PeerIdentity, SpiffeId, bind,
    channel, serve_until, server,
};

pub(super) const EXECUTOR: &str = "spiffe://test.internal/executor";
pub(super) const PLANNER: &str = "spiffe://test.internal/planner";

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What to put in a certificate; the default is a good one without a name.
pub(super) struct Leaf<'a> {
    pub(super) uris: &'a [&'a str],
    pub(super) expired: bool,
    pub(super) purposes: Vec<ExtendedKeyUsagePurpose>,
    pub(super) serial: u64,
}

impl Leaf<'_> {
    pub(super) fn of<'a>(uris: &'a [&'a str]) -> Leaf<'a> {
        Leaf {
            uris,
            expired: false,
            purposes: vec![
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::ServerAuth,
            ],
            serial: 7,
        }
    }
}

pub(super) struct Issued {
    pub(super) cert: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        Self::until(name, SystemTime::now() + 24 * HOUR)
    }

    /// One that ends then.
    pub(super) fn until(name: &str, end: SystemTime) -> Self {
        let mut params = CertificateParams::default();
        params.not_after = end.into();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(super) fn issue(&self, leaf: &Leaf<'_>) -> Issued {
        let mut params = CertificateParams::default();
        let now = SystemTime::now();
        let (from, to) =
            if leaf.expired { (now - 2 * HOUR, now - HOUR) } else { (now - HOUR, now + HOUR) };
        (params.not_before, params.not_after) = (from.into(), to.into());
        params.serial_number = Some(SerialNumber::from(leaf.serial));
        params.subject_alt_names = leaf
            .uris
            .iter()
            .map(|uri| SanType::URI((*uri).to_owned().try_into().unwrap()))
            .collect();
        params.extended_key_usages.clone_from(&leaf.purposes);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap().pem();
        Issued { cert, key: key.serialize_pem() }
    }

    /// A revocation list that names one serial number and is good until `until`.
    pub(super) fn revoke(&self, serial: u64, until: SystemTime) -> String {
        let params = CertificateRevocationListParams {
            this_update: (SystemTime::now() - 2 * HOUR).into(),
            next_update: until.into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: (SystemTime::now() - HOUR).into(),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }

    /// A folder with a good identity, believing the authorities in `believed`.
    pub(super) fn folder(&self, uri: &str, believed: &str) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &self.issue(&Leaf::of(&[uri])), believed);
        dir
    }

    pub(super) fn material(&self, uri: &str) -> Arc<Material> {
        let dir = self.folder(uri, &self.pem());
        Material::open(MaterialFiles::in_dir(dir.path())).unwrap()
    }
}

pub(super) fn write(dir: &Path, issued: &Issued, believed: &str) {
    std::fs::write(dir.join("tls.crt"), &issued.cert).unwrap();
    std::fs::write(dir.join("tls.key"), &issued.key).unwrap();
    std::fs::write(dir.join("ca.crt"), believed).unwrap();
}

/// A gRPC service on a port of its own; `check` answers with the caller's id in header `peer`,
/// `watch` never ends.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Service {
    pub(super) async fn start(material: Arc<Material>) -> Self {
        Self::start_at("127.0.0.1:0", material, AcceptLimits::default()).await
    }

    /// One whose connections take no new calls after so long.
    pub(super) async fn aging(material: Arc<Material>, max_age: Duration) -> Self {
        let limits = ConnectionLimits { max_age, ..ConnectionLimits::default() };
        Self::limited("127.0.0.1:0", material, AcceptLimits::default(), limits).await
    }

    pub(super) async fn start_at(
        address: &str,
        material: Arc<Material>,
        accepts: AcceptLimits,
    ) -> Self {
        Self::limited(address, material, accepts, ConnectionLimits::default()).await
    }

    async fn limited(
        address: &str,
        material: Arc<Material>,
        accepts: AcceptLimits,
        limits: ConnectionLimits,
    ) -> Self {
        let incoming = bind(address.parse().unwrap(), material, accepts).await.unwrap();
        let address = incoming.local_addr().unwrap();
        let router = server(limits).add_service(HealthServer::new(WhoAsks));
        let (stop, told) = oneshot::channel::<()>();
        let done = tokio::spawn(async move {
            let stop = async { told.await.unwrap_or_default() };
            serve_until(stop, Duration::from_millis(200), |stop| {
                router.serve_with_incoming_shutdown(incoming, stop)
            })
            .await
        });
        Self { address, stop, done }
    }

    pub(super) fn client(&self, material: &Arc<Material>, expected: &str) -> Client {
        let address = self.address.to_string();
        Client(HealthClient::new(channel(&address, Arc::clone(material), id(expected)).unwrap()))
    }

    pub(super) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.done.await.unwrap().unwrap();
    }
}

pub(super) struct Client(HealthClient<Channel>);

impl Client {
    /// The id under which the service saw us.
    pub(super) async fn who_am_i(&mut self) -> Result<String, Status> {
        let answer = self.0.check(HealthCheckRequest::default()).await?;
        Ok(answer.metadata().get("peer").unwrap().to_str().unwrap().to_owned())
    }

    /// The address under which the service saw us.
    pub(super) async fn where_am_i(&mut self) -> Result<String, Status> {
        let answer = self.0.check(HealthCheckRequest::default()).await?;
        Ok(answer.metadata().get("from").unwrap().to_str().unwrap().to_owned())
    }

    /// A call that stays in progress.
    pub(super) async fn hold(&mut self) -> tonic::Streaming<HealthCheckResponse> {
        self.0.watch(HealthCheckRequest::default()).await.unwrap().into_inner()
    }
}

/// The whole chain of causes, as one text.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let next = error.source().map(causes).unwrap_or_default();
    format!("{error}; {next}")
}

struct WhoAsks;

#[tonic::async_trait]
impl Health for WhoAsks {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let peer = request.extensions().get::<PeerIdentity>().expect("a peer identity");
        let mut answer = Response::new(HealthCheckResponse::default());
        answer.metadata_mut().insert("peer", peer.id.as_str().parse().unwrap());
        answer.metadata_mut().insert("from", peer.address.to_string().parse().unwrap());
        Ok(answer)
    }

    type WatchStream = tokio_stream::Pending<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(tokio_stream::pending()))
    }
}
