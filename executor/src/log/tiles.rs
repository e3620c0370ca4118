//! The published log over HTTP, as C2SP tlog-tiles has it: `checkpoint`, `tile/LEVEL/…`,
//! `tile/entries/…`, and beside them `cosigned`. Only reading, only those files.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::routing::get;
use countersign_shared::listen::Ports;
use countersign_shared::tlog::folder::{CHECKPOINT, COSIGNED};
use countersign_shared::tlog::lookup::tile_bytes;
use countersign_shared::tlog::tile::Tile;

use crate::config::Log;
use crate::console;
use crate::metrics::Metrics;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// What changes with every receipt.
const NEWEST: HeaderValue = HeaderValue::from_static("no-cache");
/// What never changes: a tile is named by its place and its width.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const AS_IT_SAYS: HeaderValue = HeaderValue::from_static("nosniff");

/// Serves the log's folder until the ports are told to stop, where the configuration says at which
/// address.
///
/// # Errors
/// An address that cannot be used, certificates that cannot be read.
pub async fn serve(
    config: &Log,
    folder: PathBuf,
    metrics: Metrics,
    ports: &Ports,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(listen) = &config.listen else { return Ok(None) };
    let address = console::address(listen, config.tls.as_ref(), config.behind_ingress)?;
    let tls = (config.tls.as_ref(), (metrics, "log"));
    console::serve_at(address, tls, None, router(folder), ports).await.map(Some)
}

/// Whether the log can be served as configured.
///
/// # Errors
/// What keeps it from being served.
pub fn check(config: &Log) -> anyhow::Result<()> {
    let Some(listen) = &config.listen else { return Ok(()) };
    console::check_at(listen, config.tls.as_ref(), config.behind_ingress).context("`log`")
}

fn router(folder: PathBuf) -> Router {
    Router::new().route("/{*path}", get(file)).with_state(Arc::from(folder))
}

