//! New files take effect without a restart, and broken ones not at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::kit::{Authority, EXECUTOR, Issued, Leaf, PLANNER, Service, id, write};
use crate::mtls::{AcceptLimits, Ends, Material, MaterialError, MaterialFiles};

#[tokio::test]
async fn a_new_certificate_counts_for_new_connections_while_old_ones_live() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let both = old.pem() + &new.pem();
    let server_dir = old.folder(EXECUTOR, &both);
    let server = Material::open(MaterialFiles::in_dir(server_dir.path())).unwrap();
    let service = Service::start(Arc::clone(&server)).await;

    let believes_old = old.material(PLANNER);
    let mut before = service.client(&believes_old, EXECUTOR);
    before.who_am_i().await.unwrap();
    let _held = before.hold().await;

    write(server_dir.path(), &new.issue(&Leaf::of(&[EXECUTOR])), &both);
    assert!(server.reload().unwrap());

    service.client(&believes_old, EXECUTOR).who_am_i().await.expect_err("old authority only");
    let new_dir = old.folder(PLANNER, &new.pem());
    let believes_new = Material::open(MaterialFiles::in_dir(new_dir.path())).unwrap();
    service.client(&believes_new, EXECUTOR).who_am_i().await.expect("meets the new certificate");
    before.who_am_i().await.expect("the old connection lives");
}

#[tokio::test]
async fn an_authority_taken_away_is_believed_no_more() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server_dir = old.folder(EXECUTOR, &(old.pem() + &new.pem()));
    let server = Material::open(MaterialFiles::in_dir(server_dir.path())).unwrap();
    let service = Service::start(Arc::clone(&server)).await;
    let of_old = old.material(PLANNER);
    let of_new_dir = new.folder(PLANNER, &old.pem());
    let of_new = Material::open(MaterialFiles::in_dir(of_new_dir.path())).unwrap();

    let mut before = service.client(&of_old, EXECUTOR);
    before.who_am_i().await.unwrap();
    std::fs::write(server_dir.path().join("ca.crt"), new.pem()).unwrap();
    assert!(server.reload().unwrap());

    service.client(&of_old, EXECUTOR).who_am_i().await.expect_err("its authority is gone");
    service.client(&of_new, EXECUTOR).who_am_i().await.expect("its authority stays");
    before.who_am_i().await.expect("the old connection lives");
}

#[tokio::test]
async fn a_channel_dials_with_the_newest_material() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let service = Service::start(new.material(EXECUTOR)).await;
    let dir = old.folder(PLANNER, &old.pem());
    let planner = Material::open(MaterialFiles::in_dir(dir.path())).unwrap();
    let mut client = service.client(&planner, EXECUTOR);
    client.who_am_i().await.expect_err("nobody believes anybody yet");
    write(dir.path(), &new.issue(&Leaf::of(&[PLANNER])), &new.pem());
    assert!(planner.reload().unwrap());
    assert_eq!(client.who_am_i().await.unwrap(), PLANNER);
}

#[tokio::test]
async fn broken_files_leave_the_old_material_in_use() {
    let ca = Authority::new("ca");
    let dir = ca.folder(PLANNER, &ca.pem());
    let material = Material::open(MaterialFiles::in_dir(dir.path())).unwrap();
    let service = Service::start(ca.material(EXECUTOR)).await;
    assert!(!material.reload().unwrap(), "nothing changed yet");

    let good = ca.issue(&Leaf::of(&[PLANNER]));
    let half = good.key.get(..good.key.len() / 2).unwrap().to_owned();
    for (case, issued) in [
        ("half a key", Issued { cert: good.cert.clone(), key: half }),
        ("a key without its certificate", Issued { cert: ca.pem(), key: good.key.clone() }),
    ] {
        write(dir.path(), &issued, &ca.pem());
        let error = material.reload().expect_err(case);
        let shown = format!("{error} {error:?}");
        assert!(!good.key.lines().any(|line| shown.contains(line)), "{case} shows the key");
    }
    write(dir.path(), &ca.issue(&Leaf::of(&[EXECUTOR])), &ca.pem());
    let error = material.reload().expect_err("another identity");
    assert!(matches!(error, MaterialError::OtherIdentity { .. }), "{error}");

    assert_eq!(service.client(&material, EXECUTOR).who_am_i().await.unwrap(), PLANNER);
}

