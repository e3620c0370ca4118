//! What stands before several of a service: like a Kubernetes Service, it knows addresses and
//! connections, nothing of what is said over them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::support::pair::readiness;
use crate::support::service::Service;

/// Between two looks at `/readyz`.
const EVERY: Duration = Duration::from_millis(200);

/// Which of them get new connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Those whose `/readyz` is green, as planners' Service does.
    Ready,
    /// Every one until it has ended, as executors' Service does (`publishNotReadyAddresses`).
    Alive,
}

struct End {
    service: Arc<Service>,
    open: AtomicBool,
}

/// It serves until the test ends.
pub struct Balancer {
    pub address: SocketAddr,
    ends: Arc<Mutex<Vec<Arc<End>>>>,
    takes: Takes,
}

impl Balancer {
    pub async fn start(takes: Takes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::<Mutex<Vec<Arc<End>>>>::default();
        tokio::spawn(serve(listener, Arc::clone(&ends)));
        if takes == Takes::Ready {
            tokio::spawn(look(Arc::clone(&ends)));
        }
        Self { address, ends, takes }
    }

    /// One more.
    pub fn add(&self, service: &Arc<Service>) {
        let open = AtomicBool::new(self.takes == Takes::Alive);
        self.ends.lock().push(Arc::new(End { service: Arc::clone(service), open }));
    }

    /// Waits until so many get connections.
    pub async fn opens(&self, many: usize) {
        while open(&self.ends).len() < many {
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Forgets what has ended.
    pub fn remove(&self, service: &Arc<Service>) {
        self.ends.lock().retain(|end| !Arc::ptr_eq(&end.service, service));
    }
}

/// One after the other; where nobody listens the caller's connection ends before its handshake.
async fn serve(listener: TcpListener, ends: Arc<Mutex<Vec<Arc<End>>>>) {
    let mut turn = 0;
    while let Ok((mut caller, _)) = listener.accept().await {
        let open = open(&ends);
        if open.is_empty() {
            continue;
        }
        turn += 1;
        let address = open[turn % open.len()].service.grpc.clone();
        tokio::spawn(async move {
            let Ok(mut service) = TcpStream::connect(address).await else { return };
            let _ = caller.set_nodelay(true);
            let _ = service.set_nodelay(true);
            let _ = copy_bidirectional(&mut caller, &mut service).await;
        });
    }
}

fn open(ends: &Mutex<Vec<Arc<End>>>) -> Vec<Arc<End>> {
    let ends = ends.lock();
    ends.iter().filter(|end| end.open.load(Ordering::SeqCst)).map(Arc::clone).collect()
}

async fn look(ends: Arc<Mutex<Vec<Arc<End>>>>) {
    loop {
        let all = ends.lock().clone();
        for end in all {
            let admin = end.service.admin.clone();
            let asked = tokio::task::spawn_blocking(move || readiness(&admin)).await;
            end.open.store(matches!(asked.unwrap(), Ok((true, _))), Ordering::SeqCst);
        }
        tokio::time::sleep(EVERY).await;
    }
}