async fn file(State(folder): State<Arc<Path>>, UrlPath(path): UrlPath<String>) -> Response<Body> {
    let found = tokio::task::spawn_blocking(move || find(&folder, &path)).await;
    match found {
        Ok(Ok(Some((bytes, kind, lasts)))) => {
            let mut answer = Response::new(Body::from(bytes));
            let headers = [
                (CONTENT_TYPE, kind),
                (CACHE_CONTROL, lasts),
                (X_CONTENT_TYPE_OPTIONS, AS_IT_SAYS),
            ];
            answer.headers_mut().extend(headers);
            answer
        }
        Ok(Ok(None)) => empty(StatusCode::NOT_FOUND),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Response<Body> {
    tracing::error!(%error, "a file of the published log cannot be read");
    empty(StatusCode::INTERNAL_SERVER_ERROR)
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// A file's bytes, their type, and how long they last.
type Found = Option<(Vec<u8>, HeaderValue, HeaderValue)>;

fn find(folder: &Path, path: &str) -> io::Result<Found> {
    if [CHECKPOINT, COSIGNED].contains(&path) {
        return Ok(read(&folder.join(path))?.map(|bytes| (bytes, TEXT, NEWEST)));
    }
    let Some(tile) = Tile::parse(path) else { return Ok(None) };
    Ok(tile_bytes(folder, tile)?.map(|bytes| (bytes, BYTES, FOREVER)))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::convert::Infallible;
    use std::ops::Range;

    use axum::http::Request;
    use countersign_shared::tlog::checkpoint::Checkpoint;
    use countersign_shared::tlog::folder::{Publisher, Source};
    use countersign_shared::tlog::key::{LogKey, Signer as _};
    use countersign_shared::tlog::merkle::{Tree, leaf_hash};
    use countersign_shared::tlog::tile::encode_entry;
    use ed25519_dalek::SigningKey;
    use futures_util::TryStreamExt as _;
    use tower::ServiceExt as _;

    use super::*;

    struct Leaves(LogKey, u64);

    fn leaf(index: u64) -> Vec<u8> {
        format!("{index:x}").repeat(usize::try_from(index % 7).unwrap()).into_bytes()
    }

    impl Source for Leaves {
        type Error = Infallible;

        fn checkpoint(&self) -> Result<Option<Vec<u8>>, Infallible> {
            let mut tree = Tree::default();
            (0..self.1).for_each(|at| drop(tree.append(leaf_hash(&leaf(at)))));
            let checkpoint = Checkpoint::new("log", self.1, tree.root()).unwrap();
            Ok(Some(checkpoint.sign(&self.0).unwrap().to_string().into_bytes()))
        }

        fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Infallible> {
            Ok(range.map(leaf).collect())
        }
    }

    fn published(folder: &Path, size: u64) {
        let key = LogKey::new("log", SigningKey::from_bytes(&[1; 32])).unwrap();
        Publisher::new(folder, key.verifier_key()).publish(&Leaves(key, size)).unwrap();
    }

    async fn get(folder: &Path, path: &str) -> (StatusCode, Vec<String>, Vec<u8>) {
        let request = Request::get(format!("/{path}")).body(Body::empty()).unwrap();
        let answer = router(folder.to_owned()).oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let headers = [CONTENT_TYPE, CACHE_CONTROL].map(|name| parts.headers.get(name).cloned());
        let headers = headers.into_iter().flatten().map(|v| v.to_str().unwrap().to_owned());
        let bytes: Vec<_> = body.into_data_stream().try_collect().await.unwrap();
        (parts.status, headers.collect(), bytes.concat())
    }

    #[tokio::test]
    async fn every_file_of_the_log_is_served_as_the_format_says() {
        let dir = tempfile::tempdir().unwrap();
        published(dir.path(), 300);
        let (status, headers, bytes) = get(dir.path(), "checkpoint").await;
        assert_eq!(
            (status, headers),
            (StatusCode::OK, vec!["text/plain; charset=utf-8".to_owned(), "no-cache".to_owned()],)
        );
        assert_eq!(bytes, fs::read(dir.path().join("checkpoint")).unwrap());
        for path in ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000"] {
            let (status, headers, bytes) = get(dir.path(), path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(headers[0], "application/octet-stream");
            assert!(headers[1].contains("immutable"));
            assert_eq!(bytes, fs::read(dir.path().join(path)).unwrap(), "{path}");
        }
    }

    #[tokio::test]
    async fn an_outgrown_partial_tile_is_the_beginning_of_the_wider_one() {
        let dir = tempfile::tempdir().unwrap();
        published(dir.path(), 300);
        let (_, _, hashes) = get(dir.path(), "tile/0/001.p/20").await;
        assert_eq!(hashes, fs::read(dir.path().join("tile/0/001.p/44")).unwrap()[..20 * 32]);
        for (path, from, count) in
            [("tile/entries/000.p/9", 0, 9), ("tile/entries/001.p/43", 256, 43)]
        {
            let mut expected = Vec::new();
            (from..from + count).for_each(|at| encode_entry(&mut expected, &leaf(at)).unwrap());
            assert_eq!(get(dir.path(), path).await.2, expected, "{path}");
        }
    }

    #[tokio::test]
    async fn nothing_else_is_there() {
        let dir = tempfile::tempdir().unwrap();
        published(&dir.path().join("log"), 300);
        fs::write(dir.path().join("secret"), "s").unwrap();
        fs::write(dir.path().join("log/notes"), "s").unwrap();
        for path in [
            "cosigned",
            "notes",
            "tile/0/002",
            "tile/0/001.p/45",
            "tile/0/001",
            "tile/0/000.p/0",
            "tile/0/../checkpoint",
            "../secret",
            "%2e%2e/secret",
            "tile/0/%2e%2e/%2e%2e/%2e%2e/secret",
            "tile/9/000",
            "tile",
        ] {
            let (status, _, bytes) = get(&dir.path().join("log"), path).await;
            assert_eq!((status, bytes.len()), (StatusCode::NOT_FOUND, 0), "{path}");
        }
        let request = Request::post("/checkpoint").body(Body::empty()).unwrap();
        let answer = router(dir.path().join("log")).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
