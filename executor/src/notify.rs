//! Tells members of staff that an action waits for them: when it begins to wait, at
//! half of its time, and near its end.
//!
//! ```text
//! desk.waiting rings ─┐
//! every 30 s ─────────┴▶ waiting actions ─▶ which stage, told before? ─▶ webhook
//! ```
//!
//! At least once, within this process's life: after a restart, what waits is told of
//! again. No action ever waits for a webhook.

mod body;
mod webhook;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use countersign_core::grant::Parked;
use countersign_core::lifecycle::State;
use countersign_core::proposal::Proposal;
use countersign_shared::ids::ProposalId;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::connector::network::Network;
use crate::desk::Desk;
use crate::pipeline::Life;
use crate::ports::StoreError;
use body::Notice;
use webhook::Webhook;

/// Between two looks where nothing rings.
const EVERY: Duration = Duration::from_secs(30);

/// One who is told: an entry of `notify` in `executor.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    /// Where to. Chat systems put a secret into it, so no log line shows it.
    pub url: SecretString,
    /// What is sent.
    pub kind: Kind,
    /// File with the secret of the signature; without it, nothing is signed.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Only what waits for one of these roles, until near its end. Empty means all.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Only this tenant's.
    #[serde(default)]
    pub tenant: Option<String>,
    /// PEM file of certificate authorities trusted beside the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Networks that are not public and may be dialled all the same.
    #[serde(default)]
    pub private_networks: Vec<Network>,
    /// Whether the URL may be plain `http`.
    #[serde(default)]
    pub plain_http: bool,
}

/// The form of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Our own fields.
    Json,
    /// Slack's blocks.
    Slack,
    /// An adaptive card for Teams.
    Teams,
}

/// How far a request's time has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It began to wait.
    Waits,
    /// Half of its time is over.
    Reminder,
    /// Nine tenths are over: everybody of the tenant is told.
    Escalation,
}

impl NotifyConfig {
    /// Its files, for anchoring.
    pub(crate) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.secret_file.iter_mut().chain(self.ca.iter_mut())
    }

    fn wants(&self, parked: &Parked, stage: Stage) -> bool {
        let tenant = &parked.proposal().asked().subject.tenant;
        let role = |name: &str| self.roles.iter().any(|role| role == name);
        let mut open = parked.missing().filter_map(|need| need.role());
        self.tenant.as_ref().is_none_or(|only| only == tenant)
            && (self.roles.is_empty() || stage == Stage::Escalation || open.any(role))
    }
}

/// Begins to tell.
///
/// # Errors
/// A URL, file or certificate that cannot be used.
pub fn start(config: &[NotifyConfig], desk: Desk) -> anyhow::Result<JoinHandle<()>> {
    let hooks = config.iter().enumerate().map(|(at, config)| {
        let hook = Webhook::new(config).map_err(|why| anyhow!("`notify[{at}]`: {why}"))?;
        Ok((config.clone(), Arc::new(hook)))
    });
    let hooks: Vec<_> = hooks.collect::<anyhow::Result<_>>()?;
    Ok(tokio::spawn(async move {
        let mut told = Told::default();
        loop {
            if let Err(error) = round(&desk, &hooks, &mut told).await {
                tracing::warn!(%error, "what waits for staff is looked at again later");
            }
            tokio::select! {
                () = desk.waiting.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }))
}

type Told = HashMap<ProposalId, Stage>;

async fn round(
    desk: &Desk,
    hooks: &[(NotifyConfig, Arc<Webhook>)],
    told: &mut Told,
) -> Result<(), StoreError> {
    let journals = desk.pipeline.store.waiting().await?;
    let lives: Vec<_> =
        journals.into_iter().filter_map(|journal| Life::resume(journal).ok()).collect();
    told.retain(|id, _| lives.iter().any(|life| life.state().proposal().id() == id));
    let now = desk.pipeline.clock.now();
    for life in &lives {
        let State::Proposed(parked) = life.state() else { continue };
        let Some(stage) = due(parked.proposal(), now, told) else { continue };
        for (_, hook) in hooks.iter().filter(|(config, _)| config.wants(parked, stage)) {
            let notice = Notice::of(parked, stage, &desk.origin);
            let hook = Arc::clone(hook);
            tokio::spawn(async move { hook.tell(&notice).await });
        }
    }
    Ok(())
}

/// The stage that a request is in, where nobody was told of it yet.
fn due(proposal: &Proposal, now: Timestamp, told: &mut Told) -> Option<Stage> {
    let stage = stage(proposal.at(), proposal.expires_at(), now);
    let before = told.insert(proposal.id().clone(), stage);
    (before < Some(stage)).then_some(stage)
}

fn stage(from: Timestamp, until: Timestamp, now: Timestamp) -> Stage {
    let (whole, gone) = (until.duration_since(from), now.duration_since(from));
    if gone.as_secs() * 10 >= whole.as_secs() * 9 {
        Stage::Escalation
    } else if gone.as_secs() * 2 >= whole.as_secs() {
        Stage::Reminder
    } else {
        Stage::Waits
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn half_and_nine_tenths_of_the_time_are_stages() {
        let from = Timestamp::UNIX_EPOCH;
        let at = |seconds| from + SignedDuration::from_secs(seconds);
        for (seconds, expected) in [
            (0, Stage::Waits),
            (499, Stage::Waits),
            (500, Stage::Reminder),
            (899, Stage::Reminder),
            (900, Stage::Escalation),
            (2000, Stage::Escalation),
        ] {
            assert_eq!(stage(from, at(1000), at(seconds)), expected, "{seconds}");
        }
    }
}
