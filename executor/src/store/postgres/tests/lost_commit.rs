//! A COMMIT that is lost on its way to the server, or whose answer is.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{UnixListener, UnixStream};

use super::*;

/// As the client writes it.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

#[derive(Clone, Copy, PartialEq)]
enum Lost {
    /// It never reached the server.
    Commit,
    /// It was done, and nobody heard.
    Answer,
}

/// A way to the server that is cut at the next COMMIT, when it is told to.
struct Way {
    folder: TempDir,
    cut: Arc<Mutex<Option<Lost>>>,
}

impl Way {
    fn to(house: &House) -> Self {
        let this = Self { folder: TempDir::new().unwrap(), cut: Arc::default() };
        let listener = UnixListener::bind(this.folder.path().join(".s.PGSQL.5432")).unwrap();
        let (server, cut) = (house.cluster.host().join(".s.PGSQL.5432"), Arc::clone(&this.cut));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&cut)));
            }
        });
        this
    }

    fn cut(&self, how: Lost) {
        *self.cut.lock() = Some(how);
    }

    fn was_cut(&self) -> bool {
        self.cut.lock().is_none()
    }
}

/// Until one end closes it, or it is cut.
async fn carry(mut client: UnixStream, mut server: UnixStream, cut: Arc<Mutex<Option<Lost>>>) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let mut asked = vec![0; 1 << 16];
    let upward = async {
        while let Ok(size @ 1..) = from_client.read(&mut asked).await {
            let commits = asked[..size].windows(COMMIT.len()).any(|part| part == COMMIT);
            let lost = if commits { cut.lock().take() } else { None };
            if lost == Some(Lost::Commit) {
                return None;
            }
            to_server.write_all(&asked[..size]).await.unwrap();
            if lost.is_some() {
                return lost;
            }
        }
        None
    };
    let lost = tokio::select! {
        lost = upward => lost,
        _ = copy(&mut from_server, &mut to_client) => None,
    };
    if lost == Some(Lost::Answer) {
        // The server answers once it is done.
        assert_ne!(from_server.read(&mut [0; 256]).await.unwrap(), 0);
    }
}

impl House {
    async fn join_by(&self, way: &Way, name: &str) -> Postgres {
        self.join_at(way.folder.path(), name).await.unwrap()
    }
}

/// Asks again where a connection ended.
async fn adopts(store: &Postgres) -> Vec<ActionId> {
    for _ in 0..20 {
        if let Ok(adopted) = store.adopt().await {
            return adopted;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing is adopted");
}

/// Either way the actions are somebody's, and one's alone: the one that asked has them once it
/// asks again, or whoever finds it dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_whose_commit_was_lost_is_found_or_done_again() {
    for (lost, dies) in
        [(Lost::Commit, false), (Lost::Commit, true), (Lost::Answer, false), (Lost::Answer, true)]
    {
        let house = bed().await;
        let way = Way::to(&house);
        let (old, taker) = (house.join("a").await.unwrap(), house.join_by(&way, "b").await);
        let (begun, state) = claim(&old, 1, "i1", "o1").await.unwrap();
        old.append(0, begun, &state).await.unwrap();
        claim(&old, 2, "i2", "o2").await.unwrap();
        expire(&house, &old);
        way.cut(lost);
        assert!(taker.adopt().await.is_err());
        assert!(way.was_cut());
        let left = house.cluster.sql("SELECT count(*) FROM executors WHERE name = 'a'");
        assert_eq!(left, if lost == Lost::Commit { "1" } else { "0" });

        let other = house.join("c").await.unwrap();
        if dies {
            expire(&house, &old);
            expire(&house, &taker);
        }
        let (has, has_not) = if dies { (&other, &taker) } else { (&taker, &other) };
        assert_eq!(adopts(has).await, [action(1)]);
        assert!(has.holds(state.proposal().action()).await.unwrap());
        assert!(!has_not.holds(state.proposal().action()).await.unwrap());
        let (events, ended, leaf) = refused(state.clone(), 1);
        for gone in [Some(&old), dies.then_some(&taker)].into_iter().flatten() {
            let late = gone.seal(leaf.clone(), Some((3, events.clone(), &ended))).await;
            assert!(late.is_err(), "{late:?}");
        }
        assert_eq!(has.seal(leaf, Some((3, events, &ended))).await.unwrap().index, 0);
        // What was only reserved is free.
        claim(&other, 4, "i2", "o2").await.unwrap();
    }
}

/// A log that is longer than the one that sealed has heard is no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_seal_whose_commit_was_lost_is_no_sign_of_a_database_that_went_back() {
    for (lost, size) in [(Lost::Commit, 1), (Lost::Answer, 2)] {
        let house = bed().await;
        let way = Way::to(&house);
        let store = house.join_by(&way, "a").await;
        let leaf = |n: u32| refused(lifecycle(&[proposed(n, &format!("i{n}"), "o")]), n).2;
        store.seal(leaf(1), None).await.unwrap();
        way.cut(lost);
        assert!(store.seal(leaf(2), None).await.is_err());
        assert_eq!(house.cluster.sql("SELECT size FROM tree"), size.to_string());
        claim(&store, 3, "i3", "o3").await.unwrap();
        store.probe().await.unwrap();
        assert_eq!(store.seal(leaf(4), None).await.unwrap().index, size);
        assert_eq!(store.standing().await.unwrap().quarantine, None);
    }
}
