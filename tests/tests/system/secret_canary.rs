//! NO SECRET LEAVES: a canary of each kind stands in a whole deployment, everything is called
//! and quoted back, everything is logged, and then each place that anybody can read is
//! searched for every form that a canary can take. What the search finds is proved beside it.

mod backend;
mod deployment;
mod heard;
mod proof;
mod traffic;

use std::fs;

use crate::support::leaks::{Search, files};
use backend::Kind;
use deployment::Deployment;
use heard::Heard;

#[tokio::test(flavor = "multi_thread")]
async fn secret_canary() {
    let mut deployment = Deployment::start().await;
    let heard = Heard::default();
    traffic::all(&deployment, &heard).await;
    deployment.house.pair.stop();
    let search = Search::new(&deployment.secrets());

    // Each credential was in use, or nothing of what follows says anything.
    let arrived = search.hits("a backend", deployment.backend.arrived().as_bytes()).join("\n");
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Hmac) {
        for half in ["first", "second"] {
            let told = format!("the {half} half of {},", kind.name());
            assert!(arrived.contains(&told), "{told} never arrived");
        }
    }
    assert!(deployment.backend.arrived().contains("x-signature: "));

    let folder = deployment.house.pair.dir.path();
    let mut found = search.below(folder, Deployment::rightful);
    found.extend(search.hits("rows of the store", &proof::rows(&folder.join("state/executor.db"))));
    found.extend(search.hits("a webhook", deployment.hook.bodies().as_bytes()));
    for (place, bytes) in &heard.places() {
        found.extend(search.hits(place, bytes));
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));

    let read =
        files(folder).iter().map(|file| fs::metadata(file).map_or(0, |m| m.len())).sum::<u64>();
    println!("0 leaks in {} kB of files", read >> 10);
    proof::each_leak_is_found(&deployment, &search, &heard);
}
