//! The manifests, as `kubectl kustomize` renders them: each property that the documents promise
//! is looked for in what would be applied, and missed in a copy that is broken on purpose.
//!
//! `cargo nextest run -E 'test(manifests)'`. Needs kubectl; `COUNTERSIGN_NEEDS_KUBECTL=1` makes
//! its absence a failure, otherwise the tests say that they are skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod check;
mod configs;
mod console;
mod example;
mod house;
mod identity;
mod images;
mod labels;
mod monitoring;
mod mounted;
mod network;
mod pods;
mod rendered;
mod scale;
mod schema;

use check::Check;
use rendered::Rendered;

const OVERLAYS: [&str; 2] = ["sqlite", "postgres"];
/// What a house copies.
const EXAMPLE: &str = "example";

fn try_all(overlay: &str, checks: &[Check]) {
    let Some(rendered) = Rendered::overlay(overlay) else { return };
    for check in checks {
        check.holds_and_can_fail(overlay, &rendered);
    }
}

#[test]
fn manifests_pods_are_confined() {
    OVERLAYS.iter().for_each(|overlay| try_all(overlay, pods::CHECKS));
}

#[test]
fn manifests_only_the_named_ways_are_open() {
    OVERLAYS.iter().for_each(|overlay| try_all(overlay, network::CHECKS));
    try_all("postgres", network::POSTGRES);
}

#[test]
fn manifests_certificates_are_what_the_peers_believe() {
    OVERLAYS.iter().for_each(|overlay| try_all(overlay, identity::CHECKS));
}

#[test]
fn manifests_replicas_fit_the_store() {
    OVERLAYS.iter().for_each(|overlay| try_all(overlay, scale::CHECKS));
    try_all("sqlite", scale::SQLITE);
    try_all("postgres", scale::POSTGRES);
}

#[test]
fn manifests_configurations_load_and_name_only_what_is_mounted() {
    OVERLAYS.iter().for_each(|overlay| try_all(overlay, configs::CHECKS));
    try_all("postgres", configs::POSTGRES);
}

#[test]
fn manifests_are_what_kubernetes_accepts() {
    OVERLAYS.iter().for_each(|overlay| schema::accepted(overlay));
}

#[test]
fn manifests_of_monitoring_ask_for_what_is_told() {
    let Some(rendered) = monitoring::component() else { return };
    for check in monitoring::CHECKS {
        check.holds_and_can_fail("monitoring", &rendered);
    }
}

#[test]
fn manifests_of_a_house_fit_together() {
    for overlay in OVERLAYS {
        let Some(rendered) = house::rendered(overlay) else { return };
        for check in house::CHECKS.iter().chain(console::CHECKS).chain(labels::CHECKS) {
            check.holds_and_can_fail(overlay, &rendered);
        }
        schema::holds(&rendered);
    }
    schema::holds(&house::shell());
}

#[test]
fn manifests_of_the_example_are_a_house_s_own() {
    let all = [
        pods::CHECKS,
        identity::CHECKS,
        scale::CHECKS,
        scale::SQLITE,
        configs::CHECKS,
        console::CHECKS,
        example::CHECKS,
    ];
    all.iter().for_each(|checks| try_all(EXAMPLE, checks));
    schema::accepted(EXAMPLE);
    let Some(with_command) = house::example_with_command() else { return };
    assert_eq!(example::own(&with_command), Ok(()));
}

#[test]
fn manifests_say_what_they_are_part_of() {
    OVERLAYS.iter().chain([&EXAMPLE]).for_each(|overlay| try_all(overlay, labels::CHECKS));
}

#[test]
fn manifests_alerts_fire_and_are_quiet() {
    monitoring::fire_as_they_should();
}

#[test]
fn manifests_images_run_as_they_say() {
    images::run_as_the_manifests_say();
}

#[test]
fn manifests_images_are_built_of_sources_alone() {
    images::are_built_of_sources_alone();
}

#[test]
fn manifests_images_that_differ_are_named() {
    images::that_differ_are_named();
}

#[test]
fn manifests_images_hold_nothing_else() {
    images::hold_nothing_else();
}
