//! A collector of OpenTelemetry's: takes every export of spans over OTLP, and keeps its bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tonic::server::UnaryService;

/// What each resource sent, as it came: the bytes of a `ResourceSpans`.
pub type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

#[derive(Clone, PartialEq, prost::Message)]
struct Export {
    #[prost(bytes = "vec", repeated, tag = "1")]
    resources: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}

/// Takes every export.
#[derive(Clone)]
struct Collect(Seen);

impl UnaryService<Export> for Collect {
    type Response = Nothing;
    type Future = std::future::Ready<Result<tonic::Response<Nothing>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Export>) -> Self::Future {
        self.0.lock().extend(request.into_inner().resources);
        std::future::ready(Ok(tonic::Response::new(Nothing {})))
    }
}

impl tonic::server::NamedService for Collect {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tower::Service<http::Request<tonic::body::Body>> for Collect {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<Nothing, Export>::default();
            Ok(tonic::server::Grpc::new(codec).unary(service, request).await)
        })
    }
}

/// Begins to collect.
pub async fn collector() -> (SocketAddr, Seen) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let router = tonic::transport::Server::builder().add_service(Collect(Arc::clone(&seen)));
    tokio::spawn(router.serve_with_incoming(incoming));
    (address, seen)
}
