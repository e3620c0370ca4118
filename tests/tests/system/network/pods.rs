//! Planner and executor in their namespaces, the world around them in this one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::planner_client::PlannerClient;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::cable::{BACKEND, EXECUTOR, Network, PLANNER};
use super::probe::LISTENED;
use crate::action_flow::converse_with;
use crate::support::bins;
use crate::support::pair::{Pair, planner_config};
use crate::support::service::{Launch, Service};

pub struct Pods {
    pair: Pair,
    planner: Service,
}

impl Pods {
    pub async fn start(network: &Network) -> Self {
        let mut pair = Pair::executor_only().await;
        pair.kill_executor();
        let shop = pair.sandbox.base_url();
        for (address, port) in LISTENED {
            let to = shop.trim_start_matches("http://").to_owned();
            listen(address, port, to).await;
        }
        pair.change_config(&shop, &format!("http://{BACKEND}:443"));
        pair.change_config("[\"127.0.0.1\"]", &format!("[\"{BACKEND}\"]"));
        pair.change_config("127.0.0.0/8", "198.51.100.0/24");
        pair.change_config("listen: 127.0.0.1:0", &format!("listen: {EXECUTOR}:7443"));
        pair.change_config("admin: 127.0.0.1:0", &format!("admin: {EXECUTOR}:7480"));
        pair.add_config(&format!(
            "console: {{ listen: \"{EXECUTOR}:8445\", public_url: \"https://approve.test.invalid\", \
             behind_ingress: true }}\n"
        ));
        fs::remove_dir_all(pair.path("state")).unwrap();
        let launch = within(&pair, network, "executor");
        pair.launch_executor(&launch).unwrap();

        let config = planner_config(&format!("{EXECUTOR}:7443"), "{ kind: offline }")
            .replace("listen: 127.0.0.1:0", &format!("listen: {PLANNER}:7543"))
            .replace("admin: 127.0.0.1:0", &format!("admin: {PLANNER}:7580"));
        fs::write(pair.path("planner.yaml"), config).unwrap();
        let launch = within(&pair, network, "planner");
        let planner = launch.start("planner", pair.dir.path(), "info").unwrap();
        Self { pair, planner }
    }

    /// A wish, a card, a yes, one effect.
    pub async fn converse(&self) {
        let channel = self.pair.channel_to("planner", &self.planner.grpc, Role::Frontend);
        let (planner, who) = (PlannerClient::new(channel), self.pair.customer(1));
        let asked =
            converse_with(&planner, &self.pair, &who, "m1", "cancel order #1001", None).await;
        let card = asked.card.expect("a card is shown");
        let done = converse_with(&planner, &self.pair, &who, "m2", "yes", Some(&card)).await;
        assert_eq!(done.turn.actions[0].outcome(), v1::Outcome::Applied, "{:?}", done.turn);
        let cancelled = self.pair.effects().iter().filter(|e| e.kind == "order_cancelled").count();
        assert_eq!(cancelled, 1);
    }
}

/// Hands each connection on to the shop.
async fn listen(address: &str, port: u16, to: String) {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let to = to.clone();
            tokio::spawn(async move {
                let Ok(mut shop) = TcpStream::connect(to).await else { return };
                let _ = copy_bidirectional(&mut caller, &mut shop).await;
            });
        }
    });
}

/// The service as it ships, in the namespace of its name.
fn within(pair: &Pair, network: &Network, name: &str) -> Launch {
    let (program, inside) = (pair.path(&format!("{name}-inside")), network.name(name));
    let shipped: PathBuf = bins::dir().join(name);
    let script = format!("#!/bin/sh\nexec ip netns exec {inside} {} \"$@\"\n", shipped.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Launch { program, environment: vec![] }
}
