//! What operators are told at `/metrics` of the services as they ship: whom they reach, whom they
//! turn away, and when their identities end.

use std::fs;
use std::time::SystemTime;

use countersign::pki::Role;
use countersign_proto::v1::ListToolsRequest;
use countersign_proto::v1::executor_client::ExecutorClient;

use super::chat::chat_config;
use super::support::hook::Hook;
use super::support::pair::Pair;
use super::support::people::Signer;
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
    let changed = "countersign_receipts_total{tool=\"other\",outcome=\"changed\"}";
    assert_eq!(value(&executor, changed), Some(1), "what was found is activated");
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
    let request = ListToolsRequest { subject_token: pair.customer(1).token, ..Default::default() };
    assert_eq!(refusal(stranger.list_tools(request).await).code, "CALLER_NOT_ALLOWED");
    assert_eq!(value(&pair.metrics().0, away), Some(1));

    pair.kill_executor();
    assert_eq!(value(&pair.metrics().1, "countersign_executor_reached"), Some(0));
}

/// Writes a certificate that ends with this year, and its key; answers with the end.
fn certify(pair: &Pair, name: &str, year: i32) -> i64 {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    wanted.not_after = rcgen::date_time_ymd(year, 12, 31);
    fs::write(pair.path(&format!("{name}.crt")), wanted.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(pair.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    wanted.not_after.unix_timestamp()
}

#[tokio::test(flavor = "multi_thread")]
async fn told_at_metrics_is_when_certificates_of_pages_and_chat_end() {
    let mut pair = Pair::executor_only().await;
    let ends = [("console", 2041), ("confirm", 2042), ("log", 2043), ("chat", 2044)]
        .map(|(name, year)| (name, certify(&pair, name, year)));
    let tls = |name: &str| format!("tls: {{ cert: {name}.crt, key: {name}.key }}");
    let page = |name| {
        let at = "listen: \"127.0.0.1:0\", public_url: \"https://localhost:8443\"";
        format!("{{ {at}, {} }}", tls(name))
    };
    fs::write(pair.path("page.key"), Signer::new(77).secret_pem()).unwrap();
    fs::write(pair.path("hook.secret"), Hook::secret()).unwrap();
    pair.add_config(&format!(
        "console: {}\nconfirm:\n  page: {}\n  key: page.key\n  \
         mailer: {{ url: \"https://mailer.test.invalid\", secret_file: hook.secret }}\n",
        page("console"),
        page("confirm"),
    ));
    let log = format!("log: {{ listen: \"127.0.0.1:0\", {}, origin", tls("log"));
    pair.change_config("log: { origin", &log);
    pair.begin_anew();
    let chat = format!("{}  {}\n", chat_config(&pair), tls("chat"));
    pair.start_planner_with("{ kind: offline }", &chat);
    let (executor, planner) = pair.metrics();
    for (name, end) in ends {
        let told = if name == "chat" { &planner } else { &executor };
        let series = format!("countersign_tls_end_timestamp_seconds{{of=\"{name}\"}}");
        assert_eq!(value(told, &series), Some(end), "{name}");
    }
}
