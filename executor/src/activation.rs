//! At start: what was found beside what is activated (NO ONE HOLDS THE WHOLE PEN).
//!
//! ```text
//! found ──▶ same as active ──▶ run
//!      └──▶ changed ──signed by enough operators of the ACTIVE policy──▶ activated, run
//!                └──▶ else: a pack's tools refuse, everything else keeps it from starting
//! ```
//!
//! The first start activates what it finds: somebody has to begin.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use countersign_core::activation::{Active, Change, Part, ROLE};
use countersign_core::contract::Catalog;
use countersign_core::contract::load::digest as files_digest;
use countersign_core::digest;
use countersign_core::policy::{self, Policy, load};
use countersign_core::seal::{self, Leaf};
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{self, Changer};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::config::Config;
use crate::console::Trusted;
use crate::metrics::{Metrics, Tally};
use crate::packs::read_dir;
use crate::ports::{Activation, Files, Store, StoreError};

/// Folder of signed requests, below the state folder.
pub const FOLDER: &str = "activations";
/// Largest request, in bytes.
const LARGEST: u64 = 64 * 1024;

/// What the configuration would have the executor run with.
#[derive(Debug, Clone)]
pub struct Found {
    /// Digest by part.
    pub parts: BTreeMap<Part, String>,
    /// The policy bundle's files.
    pub bundle: BTreeMap<String, String>,
    /// The packs' files, by digest.
    pub packs: BTreeMap<String, Files>,
    /// Who decides who signs in to the console: what was digested, and nothing later.
    pub trusted: Trusted,
}

impl Found {
    /// Digests everything that takes effect by activation.
    ///
    /// # Errors
    /// A file that cannot be read, or that changes meanwhile.
    pub fn read(config: &Config, catalog: &Catalog, policy: &Policy) -> anyhow::Result<Self> {
        let shown = config.policy.display();
        let bundle = read_dir(&config.policy).with_context(|| format!("cannot read {shown}"))?;
        let again = load::policy(&bundle, None).policy;
        if again.as_ref().map(Policy::digest) != Some(policy.digest()) {
            bail!("{shown} was changed while it was read: start again");
        }
        let trusted = Trusted::read(&config.sign_in)?;
        let mut parts = BTreeMap::from([
            (Part::Policy, policy.digest().to_owned()),
            (Part::Issuers, issuers(config, &trusted)?),
            (Part::Egress, egress(config)?),
        ]);
        let packs = catalog.packs.values();
        parts.extend(packs.map(|pack| (Part::Pack(pack.name.clone()), pack.digest.clone())));
        Ok(Self { parts, bundle, packs: pack_files(config, catalog)?, trusted })
    }
}

/// Every pack's files, as they are when they have the digest that was loaded.
fn pack_files(config: &Config, catalog: &Catalog) -> anyhow::Result<BTreeMap<String, Files>> {
    let mut all = BTreeMap::new();
    for dir in &config.packs {
        let shown = dir.display();
        let files = read_dir(dir).with_context(|| format!("cannot read {shown}"))?;
        let digest = files_digest(&files);
        if !catalog.packs.values().any(|pack| pack.digest == digest) {
            bail!("{shown} was changed while it was read: start again");
        }
        all.insert(digest, files);
    }
    Ok(all)
}

/// Who may speak, for whom: the sections as they are written, and every key file.
fn issuers(config: &Config, trusted: &Trusted) -> anyhow::Result<String> {
    let keys = config.issuers.iter().map(|i| &i.keys);
    let keys = keys.chain(config.frontends.iter().map(|f| &f.keys)).flatten().map(|k| &k.file);
    let authorities = config.issuers.iter().filter_map(|issuer| issuer.ca.as_ref());
    let files = texts(keys.chain(authorities))?;
    let written = |section: &str| config.written.get(section).cloned().unwrap_or_default();
    let mut sections = json!({ "issuers": written("issuers"), "frontends": written("frontends"),
                               "callers": written("callers"), "files": files });
    // Its key says yes for customers, and its mailer decides who gets a link.
    if let (Some(confirm), Some(sections)) = (&config.confirm, sections.as_object_mut()) {
        let public = Json::from(confirm.public_pem()?);
        let authorities = json!(texts(confirm.mailer.ca.iter())?);
        let page = json!({ "confirm": written("confirm"), "key": public, "ca": authorities });
        sections.insert("page".to_owned(), page);
    }
    // Whom it vouches for reads what the console shows.
    if let (Some(sign_in), Some(sections)) =
        (config.written.get("sign_in"), sections.as_object_mut())
    {
        let authorities = json!(trusted.texts());
        sections.insert("sign_in".to_owned(), json!({ "sign_in": sign_in, "ca": authorities }));
    }
    Ok(format!("sha256:{}", digest::of("countersign issuers v1", &sections)))
}

