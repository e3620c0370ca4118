#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;
use axum::routing::get;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

use super::*;

const ASKED: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn routes() -> Router {
    let endless = || Body::from_stream(tokio_stream::pending::<Result<&str, std::io::Error>>());
    let late = async || {
        sleep(LATE).await;
        "late"
    };
    let router = Router::new().route("/", get(async || "here")).route("/late", get(late));
    router.route("/endless", get(async move || endless()))
}

/// A turn of the chat.
const LATE: Duration = Duration::from_secs(60);

/// Our end of a connection that is served, over a clock that stands still.
fn connected(second: bool) -> DuplexStream {
    let (ours, theirs) = duplex(64 * 1024);
    let routes = Arc::new(|_: Option<&ServerConnection>| routes());
    let port = Port { stop: CancellationToken::new(), limits: Limits::of(1), routes };
    tokio::spawn(port.spoken(theirs, self::routes(), second));
    ours
}

/// Whatever comes until the connection ends, and how long that took.
async fn until_the_end(stream: &mut DuplexStream) -> (String, u64) {
    let (begun, mut all) = (Instant::now(), Vec::new());
    let _broken = stream.read_to_end(&mut all).await;
    (String::from_utf8_lossy(&all).into_owned(), begun.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_nothing_is_cut() {
    for second in [false, true] {
        for sent in ["", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nhost:"]
        {
            let mut stream = connected(second);
            stream.write_all(sent.as_bytes()).await.unwrap();
            let (_, took) = until_the_end(&mut stream).await;
            assert!(took <= 10, "{second} {sent:?}: {took}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_falls_silent_is_let_go_and_who_goes_on_is_not() {
    let mut stream = connected(false);
    for _ in 0..3 {
        stream.write_all(ASKED).await.unwrap();
        let mut answer = vec![0; 1024];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(String::from_utf8_lossy(&answer[..length]).ends_with("here"));
        sleep(IDLE - Duration::from_secs(1)).await;
    }
    let (_, took) = until_the_end(&mut stream).await;
    assert!(took <= 2, "{took}");
}

#[tokio::test(start_paused = true)]
async fn who_only_gives_signs_of_life_is_let_go() {
    let begun = Instant::now();
    let (mut client, connection) = h2::client::handshake(connected(true)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://localhost/").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    // The client stays: it is the server that says goodbye.
    let _ended = connection.await.unwrap();
    let took = begun.elapsed();
    assert!(took >= IDLE && took <= IDLE + Duration::from_secs(2), "{took:?}");
    drop(client);
}

/// What the server writes comes a second late.
fn far(theirs: DuplexStream) -> DuplexStream {
    let (ours, near) = duplex(64 * 1024);
    let ((mut from_us, mut to_us), (mut from_them, mut to_them)) =
        (tokio::io::split(near), tokio::io::split(theirs));
    tokio::spawn(async move { tokio::io::copy(&mut from_us, &mut to_them).await });
    tokio::spawn(async move {
        let mut some = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_them.read(&mut some).await {
            sleep(Duration::from_secs(1)).await;
            to_us.write_all(&some[..length]).await.unwrap();
        }
        to_us.shutdown().await.unwrap();
    });
    ours
}

#[tokio::test(start_paused = true)]
async fn what_crosses_the_goodbye_is_answered_to_its_end() {
    let begun = Instant::now();
    let (mut client, connection) = h2::client::handshake(far(connected(true))).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut ask = |path: &str| {
        let request = Request::get(format!("http://localhost{path}")).body(()).unwrap();
        client.send_request(request, true).unwrap().0
    };
    let first = ask("/");
    assert_eq!(first.await.unwrap().status(), 200);
    tokio::time::sleep_until(begun + IDLE + Duration::from_millis(500)).await;
    let mut body = ask("/late").await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "late");
    let _ended = connection.await.unwrap();
    let took = begun.elapsed();
    assert!(took >= IDLE + LATE && took <= IDLE + LATE + Duration::from_secs(9), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_ends_whatever_is_under_way() {
    let mut stream = connected(false);
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let (answer, took) = until_the_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(took, (AGE + REST).as_secs());
    let begun = Instant::now();
    let mut stream = connected(false);
    let mut answer = vec![0; 1024];
    while stream.write_all(ASKED).await.is_ok() && stream.read(&mut answer).await.unwrap() > 0 {
        sleep(Duration::from_secs(50)).await;
    }
    let took = begun.elapsed();
    assert!(took >= AGE && took <= AGE + Duration::from_secs(50), "{took:?}");
}

struct Served {
    ports: Ports,
    address: std::net::SocketAddr,
    /// That a slow request has begun, and that it may end.
    slow: [Arc<Notify>; 2],
}

async fn served(limits: Limits, tls: Option<Box<dyn Certified>>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, ports) = (listener.local_addr().unwrap(), Ports::default());
    let slow: [Arc<Notify>; 2] = Default::default();
    let [begun, end] = slow.clone();
    let wait = async move || {
        begun.notify_one();
        end.notified().await;
        "late"
    };
    let router = routes().route("/slow", get(wait));
    ports.serve(listener, tls, limits, move |_| router.clone());
    Served { ports, address, slow }
}

async fn asked(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// That the other end was closed, however.
async fn closed(mut stream: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    let _broken = stream.read_to_end(&mut rest).await;
}

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn where_every_place_is_taken_others_wait_for_strangers_to_end() {
    let Served { address, .. } = served(Limits { patience: SHORT, ..Limits::of(2) }, None).await;
    let strangers = [TcpStream::connect(address).await, TcpStream::connect(address).await];
    let answer = asked(TcpStream::connect(address).await.unwrap(), "/").await;
    assert!(answer.ends_with("here"), "{answer}");
    for stranger in strangers {
        closed(stranger.unwrap()).await;
    }
}

#[tokio::test]
async fn once_told_to_stop_it_takes_nothing_new_and_ends_what_it_has_begun() {
    let Served { ports, address, slow: [begun, end] } = served(Limits::of(8), None).await;
    let slow = tokio::spawn(asked(TcpStream::connect(address).await.unwrap(), "/slow"));
    let silent = TcpStream::connect(address).await.unwrap();
    begun.notified().await;
    ports.stop();
    // Who has asked for nothing is not waited for.
    closed(silent).await;
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(timeout(SHORT, ports.ended()).await.is_err());
    end.notify_one();
    assert!(slow.await.unwrap().ends_with("late"));
    ports.ended().await;
}

struct Own(Arc<ServerConfig>);

impl Certified for Own {
    fn renew(&mut self) {}

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

/// A certificate, and how a browser that speaks `alpn` connects to who shows it.
fn certified() -> (Own, impl Fn(&[&[u8]]) -> TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (chain, key) = (vec![made.cert.der().clone()], made.signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut server = server.with_single_cert(chain, key.try_into().unwrap()).unwrap();
    server.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
    let connector = move |alpn: &[&[u8]]| {
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let client = client.with_safe_default_protocol_versions().unwrap();
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(client))
    };
    (Own(Arc::new(server)), connector)
}

#[tokio::test]
async fn a_browser_is_served_and_finishes_while_another_holds_its_handshake() {
    let (own, connector) = certified();
    let Served { ports, address, slow: [begun, end] } =
        served(Limits::of(8), Some(Box::new(own))).await;
    let connected = async |alpn: &[&[u8]]| {
        let stream = TcpStream::connect(address).await.unwrap();
        connector(alpn).connect("localhost".try_into().unwrap(), stream).await.unwrap()
    };
    let silent = TcpStream::connect(address).await.unwrap();
    for alpn in [&[][..], &[b"http/1.1".as_slice()]] {
        assert!(asked(connected(alpn).await, "/").await.ends_with("here"));
    }
    let stream = connected(&[HTTP_2, b"http/1.1"]).await;
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    let slow = tokio::spawn(asked(connected(&[]).await, "/slow"));
    begun.notified().await;
    ports.stop();
    closed(silent).await;
    end.notify_one();
    assert!(slow.await.unwrap().ends_with("late"));
    ports.ended().await;
}

#[tokio::test]
async fn who_finishes_the_handshake_and_asks_for_nothing_is_cut() {
    let (own, connector) = certified();
    let limits = Limits { patience: SHORT, ..Limits::of(8) };
    let Served { address, .. } = served(limits, Some(Box::new(own))).await;
    for (alpn, sent) in [(HTTP_2, ""), (HTTP_2, "PRI * HT"), (b"http/1.1", ""), (b"http/1.1", "G")]
    {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        // The handshake has to end in time, too.
        let Ok(mut stream) = connector(&[alpn]).connect(name, stream).await else { continue };
        stream.write_all(sent.as_bytes()).await.unwrap();
        closed(stream).await;
    }
}
