//! What is wrong with a planner's configuration.

use std::fs;
use std::path::Path;

use countersign_planner::config::{ChatConfig, Config, ModelConfig, OpenaiConfig};

use super::executor::address;
use super::report::Report;
use super::{certificate, files};

/// Looks at everything that the planner will look at.
pub(super) fn look(report: &mut Report, file: &Path) {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => return report.wrong("planner", error.to_string(), ""),
    };
    report.good("planner", format!("{} is well formed", file.display()));
    for (place, text) in [("listen", &config.listen), ("admin", &config.admin)] {
        address(report, place, text);
    }
    let own = certificate::look(report, &config.tls, "planner");
    if config.callers.is_empty() {
        report.wrong(
            "callers",
            "nobody may talk to the planner",
            "name your chat frontend's identity",
        );
    }
    if own.as_ref() == Some(&config.executor.id) {
        let what = "planner and executor have one identity: the planner could call as the executor";
        report.wrong("executor.id", what, "issue each a certificate with its own role");
    }
    if config.executor.address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err())
    {
        let what = format!("{:?} is no host and port", config.executor.address);
        report.wrong("executor.address", what, "write it like executor.example:7443");
    }
    history(report, &config);
    match &config.model {
        ModelConfig::Offline => report.good("model", "offline: built in, no server"),
        ModelConfig::Openai(_) | ModelConfig::Routed(_) => {}
    }
    for server in config.model.servers() {
        model(report, server);
    }
    if let Some(chat) = &config.chat {
        chats(report, chat);
    }
}

fn chats(report: &mut Report, chat: &ChatConfig) {
    let loopback = ["127.", "[::1]", "localhost"].iter().any(|own| chat.listen.starts_with(own));
    if chat.tls.is_none() && !loopback {
        let what =
            format!("{} is plain HTTP: API keys are read by whoever is on the way", chat.listen);
        report.warn("chat.tls", what, "name a certificate, or put a proxy before it that has TLS");
    }
    for frontend in &chat.frontends {
        let name = format!("chat.frontends.{}", frontend.name);
        match fs::read_to_string(&frontend.keys) {
            Ok(_) => files::private(report, &name, &frontend.keys),
            Err(error) => {
                let file = frontend.keys.display();
                let remedy = format!("openssl rand -base64 32 > {file}");
                report.wrong(&name, format!("{file}: {error}"), &remedy);
            }
        }
    }
}

/// Whose history is kept, and with which key.
fn history(report: &mut Report, config: &Config) {
    let Some(log) = &config.log else {
        let what = "nothing of the executor's history is checked or kept";
        return report.warn(
            "state",
            what,
            "add `state` and `log`, as `countersign init` writes them",
        );
    };
    match log.keys() {
        Ok(keys) => {
            let names: Vec<_> = keys.iter().map(|key| key.name().to_owned()).collect();
            report.good("log.keys", format!("of {}", names.join(", ")));
        }
        Err(error) => {
            report.wrong("log.keys", format!("{error:#}"), "put the executor's log.pub there")
        }
    }
    match log.cosigner() {
        Ok(key) => {
            files::private(report, "log.cosign.key", &log.cosign.key);
            let public = key.verifier_key();
            report.good("log.cosign", format!("its public key, for the executor: {public}"));
        }
        Err(error) => {
            report.wrong("log.cosign", format!("{error:#}"), "make one with `countersign init`")
        }
    }
}

fn model(report: &mut Report, server: &OpenaiConfig) {
    match server.url.scheme() {
        "https" => report.good("model", format!("{} at {}", server.name, server.url)),
        "http" => {
            let what = format!(
                "{} is spoken to in plain http: whoever is on the way reads the customers' messages",
                server.url
            );
            report.warn("model.url", what, "use https, except on this machine");
        }
        other => report.wrong("model.url", format!("scheme {other:?}"), "use https"),
    }
    let Some(key) = &server.api_key_file else { return };
    match fs::read_to_string(key) {
        Ok(text) if text.trim().is_empty() => {
            report.wrong(
                "model.api_key_file",
                format!("{} is empty", key.display()),
                "write the key into it",
            );
        }
        Ok(_) => files::private(report, "model.api_key_file", key),
        Err(error) => {
            let what = format!("{}: {error}", key.display());
            report.wrong("model.api_key_file", what, "write the key into it, mode 0600");
        }
    }
}
