//! Connections on which nobody answers any more, as after a host that was lost.

use std::future::pending;

use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::*;

/// Longest wait for what would otherwise have no end.
const MOST: Duration = Duration::from_secs(60);

/// A way to the server whose connections can be made to fall silent; later ones are heard.
struct Way {
    folder: TempDir,
    silence: broadcast::Sender<()>,
}

impl Way {
    fn to(house: &House) -> Self {
        let this = Self { folder: TempDir::new().unwrap(), silence: broadcast::Sender::new(1) };
        let listener = UnixListener::bind(this.folder.path().join(".s.PGSQL.5432")).unwrap();
        let (server, silence) = (house.cluster.host().join(".s.PGSQL.5432"), this.silence.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut silent) = (server.clone(), silence.subscribe());
                tokio::spawn(async move {
                    let mut server = UnixStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        // Whoever asks is not told that nobody listens.
                        _ = silent.recv() => pending().await,
                    }
                });
            }
        });
        this
    }

    fn falls_silent(&self) {
        self.silence.send(()).unwrap();
    }
}

/// Asked until it is answered: each connection there was may be silent.
async fn holds<T, E>(mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let asked = async {
        loop {
            if let Ok(done) = ask().await {
                return done;
            }
        }
    };
    timeout(MOST, asked).await.expect("another connection is taken")
}

#[tokio::test]
async fn what_holds_an_executor_up_leaves_a_connection_that_is_silent() {
    let house = bed().await;
    let way = Way::to(&house);
    let store = house.join_at(way.folder.path(), "a").await.unwrap();
    let (short, me) = (store.own.within(Duration::from_secs(1)), store.instance.generation);
    let read = async || short.ask(|db| controls::switches(db).boxed()).await;
    let write = async || short.write(move |db| fence(db, me).boxed()).await;
    read().await.unwrap();

    way.falls_silent();
    assert!(timeout(MOST, read()).await.expect("it is given up").is_err());
    holds(read).await;
    way.falls_silent();
    assert!(timeout(MOST, write()).await.expect("it is given up").is_err());
    holds(write).await;
    way.falls_silent();
    assert!(timeout(Duration::from_secs(1), store.probe()).await.is_err(), "cut off");
    holds(async || store.probe().await).await;
}