/// Where requests go, with which credential. How many at once is nobody's to sign.
fn egress(config: &Config) -> anyhow::Result<String> {
    let mut connections = config.written.get("connections").cloned().unwrap_or_default();
    for connection in connections.as_array_mut().into_iter().flatten() {
        connection.as_object_mut().map(|settings| settings.remove("limits"));
    }
    let authorities = texts(config.connections.iter().filter_map(|c| c.ca.as_ref()))?;
    // What is told by webhook leaves too.
    let notify = config.written.get("notify").cloned().unwrap_or_default();
    let mut sections =
        json!({ "connections": connections, "authorities": authorities, "notify": notify });
    // So do events.
    if let (false, Some(sections)) = (config.siem.is_empty(), sections.as_object_mut()) {
        let sinks = config.written.get("siem").cloned().unwrap_or_default();
        let authorities = texts(config.siem.iter().filter_map(|sink| sink.http()?.ca.as_ref()))?;
        let events = json!({ "sinks": sinks, "authorities": authorities });
        sections.insert("siem".to_owned(), events);
    }
    Ok(format!("sha256:{}", digest::of("countersign egress v1", &sections)))
}

fn texts<'a>(files: impl Iterator<Item = &'a PathBuf>) -> anyhow::Result<Vec<Json>> {
    let read = |path: &PathBuf| {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    files.map(|path| read(path).map(Json::from)).collect()
}

/// Activates what may be, and answers with the packs that may not run.
///
/// # Errors
/// A changed policy, issuer or egress list that too few have signed; a policy that
/// nobody could ever change again; a store that cannot be used.
pub async fn settle(
    store: &dyn Store,
    found: &Found,
    state: &Path,
    metrics: &Metrics,
    now: Timestamp,
) -> anyhow::Result<BTreeSet<String>> {
    keep(store, found).await?;
    match compare(store, found, state, metrics, now).await {
        // Another executor that started with the same files was faster.
        Err(error) if error.downcast_ref() == Some(&StoreError::Conflict) => {
            compare(store, found, state, metrics, now).await
        }
        compared => compared,
    }
}

/// What was ever active can be looked up by the digest that a receipt names.
async fn keep(store: &dyn Store, found: &Found) -> anyhow::Result<()> {
    let known = store.kept_bundles().await?;
    let before = store.bundle().await?;
    let all = [&before, &found.bundle].into_iter().filter(|files| !files.is_empty());
    for files in all.chain(found.packs.values()) {
        let digest = files_digest(files);
        if !known.contains(&digest) {
            store.keep_bundle(&digest, files.clone()).await?;
        }
    }
    Ok(())
}

async fn compare(
    store: &dyn Store,
    found: &Found,
    state: &Path,
    metrics: &Metrics,
    now: Timestamp,
) -> anyhow::Result<BTreeSet<String>> {
    changeable(&found.bundle)?;
    let active = store.activated().await?;
    if active.is_empty() {
        let leaf = genesis(found, now);
        let tally = metrics.tally(&leaf.receipt);
        store.activate(everything(found, now), vec![leaf]).await?;
        tally.count();
        return Ok(BTreeSet::new());
    }
    let judge = load::policy(&store.bundle().await?, None).policy.ok_or_else(|| {
        anyhow!(
            "the active policy in {} does not load: start the version that activated it",
            state.display()
        )
    })?;
    let mut outcome = Outcome::default();
    let requests = requests(&state.join(FOLDER))?;
    for (part, digest) in &found.parts {
        let change = Change { part, active: active.get(part), found: digest };
        if change.old() != digest {
            outcome.weigh(&change, &judge, &requests, found, now);
        }
    }
    if !outcome.problems.is_empty() {
        bail!("{}", outcome.problems.join("\n"));
    }
    if !outcome.activated.is_empty() {
        let leaves = outcome.leaves.iter();
        let tallies: Vec<_> = leaves.map(|leaf| metrics.tally(&leaf.receipt)).collect();
        store.activate(outcome.activated, outcome.leaves).await?;
        tallies.into_iter().for_each(Tally::count);
    }
    Ok(outcome.inactive)
}

/// What is to become of the changed parts.
#[derive(Default)]
struct Outcome {
    activated: Vec<Activation>,
    leaves: Vec<Leaf>,
    inactive: BTreeSet<String>,
    problems: Vec<String>,
}

impl Outcome {
    fn weigh(
        &mut self,
        change: &Change<'_>,
        judge: &Policy,
        requests: &[String],
        found: &Found,
        now: Timestamp,
    ) {
        let needed = judge.settings().activation.needed(change.part.kind()) as usize;
        let by = change.signed(requests, judge.people(), now);
        if operators(judge) == 0 {
            tracing::warn!(part = %change.part, old = change.old(), new = change.found,
                "changed by configuration alone: the active policy names no operator who could sign");
            let reason = "by configuration alone: the active policy named no operator";
            self.activate(change, reason, Vec::new(), found, now);
        } else if by.len() >= needed {
            self.activate(change, "", by, found, now);
        } else {
            let problem = unsigned(change, by.len(), needed);
            match change.part {
                Part::Pack(name) => {
                    tracing::error!("{problem}");
                    self.inactive.insert(name.clone());
                }
                Part::Policy | Part::Issuers | Part::Egress => self.problems.push(problem),
            }
        }
    }

    fn activate(
        &mut self,
        change: &Change<'_>,
        reason: &str,
        by: Vec<Changer>,
        found: &Found,
        now: Timestamp,
    ) {
        let (old, new) = (change.old().to_owned(), change.found.to_owned());
        let what = change.part.to_string();
        let (reason, note) = (reason.to_owned(), String::new());
        let receipt = receipt::Change { what, old, new, reason, by, note };
        self.leaves.push(seal::changed(receipt, &fresh(), now));
        self.activated.push(activation(change.part, change.found, found, now));
    }
}

fn unsigned(change: &Change<'_>, have: usize, needed: usize) -> String {
    let (part, old, new) = (change.part, change.old(), change.found);
    let old = if old.is_empty() { "not activated yet" } else { old };
    format!(
        "{part} is not what was activated: it is {new}, active is {old}; {have} of {needed} \
         operators signed the change. Put it back, or let each run `countersign activate \
         --config executor.yaml --part {part} --by PERSON --key FILE`, then start again"
    )
}

fn everything(found: &Found, now: Timestamp) -> Vec<Activation> {
    found.parts.iter().map(|(part, digest)| activation(part, digest, found, now)).collect()
}

fn activation(part: &Part, digest: &str, found: &Found, now: Timestamp) -> Activation {
    let bundle = (*part == Part::Policy).then(|| found.bundle.clone());
    let active = Active { digest: digest.to_owned(), at: now };
    Activation { part: part.clone(), active, bundle }
}

fn genesis(found: &Found, now: Timestamp) -> Leaf {
    let lines: Vec<_> = found.parts.iter().map(|(part, new)| format!("{part} {new}")).collect();
    let change = receipt::Change {
        what: "genesis".to_owned(),
        old: String::new(),
        new: lines.join("\n"),
        reason: "activated as found at the first start".to_owned(),
        by: Vec::new(),
        note: String::new(),
    };
    seal::changed(change, &fresh(), now)
}

fn fresh() -> ReceiptId {
    ReceiptId::from_uuid(Uuid::now_v7())
}

/// Whether what is found could be changed again; a policy under which one alone may is told.
fn changeable(bundle: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let Some(policy) = load::policy(bundle, None).policy else { return Ok(()) };
    if operators(&policy) == 0 {
        tracing::warn!(
            "the policy names nobody with role `{ROLE}`: whoever can write the configuration \
             changes policy, packs, issuers and egress alone"
        );
    }
    signable(&policy)
}

/// Whether a policy names as many operators as it asks signatures of, or none at all.
///
/// # Errors
/// A policy that could never be changed again.
pub fn signable(policy: &Policy) -> anyhow::Result<()> {
    let all =
        [policy::Part::Policy, policy::Part::Pack, policy::Part::Issuers, policy::Part::Egress];
    let most = all.map(|part| policy.settings().activation.needed(part)).into_iter().max();
    let (most, have) = (most.unwrap_or_default(), operators(policy));
    if have > 0 && have < most as usize {
        bail!(
            "the policy asks for {most} signatures (`activation` in settings.yaml) and names \
             {have} with role `{ROLE}`: nobody could change it again. Name more, or ask for less"
        );
    }
    Ok(())
}

fn operators(policy: &Policy) -> usize {
    policy.people().iter().filter(|person| person.roles.contains(ROLE)).count()
}

/// Signed requests in a folder; none where it is not there.
///
/// # Errors
/// When it cannot be read.
pub fn requests(folder: &Path) -> anyhow::Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let shown = || format!("cannot read {}", folder.display());
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).with_context(shown)? {
        let path = entry.with_context(shown)?.path();
        let small = fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST);
        if small && path.extension().is_some_and(|end| end == "jws") {
            all.push(fs::read_to_string(&path).with_context(shown)?.trim().to_owned());
        }
    }
    Ok(all)
}
