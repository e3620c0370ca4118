//! Tells members of staff what waits for them: a request for approval when it begins to
//! wait, at half of its time and near its end; a matter for a person when it is opened,
//! and again while nobody takes it.
//!
//! ```text
//! desk.waiting, pipeline.raised ring ─┐
//! every 30 s ─────────────────────────┴▶ what waits ─▶ which stage, told before? ─▶ webhook
//! ```
//!
//! At least once, within this process's life: after a restart, what waits is told of
//! again. No action ever waits for a webhook.

mod body;
mod words;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::connector::network::Network;
use crate::desk::Desk;
use crate::pipeline::Life;
use crate::ports::{EscalationQuery, Stand, StoreError};
use crate::webhook::{Receiver, Webhook};
use body::Notice;

/// Between two looks where nothing rings.
const EVERY: Duration = Duration::from_secs(30);
/// Most open matters that are looked at.
const MOST: u32 = 1000;

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
    /// Only requests that wait for one of these roles, until near their end; and matters
    /// that nobody takes in a day. Empty means all.
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

/// How long something has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It began to wait.
    Waits,
    /// Half of its time is over; for a matter, an hour in which nobody took it.
    Reminder,
    /// Nine tenths are over, or a day: everybody of the tenant is told.
    Escalation,
}

impl NotifyConfig {
    /// Its files, for anchoring.
    pub(crate) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.secret_file.iter_mut().chain(self.ca.iter_mut())
    }

    fn receiver(&self) -> Receiver<'_> {
        Receiver {
            url: &self.url,
            secret: self.secret_file.as_deref(),
            ca: self.ca.as_deref(),
            private_networks: &self.private_networks,
            plain_http: self.plain_http,
        }
    }

    /// Whether this receiver is told. `roles` are those that are waited for; a matter
    /// waits for none in particular.
    fn wants(&self, tenant: &str, roles: &[String], stage: Stage) -> bool {
        let asked = || roles.iter().any(|role| self.roles.contains(role));
        self.tenant.as_ref().is_none_or(|only| only == tenant)
            && (self.roles.is_empty() || stage == Stage::Escalation || asked())
    }
}

