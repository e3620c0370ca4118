//! Peers that should reach each other do, and know each other.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::kit::{Authority, EXECUTOR, PLANNER, Service};
use crate::mtls::AcceptLimits;

#[tokio::test]
async fn the_handler_sees_the_peers_identity() {
    let ca = Authority::new("ca");
    let service = Service::start(ca.material(EXECUTOR)).await;
    let mut planner = service.client(&ca.material(PLANNER), EXECUTOR);
    assert_eq!(planner.who_am_i().await.unwrap(), PLANNER);
    let auditor = "spiffe://test.internal/ns/shop/sa/auditor";
    let mut auditor_client = service.client(&ca.material(auditor), EXECUTOR);
    assert_eq!(auditor_client.who_am_i().await.unwrap(), auditor);
}

#[tokio::test]
async fn a_channel_dials_again_after_its_service_was_gone() {
    let ca = Authority::new("ca");
    let service = Service::start(ca.material(EXECUTOR)).await;
    let address = service.address.to_string();
    let mut planner = service.client(&ca.material(PLANNER), EXECUTOR);
    planner.who_am_i().await.unwrap();
    service.stop().await;
    assert_eq!(planner.who_am_i().await.unwrap_err().code(), tonic::Code::Unavailable);
    let limits = AcceptLimits::default();
    let _again = Service::start_at(&address, ca.material(EXECUTOR), limits).await;
    assert_eq!(planner.who_am_i().await.unwrap(), PLANNER);
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_call_that_never_ends() {
    let ca = Authority::new("ca");
    let service = Service::start(ca.material(EXECUTOR)).await;
    let address = service.address;
    let mut planner = service.client(&ca.material(PLANNER), EXECUTOR);
    let _held = planner.hold().await;
    service.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "the port is still open");
}

#[tokio::test]
async fn silent_strangers_are_dropped_and_hold_nobody_up() {
    let ca = Authority::new("ca");
    let limits =
        AcceptLimits { timeout: Duration::from_secs(2), concurrent: 8, ..AcceptLimits::default() };
    let service = Service::start_at("127.0.0.1:0", ca.material(EXECUTOR), limits).await;
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(service.address).await.unwrap());
    }
    let mut planner = service.client(&ca.material(PLANNER), EXECUTOR);
    assert_eq!(planner.who_am_i().await.unwrap(), PLANNER);
    for mut stranger in silent {
        assert_eq!(stranger.read(&mut [0; 16]).await.unwrap_or(0), 0, "still connected");
    }
}

#[tokio::test]
async fn a_full_house_of_strangers_makes_room_in_time() {
    let ca = Authority::new("ca");
    let limits = AcceptLimits {
        timeout: Duration::from_millis(200),
        concurrent: 1,
        ..AcceptLimits::default()
    };
    let service = Service::start_at("127.0.0.1:0", ca.material(EXECUTOR), limits).await;
    let _first = TcpStream::connect(service.address).await.unwrap();
    let _second = TcpStream::connect(service.address).await.unwrap();
    let mut planner = service.client(&ca.material(PLANNER), EXECUTOR);
    assert_eq!(planner.who_am_i().await.unwrap(), PLANNER);
}
