//! What operators are told at `/metrics` of the services as they ship: whom they reach, whom they
//! turn away, and when their identities end.

use std::time::SystemTime;

use countersign::pki::Role;
use countersign_proto::v1::ListToolsRequest;
use countersign_proto::v1::executor_client::ExecutorClient;

use super::support::pair::Pair;
use super::support::plans::refusal;

/// The value of a series; `None` where it is not told.
fn value(told: &str, series: &str) -> Option<i64> {
    let line = told.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.trim().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn told_at_metrics_is_what_operators_are_warned_by() {
    let pair = Pair::start().await;
    let away = "countersign_refusals_total{code=\"CALLER_NOT_ALLOWED\"}";
    let (executor, planner) = pair.metrics();
    assert_eq!((value(&executor, away), value(&planner, away)), (Some(0), Some(0)));
    assert_eq!(value(&planner, "countersign_executor_reached"), Some(1));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for told in [&executor, &planner] {
        let end = |of: &str| {
            let series = format!("countersign_tls_end_timestamp_seconds{{of=\"{of}\"}}");
            value(told, &series).map(|end| end - i64::try_from(now).unwrap())
        };
        let (own, authorities) = (end("certificate").unwrap(), end("authorities").unwrap());
        assert!(own > 3600 && own < authorities, "{own} {authorities}");
        assert_eq!(end("revocations"), None);
    }
    let mut stranger = ExecutorClient::new(pair.channel(Role::Auditor));
    let request = ListToolsRequest { subject_token: pair.customer(1).token };
    assert_eq!(refusal(stranger.list_tools(request).await).code, "CALLER_NOT_ALLOWED");
    assert_eq!(value(&pair.metrics().0, away), Some(1));

    pair.kill_executor();
    assert_eq!(value(&pair.metrics().1, "countersign_executor_reached"), Some(0));
}
