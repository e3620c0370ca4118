//! `countersign activate`: signs a change of what the executor runs with.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail, ensure};
use countersign_core::activation::{Change, Part, ROLE};
use countersign_core::policy::{Person, Policy, load};
use countersign_executor::activation::{FOLDER, Found};
use countersign_executor::config::Config;
use countersign_executor::{packs, policy, store};
use countersign_shared::attest::{AUDIENCE, ActivationClaims, ActivationType};
use ed25519_dalek::SigningKey;
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
    let now = Timestamp::now();
    let key = ed25519::read(&args.key)?;
    let person = person(args, &judge, now)?;
    let claims = ActivationClaims {
        typ: ActivationType::Activation,
        iss: person.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: person.id.clone(),
        part: args.part.to_string(),
        old: change.old().to_owned(),
        new: digest.clone(),
        reason: args.reason.clone(),
        iat: now.as_second(),
    };
    let jws = sign(args, person, &key, &claims, |jws| {
        !change.signed(std::slice::from_ref(jws), judge.people(), now).is_empty()
    })?;
    let file = write(&config, &claims, &jws)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: {} → {digest}, signed by {}.", args.part, change.old(), person.id)?;
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

fn person<'p>(args: &Args, judge: &'p Policy, now: Timestamp) -> anyhow::Result<&'p Person> {
    let person = judge.people().get(&args.by);
    let person = person.ok_or_else(|| anyhow!("the active policy names nobody `{}`", args.by))?;
    if !judge.people().roles(person, now).contains(ROLE) {
        bail!("{} has no role `{ROLE}` in the active policy", args.by);
    }
    Ok(person)
}

/// Under the name that the active policy has for this key: the one that the executor will count.
fn sign(
    args: &Args,
    person: &Person,
    key: &SigningKey,
    claims: &ActivationClaims,
    counts: impl Fn(&String) -> bool,
) -> anyhow::Result<String> {
    for kid in person.keys.keys() {
        let jws = Signer::new(key.clone(), kid).sign(claims)?;
        if counts(&jws) {
            return Ok(jws);
        }
    }
    bail!("{} is none of the keys of {} in the active policy", args.key.display(), args.by)
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