/// Begins to tell.
///
/// # Errors
/// A URL, file or certificate that cannot be used.
pub fn start(config: &[NotifyConfig], desk: Desk) -> anyhow::Result<JoinHandle<()>> {
    let hooks = hooks(config)?;
    Ok(tokio::spawn(async move {
        let mut told = Told::default();
        // Where nobody is to be told, there is nothing to look at.
        while !hooks.is_empty() {
            if let Err(error) = round(&desk, &hooks, &mut told).await {
                tracing::warn!(%error, "what waits for staff is looked at again later");
            }
            tokio::select! {
                () = desk.waiting.notified() => {}
                () = desk.pipeline.raised.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }))
}

/// Whether every receiver can be told.
///
/// # Errors
/// A receiver that cannot, as [`start`] says it.
pub fn check(config: &[NotifyConfig]) -> anyhow::Result<()> {
    hooks(config).map(drop)
}

fn hooks(config: &[NotifyConfig]) -> anyhow::Result<Vec<(NotifyConfig, Arc<Webhook>)>> {
    let hooks = config.iter().enumerate().map(|(at, config)| {
        let hook =
            Webhook::new(&config.receiver()).map_err(|why| anyhow!("`notify[{at}]`: {why}"))?;
        Ok((config.clone(), Arc::new(hook)))
    });
    hooks.collect()
}

type Hooks = [(NotifyConfig, Arc<Webhook>)];
/// The last stage that was told of, by proposal or matter.
type Told = HashMap<String, Stage>;

/// What waits for members of staff, whatever it is.
struct Waiting {
    id: String,
    tenant: String,
    roles: Vec<String>,
    stage: Stage,
    notice: Notice,
}

async fn round(desk: &Desk, hooks: &Hooks, told: &mut Told) -> Result<(), StoreError> {
    let now = desk.pipeline.clock.now();
    let mut all = requests(desk, now).await?;
    all.extend(matters(desk, now).await?);
    told.retain(|id, _| all.iter().any(|waiting| waiting.id == *id));
    for Waiting { id, tenant, roles, stage, notice } in all {
        if told.insert(id, stage) >= Some(stage) {
            continue;
        }
        for (config, hook) in hooks.iter().filter(|(c, _)| c.wants(&tenant, &roles, stage)) {
            let (hook, body) = (Arc::clone(hook), notice.body(config.kind).to_string());
            let about = notice.about().to_owned();
            tokio::spawn(async move { hook.tell(&about, &body).await });
        }
    }
    Ok(())
}

/// Requests for approval.
async fn requests(desk: &Desk, now: Timestamp) -> Result<Vec<Waiting>, StoreError> {
    let journals = desk.pipeline.store.waiting().await?;
    let lives = journals.into_iter().filter_map(|journal| Life::resume(journal).ok());
    let waiting = lives.filter_map(|life| {
        let parked = life.state().parked()?;
        let (proposal, roles) = (parked.proposal(), words::roles(parked));
        let stage = stage(proposal.at(), proposal.expires_at(), now);
        Some(Waiting {
            id: proposal.id().to_string(),
            tenant: proposal.asked().subject.tenant.clone(),
            notice: Notice::request(parked, stage, &desk.origin),
            roles,
            stage,
        })
    });
    Ok(waiting.collect())
}

/// Matters that nobody has taken; one that is given back is told of anew.
async fn matters(desk: &Desk, now: Timestamp) -> Result<Vec<Waiting>, StoreError> {
    let query =
        EscalationQuery { stand: Stand::Untaken, limit: MOST, ..EscalationQuery::default() };
    let open = desk.pipeline.store.escalations(query).await?;
    let waiting = open.into_iter().map(|matter| {
        let stage = untaken(matter.case.at, now);
        Waiting {
            id: matter.case.id.to_string(),
            tenant: matter.case.tenant.clone(),
            roles: Vec::new(),
            stage,
            notice: Notice::matter(&matter.case, stage),
        }
    });
    Ok(waiting.collect())
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

fn untaken(from: Timestamp, now: Timestamp) -> Stage {
    match now.duration_since(from).as_hours() {
        24.. => Stage::Escalation,
        1.. => Stage::Reminder,
        _ => Stage::Waits,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

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

    #[test]
    fn a_matter_that_nobody_takes_is_told_of_again() {
        let from = Timestamp::UNIX_EPOCH;
        for (seconds, expected) in [
            (-60, Stage::Waits),
            (3599, Stage::Waits),
            (3600, Stage::Reminder),
            (86_399, Stage::Reminder),
            (86_400, Stage::Escalation),
        ] {
            let now = from + SignedDuration::from_secs(seconds);
            assert_eq!(untaken(from, now), expected, "{seconds}");
        }
    }

    #[test]
    fn a_receiver_of_some_roles_hears_of_a_matter_that_nobody_takes_in_a_day() {
        let config = |more: &str| -> NotifyConfig {
            serde_saphyr::from_str(&format!("{{ url: \"https://h\", kind: json, {more} }}"))
                .unwrap()
        };
        let (leads, lead) = (config("roles: [lead]"), ["lead".to_owned()]);
        assert!(leads.wants("shop", &lead, Stage::Waits));
        assert!(!leads.wants("shop", &[], Stage::Reminder));
        assert!(leads.wants("shop", &[], Stage::Escalation));
        let shop = config("tenant: shop");
        assert!(shop.wants("shop", &[], Stage::Waits) && !shop.wants("other", &lead, Stage::Waits));
    }

    #[test]
    fn no_notice_shows_where_it_goes() {
        let config: NotifyConfig =
            serde_saphyr::from_str("{ url: \"https://h/T0P\", kind: slack }").unwrap();
        assert!(!format!("{config:?}").contains("T0P"));
    }
}
