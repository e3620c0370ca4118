//! `countersign init`: the commented configuration of both services, and what lies beside it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::command::OK;
use crate::text::shell;
use crate::{ed25519, logkey};

const EXECUTOR: &str = include_str!("../init/executor.yaml");
const PLANNER: &str = include_str!("../init/planner.yaml");
const CREDENTIALS: &str = include_str!("../init/CREDENTIALS.txt");
const DEVELOPMENT: &str = include_str!("../init/DEVELOPMENT.txt");
/// As in `executor.yaml`.
const ORIGIN: &str = "shop.example/countersign";
/// As in `planner.yaml`.
const COSIGNER: &str = "shop.example/planner";

/// What `init` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign init ./deployment
  countersign doctor --executor ./deployment/executor.yaml

Nothing that is there already is replaced.")]
pub struct Args {
    /// Folder for the configuration; made if it is not there.
    dir: PathBuf,
}

/// Writes the folder and says what to do next.
///
/// # Errors
/// When one of the files is there already, or cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    write(&args.dir)?;
    let out = &mut io::stdout().lock();
    writeln!(out, "{}", next_steps(&args.dir))?;
    Ok(ExitCode::from(OK))
}

/// Writes the folder.
pub(crate) fn write(dir: &Path) -> anyhow::Result<()> {
    let taken = [
        "executor.yaml",
        "planner.yaml",
        "packs",
        "policy",
        "development",
        "log.key",
        "log.pub",
        "cosign.key",
        "cosign.pub",
    ];
    if let Some(taken) = taken.map(|name| dir.join(name)).into_iter().find(|path| path.exists()) {
        anyhow::bail!("{} is there already: take another folder, or move it away", taken.display());
    }
    make_folder(dir, 0o755)?;
    let closed = ["credentials", "state", "development"].map(|folder| (folder, 0o700));
    for (folder, mode) in closed.into_iter().chain([("keys", 0o755)]) {
        make_folder(&dir.join(folder), mode)?;
    }
    make_file(&dir.join("executor.yaml"), EXECUTOR, 0o644)?;
    make_file(&dir.join("planner.yaml"), PLANNER, 0o644)?;
    make_file(&dir.join("credentials/README.txt"), CREDENTIALS, 0o600)?;
    development_keys(&dir.join("development"))?;
    let key = logkey::generate(ORIGIN)?;
    make_file(&dir.join("log.key"), &key.private_pem, 0o600)?;
    make_file(&dir.join("log.pub"), &format!("{}\n", key.public), 0o644)?;
    let cosigner = logkey::cosigner(COSIGNER)?;
    make_file(&dir.join("cosign.key"), &cosigner.private_pem, 0o600)?;
    make_file(&dir.join("cosign.pub"), &format!("{}\n", cosigner.public), 0o644)?;
    let packs = dir.join("packs");
    countersign_executor::packs::write_shipped(&packs)
        .with_context(|| format!("cannot write the packs to {}", packs.display()))?;
    let policy = dir.join("policy");
    countersign_executor::policy::write_shipped(&policy)
        .with_context(|| format!("cannot write the policy to {}", policy.display()))?;
    Ok(())
}

/// The keys of a sign-in and a chat that `countersign chat` plays.
fn development_keys(dir: &Path) -> anyhow::Result<()> {
    make_file(&dir.join("README.txt"), DEVELOPMENT, 0o600)?;
    for name in ["accounts", "web-chat"] {
        let key = ed25519::generate()?;
        make_file(&dir.join(format!("{name}.key")), &ed25519::private_pem(&key)?, 0o600)?;
        make_file(&dir.join(format!("{name}.pub")), &ed25519::public_pem(&key)?, 0o644)?;
    }
    Ok(())
}

fn make_folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.with_context(|| format!("cannot make the folder {}", path.display()))
}