#[tokio::test]
async fn changed_files_are_noticed_without_being_told() {
    let ca = Authority::new("ca");
    let dir = ca.folder(PLANNER, &ca.pem());
    let material = Material::open(MaterialFiles::in_dir(dir.path())).unwrap();
    let before = material.server_config();
    write(dir.path(), &ca.issue(&Leaf::of(&[PLANNER])), &ca.pem());
    let noticed = async {
        while Arc::ptr_eq(&before, &material.server_config()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), noticed).await.expect("noticed");
}

#[tokio::test]
async fn what_is_in_use_tells_when_it_ends() {
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let since_1970 = |at: SystemTime| {
        i64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap()
    };
    let (first, last) =
        (Authority::until("a", now + 5 * hour), Authority::until("b", now + 9 * hour));
    let dir = first.folder(PLANNER, &(last.pem() + &first.pem()));
    let files = MaterialFiles::in_dir(dir.path());
    let material = Material::open(files.clone()).unwrap();
    let ends = material.ends();
    assert!((ends.certificate - since_1970(now + hour)).abs() < 60, "{ends:?}");
    assert_eq!(ends.authorities, since_1970(now + 5 * hour), "the one that ends first");
    assert_eq!(ends.revocations, None);
    // What is renewed ends later; a broken file changes nothing, as it is not in use.
    write(dir.path(), &last.issue(&Leaf::of(&[PLANNER])), &last.pem());
    assert!(material.reload().unwrap());
    assert_eq!(material.ends().authorities, since_1970(now + 9 * hour));
    std::fs::write(&files.ca, "nothing").unwrap();
    assert!(material.reload().is_err());
    assert_eq!(material.ends().authorities, since_1970(now + 9 * hour));

    let lists = [last.revoke(9, now + 3 * hour), first.revoke(9, now + 2 * hour)].concat();
    let dir = first.folder(PLANNER, &(last.pem() + &first.pem()));
    let crl = dir.path().join("ca.crl");
    std::fs::write(&crl, lists).unwrap();
    let files = MaterialFiles { crl: Some(crl), ..MaterialFiles::in_dir(dir.path()) };
    let Ends { revocations, .. } = Material::open(files).unwrap().ends();
    assert_eq!(revocations, Some(since_1970(now + 2 * hour)));
}

#[tokio::test]
async fn debug_output_shows_no_key() {
    let ca = Authority::new("ca");
    let dir = ca.folder(PLANNER, &ca.pem());
    let material = Material::open(MaterialFiles::in_dir(dir.path())).unwrap();
    let key = std::fs::read_to_string(dir.path().join("tls.key")).unwrap();
    let shown = format!("{material:?} {:?}", material.client_config(&id(EXECUTOR)).unwrap());
    assert!(shown.contains(PLANNER));
    assert!(!key.lines().any(|line| shown.contains(line)), "{shown}");
}

#[tokio::test]
async fn a_connection_of_age_is_left_for_a_new_one_without_a_failed_call() {
    let authority = Authority::new("one");
    let material = authority.material(EXECUTOR);
    let service = Service::aging(material, Duration::from_millis(200)).await;
    let mut client = service.client(&authority.material(PLANNER), EXECUTOR);
    let held = client.hold().await;
    let mut from = BTreeSet::new();
    while from.len() < 4 {
        from.insert(client.where_am_i().await.expect("no call fails"));
    }
    drop(held);
}

#[tokio::test]
async fn a_call_that_never_ends_does_not_hold_a_connection_for_ever() {
    let authority = Authority::new("one");
    let limits = AcceptLimits { longest: Duration::from_millis(300), ..AcceptLimits::default() };
    let service = Service::start_at("127.0.0.1:0", authority.material(EXECUTOR), limits).await;
    let mut client = service.client(&authority.material(PLANNER), EXECUTOR);
    let mut held = client.hold().await;
    held.message().await.expect_err("cut");
    client.who_am_i().await.expect("it dials again");
}
