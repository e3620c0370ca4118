//! `countersign activate`: signs a change of what the executor runs with.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail, ensure};
use countersign_core::activation::{Change, Part, ROLE, signed};
use countersign_core::policy::{Person, Policy, load};
use countersign_executor::activation::{FOLDER, Found};
use countersign_executor::config::Config;
use countersign_executor::{packs, policy, store};
use countersign_shared::attest::{AUDIENCE, ActivationClaims, ActivationType};
use jiff::Timestamp;

use crate::chat::jws::Signer;
use crate::command::OK;
use crate::ed25519;

const HELP: &str = "\
Policy, packs, issuers and egress take effect by their digest. After a change the executor runs only
once as many operators have signed as the ACTIVE policy asks for (`activation` in its settings.yaml).
An operator is a person of the ACTIVE policy's people.yaml with role `operator`.

Example, for a changed policy that two have to sign:
  countersign activate --config executor.yaml --part policy --by alice --key alice.key \\
      --reason \"refunds up to 50 without approval\"
  countersign activate --config executor.yaml --part policy --by bob --key bob.key
Then start the executor again.";

/// What `activate` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The executor's configuration, with the change in it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What changed: policy, pack/NAME, issuers or egress.
    #[arg(long)]
    part: Part,
    /// Who you are: your `id` in people.yaml of the active policy.
    #[arg(long, value_name = "PERSON")]
    by: String,
    /// Your private key: Ed25519, PKCS#8 PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Why; goes into the receipt.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Writes a signed request into the state folder.
///
/// # Errors
/// When nothing changed, the person may not sign, or a file cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let found = found(&config)?;
    let digest = found.parts.get(&args.part);
    let digest = digest.ok_or_else(|| anyhow!("{} is not in the configuration", args.part))?;
    let place = store::place(&config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (active, bundle) = runtime
        .block_on(store::activated(&config))
        .with_context(|| format!("cannot read {place}: start the executor once"))?;
    let change = Change { part: &args.part, active: active.get(&args.part), found: digest };
    ensure!(change.old() != digest, "{} is active as it is: nothing to sign", args.part);
    let judge = load::policy(&bundle, None).policy;
    let judge = judge.ok_or_else(|| anyhow!("the active policy in {place} does not load"))?;
    let part = args.part.to_string();
    let signed = Signed {
        change: (&part, change.old(), digest),
        since: change.active.map(|active| active.at),
        by: &args.by,
        key: &args.key,
        reason: &args.reason,
    };
    let file = sign(&signed, &judge, &config)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: {} → {digest}, signed by {}.", args.part, change.old(), args.by)?;
    let needed = judge.settings().activation.needed(args.part.kind());
    writeln!(out, "It is in {}; the active policy asks for {needed}.", file.display())?;
    writeln!(out, "Once they are there, start the executor again.")?;
    Ok(ExitCode::from(OK))
}

fn found(config: &Config) -> anyhow::Result<Found> {
    let catalog = packs::load(&config.packs).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the packs do not load:\n{}", lines.join("\n"))
    })?;
    let policy = policy::load(&config.policy, &catalog)?;
    Found::read(config, &catalog, &policy)
}

/// What a person signs.
pub(crate) struct Signed<'a> {
    /// What changes, as it is, as it is to be.
    pub(crate) change: (&'a str, &'a str, &'a str),
    /// When it last changed: an older signature does not count.
    pub(crate) since: Option<Timestamp>,
    /// Who: an `id` in people.yaml.
    pub(crate) by: &'a str,
    /// Their private key.
    pub(crate) key: &'a Path,
    /// Why.
    pub(crate) reason: &'a str,
}

/// Signs as an operator of the active policy, and puts the request into the state folder.
///
/// # Errors
/// When the person may not sign, or a file cannot be used.
pub(crate) fn sign(what: &Signed<'_>, judge: &Policy, config: &Config) -> anyhow::Result<PathBuf> {
    let now = Timestamp::now();
    let key = ed25519::read(what.key)?;
    let person = person(what.by, judge, now)?;
    let (part, old, new) = what.change;
    let claims = ActivationClaims {
        typ: ActivationType::Activation,
        iss: person.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: person.id.clone(),
        part: part.to_owned(),
        old: old.to_owned(),
        new: new.to_owned(),
        reason: what.reason.to_owned(),
        iat: now.as_second(),
    };
    // Under the name that the active policy has for this key: the one that counts.
    for kid in person.keys.keys() {
        let jws = Signer::new(key.clone(), kid).sign(&claims)?;
        let only = std::slice::from_ref(&jws);
        if !signed(what.change, what.since, only, judge.people(), now).is_empty() {
            return write(config, &claims, &jws);
        }
    }
    bail!("{} is none of the keys of {} in the active policy", what.key.display(), what.by)
}

fn person<'p>(by: &str, judge: &'p Policy, now: Timestamp) -> anyhow::Result<&'p Person> {
    let person = judge.people().get(by);
    let person = person.ok_or_else(|| anyhow!("the active policy names nobody `{by}`"))?;
    if !judge.people().roles(person, now).contains(ROLE) {
        bail!("{by} has no role `{ROLE}` in the active policy");
    }
    Ok(person)
}

fn write(config: &Config, claims: &ActivationClaims, jws: &str) -> anyhow::Result<PathBuf> {
    let folder = config.state.join(FOLDER);
    let mut make = fs::DirBuilder::new();
    make.recursive(true).mode(0o700);
    make.create(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let part = claims.part.replace('/', "-");
    let file = folder.join(format!("{part}-{}-{}.jws", claims.sub, claims.iat));
    fs::write(&file, format!("{jws}\n"))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