fn make_file(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn next_steps(dir: &Path) -> String {
    let shown = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let dir = shell(&shown.to_string_lossy());
    format!(
        "\
Wrote {dir}:
  executor.yaml   the executor's configuration, commented
  planner.yaml    the planner's configuration, commented
  packs/          the contracts and connectors that come with Countersign
  policy/         who may do what, in which mode, within which limits, who approves
  credentials/    for the backends' secrets, one file each
  keys/           for the public keys of your sign-in and your chat
  development/    DEVELOPMENT KEYS that play both until then; executor.yaml trusts them
  log.key         signs the log: only the executor's user may read it
  log.pub         checks the log: give it to your auditors, and to the planner
  cosign.key      the planner's own: countersigns what it saw of the log
  cosign.pub      checks that: the executor's, and your auditors'
  state/          journal, receipts and the published log

Next:
  1. Write your own names for shop.example in executor.yaml and planner.yaml. A new `log.origin`
     needs a new first part in log.pub too: `countersign doctor` prints the line.
  2. Make certificates:
       countersign pki init {dir}/pki --trust-domain shop.example
       countersign pki issue --role executor --dir {dir}/pki --out {dir}
       countersign pki issue --role planner  --dir {dir}/pki --out {dir}
       countersign pki issue --role frontend --dir {dir}/pki --out {dir}
     Keep pki/ca.key away from the services; planner/ and cosign.key belong on the planner's
     machine only, together with a copy of log.pub.
  3. Put each backend's secret into credentials/, mode 0600.
  4. Ask what is missing, as often as you like:
       countersign doctor --executor {dir}/executor.yaml
       countersign doctor --planner {dir}/planner.yaml
  5. Start them, each as a user of its own:
       executor --config {dir}/executor.yaml
       planner --config {dir}/planner.yaml
  6. Talk to them, with the names and the claims of a customer of yours:
{}
  7. Before real customers come: put the public keys of your sign-in and your chat into keys/,
     name them in executor.yaml, and delete development/.",
        chat(&dir)
    )
}

/// The line that talks to the deployment as it is laid out.
fn chat(dir: &str) -> String {
    format!(
        "       countersign chat --as customer-1 --claim email=customer1@example.com \\
         --claim customer_id=gid://shopify/Customer/1 \\
         --planner 127.0.0.1:7543 --planner-id spiffe://shop.example/planner --tls {dir}/frontend \\
         --issuer https://accounts.shop.example --audience countersign \\
         --issuer-key {dir}/development/accounts.key --issuer-kid development \\
         --frontend web-chat --frontend-key {dir}/development/web-chat.key \\
         --frontend-kid development"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use countersign_executor::config::Config;
    use countersign_shared::tlog::key::Signer as _;

    use super::*;

    #[test]
    fn what_is_written_loads_and_is_closed_where_it_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("deployment");
        write(&dir).unwrap();
        let config = Config::load(&dir.join("executor.yaml")).unwrap();
        assert_eq!(config.log.origin, ORIGIN);
        for pack in &config.packs {
            assert!(pack.join("connector.yaml").exists(), "{}", pack.display());
        }
        let catalog = countersign_executor::packs::load(&config.packs).unwrap();
        countersign_executor::policy::load(&config.policy, &catalog).unwrap();
        for connection in &config.connections {
            assert_eq!(connection.problems(), []);
        }
        let planner = countersign_planner::config::Config::load(&dir.join("planner.yaml")).unwrap();
        let log = planner.log.unwrap();
        let own = countersign_executor::log::key(&config.log).unwrap();
        assert_eq!(log.keys().unwrap(), [own.verifier_key()]);
        let keys = countersign_executor::log::LogKeys::open(&config.log).unwrap();
        assert_eq!(keys.cosigners().unwrap(), [log.cosigner().unwrap().verifier_key().clone()]);
        let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("credentials"), mode("log.key")), (0o700, 0o600));
        assert_eq!((mode("development"), mode("development/accounts.key")), (0o700, 0o600));
        countersign_executor::log::key(&config.log).unwrap();
    }

    /// Word for word what the files beside it say; the certificate comes from the step before.
    #[test]
    fn the_printed_chat_fits_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("my deployment");
        write(&dir).unwrap();
        let config = Config::load(&dir.join("executor.yaml")).unwrap();
        let planner = countersign_planner::config::Config::load(&dir.join("planner.yaml")).unwrap();
        let [issuer] = config.issuers.as_slice() else { panic!("one issuer") };
        let [frontend] = config.frontends.as_slice() else { panic!("one frontend") };
        let [id] = config.callers.planners.as_slice() else { panic!("one planner") };
        let at = |name: &str| dir.join("development").join(name).display().to_string();
        let flags = [
            ("--planner", planner.listen),
            ("--planner-id", String::from(id.clone())),
            ("--tls", dir.join("frontend").display().to_string()),
            ("--issuer", issuer.issuer.clone()),
            ("--audience", issuer.audience.clone()),
            ("--issuer-key", at("accounts.key")),
            ("--issuer-kid", issuer.keys[0].kid.clone()),
            ("--frontend", frontend.id.clone()),
            ("--frontend-key", at("web-chat.key")),
            ("--frontend-kid", frontend.keys[0].kid.clone()),
        ];
        let printed = next_steps(&dir);
        let quoted = shell(&dir.display().to_string());
        assert!(quoted.starts_with('\''), "{quoted}");
        for (flag, value) in flags {
            let value = value.replace(&dir.display().to_string(), &quoted);
            assert!(printed.contains(&format!("{flag} {value}")), "{flag} {value}: {printed}");
        }
        for claim in &issuer.claims {
            assert!(printed.contains(&format!("--claim {claim}=")), "{claim}: {printed}");
        }
        for (name, keys) in [("accounts", &issuer.keys), ("web-chat", &frontend.keys)] {
            let own = ed25519::read(Path::new(&at(&format!("{name}.key")))).unwrap();
            let public = fs::read_to_string(&keys[0].file).unwrap();
            assert_eq!(public, ed25519::public_pem(&own).unwrap());
        }
    }

    #[test]
    fn nothing_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let before = fs::read(folder.path().join("log.key")).unwrap();
        let error = write(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
        assert_eq!(fs::read(folder.path().join("log.key")).unwrap(), before);
    }

    #[test]
    fn what_the_comments_offer_parses_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("planner.yaml");
        let bare = PLANNER.replace("model:\n  kind: offline\n", "");
        let mut offers = 0;
        for kind in ["openai", "routed"] {
            let model = offered("# model:", |block| block.contains(&format!("kind: {kind}")));
            let chat = offered("# chat:", |_| true);
            fs::write(&file, format!("{bare}{model}{chat}")).unwrap();
            let config = countersign_planner::config::Config::load(&file).unwrap();
            assert_eq!(config.chat.unwrap().frontends.len(), 1);
            assert!(!config.model.servers().is_empty(), "{kind}");
            offers += 1;
        }
        assert_eq!(offers, 2);
    }

    /// The block of a comment that begins so and that `is` is true of.
    fn offered(begin: &str, is: impl Fn(&str) -> bool) -> String {
        let mut blocks = PLANNER.split(begin).skip(1).map(|rest| {
            let lines = rest.lines().skip(1).map_while(|line| line.strip_prefix("#   "));
            let block: String = lines.map(|line| format!("  {line}\n")).collect();
            format!("{}\n{block}", begin.trim_start_matches("# "))
        });
        blocks.find(|block| is(block)).unwrap()
    }
}
