//! `countersign bench`: what it proves and tells, never how fast it is.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::support::bins;
use super::support::cluster::{Cluster, USER};

fn bench(dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(bins::dir().join("countersign"));
    command.args(["bench", "--json", "--round-ms", "500", "--dir"]).arg(dir);
    command.args(more).stdin(Stdio::null());
    // As somebody runs it who has it installed.
    command.env_remove("CARGO");
    command
}

#[test]
fn bench_compares_both_sides_and_proves_every_action() {
    let dir = tempfile::tempdir().unwrap();
    let more = ["--callers", "1,4", "--rounds", "2", "--receipts", "700"];
    let output = bench(dir.path(), &more).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();

    for store in report["stores"].as_array().unwrap() {
        let proof = &store["proof"];
        assert!(proof["effects"].as_u64().unwrap() > 0, "{report:#}");
        assert_eq!(proof["effects"], proof["receipts"], "{report:#}");
        assert_eq!(proof["effects"], proof["replies"], "{report:#}");
        assert_eq!(proof["backend_calls"], 4, "{report:#}");
        assert!(proof["repeats"].as_u64().unwrap() > 0, "{report:#}");
        assert!(store["start_ms"].as_u64().unwrap() > 0, "{report:#}");
        assert!(store["resident_bytes"].as_u64().unwrap() > 1 << 20, "{report:#}");
    }
    let before: Vec<_> = report["stores"].as_array().unwrap().iter().collect();
    let before: Vec<_> = before.iter().map(|s| s["receipts_before"].as_u64().unwrap()).collect();
    assert_eq!(before, [0, 700]);
    let callers: Vec<_> = report["levels"].as_array().unwrap().iter().collect();
    let callers: Vec<_> = callers.iter().map(|l| l["callers"].as_u64().unwrap()).collect();
    assert_eq!(callers, [1, 4]);
    for level in report["levels"].as_array().unwrap() {
        let forwarder = &level["forwarder"];
        let mut figures = vec![&forwarder["action"], &forwarder["write_only"]];
        for executor in level["executors"].as_array().unwrap() {
            figures.extend([&executor["action"], &executor["repeat"]]);
            for ratio in ["action_to_forwarder", "action_to_write_only", "repeat_to_forwarder"] {
                assert!(executor[ratio].as_f64().unwrap() > 0.0, "{ratio}: {report:#}");
            }
            let filled = executor["receipts_before"] != 0;
            assert_eq!(executor["action_to_empty"].is_f64(), filled, "{report:#}");
            let alone = level["callers"] == 1;
            assert_eq!(executor["beyond_two_syncs_us"].is_i64(), alone, "{report:#}");
        }
        for side in figures {
            assert!(side["per_second"].as_f64().unwrap() > 0.0, "{report:#}");
            assert!(side["p50_us"].as_u64() <= side["p99_us"].as_u64(), "{report:#}");
            assert!(side["processor_us"].is_f64(), "{report:#}");
        }
        assert!(level["append_and_fdatasync"]["p50_us"].as_u64().unwrap() > 0, "{report:#}");
    }
    assert!(report["forwarded"].as_u64().unwrap() > 0, "{report:#}");
    assert!(told.contains("This is a debug build"), "{told}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn bench_of_the_planner_counts_each_turn_and_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(bins::dir().join("countersign"));
    command.args(["bench", "planner", "--json", "--turns", "20", "--conversations", "20"]);
    let output = command.current_dir(dir.path()).env_remove("CARGO").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (overhead, streaming) = (&report["overhead"], &report["streaming"]);
    assert_eq!(overhead["turns"], 20, "{report:#}");
    let of = |name: &str| overhead[name].as_u64().unwrap();
    assert!(of("p50_us") > 0 && of("processor_us") > 0 && of("direct_p50_us") > 0, "{report:#}");
    let beyond = of("whole_p50_us").saturating_sub(of("direct_p50_us"));
    assert_eq!(of("beyond_direct_p50_us"), beyond, "{report:#}");
    assert_eq!(
        (&streaming["at_once"], &streaming["errors"]),
        (&20.into(), &0.into()),
        "{report:#}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn bench_measures_postgres_in_a_database_that_goes_again() {
    let (dir, cluster) = (tempfile::tempdir().unwrap(), Cluster::start(&[]));
    let settings = format!("host={} user={USER}", cluster.host().display());
    let more = ["--callers", "2", "--rounds", "1", "--postgres", &settings];
    let output = bench(dir.path(), &more).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [sqlite, postgres] = report["stores"].as_array().unwrap().as_slice() else {
        panic!("{report:#}")
    };
    assert_eq!((&sqlite["store"], &postgres["store"]), (&"sqlite".into(), &"postgres".into()));
    let proof = &postgres["proof"];
    assert!(proof["effects"].as_u64().unwrap() > 0, "{report:#}");
    assert_eq!(proof["effects"], proof["receipts"], "{report:#}");
    assert_eq!(proof["effects"], proof["replies"], "{report:#}");
    let databases = cluster.sql("SELECT datname FROM pg_database ORDER BY datname");
    assert_eq!(databases.lines().collect::<Vec<_>>(), ["postgres", "template0", "template1"]);
}

#[test]
fn bench_that_is_interrupted_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let more = ["--callers", "4", "--rounds", "50"];
    let mut child = bench(dir.path(), &more).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("round 2 of 50")), "it ended too early");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
    let here = dir.path().to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|p| fs::read(p.path().join("cmdline")).ok());
    let left: Vec<_> = lines.filter(|line| String::from_utf8_lossy(line).contains(&here)).collect();
    assert_eq!(left.len(), 0, "processes go on: {left:?}");
}

#[test]
fn bench_refuses_what_it_cannot_measure() {
    let dir = tempfile::tempdir().unwrap();
    for (more, why) in [
        (&["--callers", "0"][..], "0 is not in 1..=512"),
        (&["--callers", "1,x"][..], "invalid value 'x'"),
        (&["--receipts", "0"][..], "0 is not in 1..="),
        (&["--postgres", "host=10.0.0.1 user=me"][..], "names no server of this machine"),
        (&["--postgres", "host=/tmp user=me password=x"][..], "give the password in PGPASSWORD"),
    ] {
        let output = bench(dir.path(), more).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(why), "{more:?}: {told}");
    }
}
