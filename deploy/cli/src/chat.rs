//! `countersign chat`: a chat frontend in the terminal, for a deployment of one's own.
//!
//! ```text
//! flags ─▶ Voice (who speaks, keys) ─▶ Frontend ─▶ Talk ─▶ turns, cards, outcomes
//!          Line (planner, TLS) ───────────┘  (signs the token, each message, each yes)
//! ```

pub(crate) mod frontend;
pub(crate) mod jws;
pub(crate) mod talk;
pub(crate) mod voice;

mod remedy;
mod show;
pub(crate) mod yes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use countersign_shared::mtls::SpiffeId;

use crate::command::{FAILED, OK};
use crate::ed25519;
use frontend::{Frontend, Line};
use jws::Signer;
use talk::{Commands, Talk};
use voice::{Issuer, Voice};

/// Claims that a token has of its own.
const OWN_CLAIMS: [&str; 6] = ["iss", "aud", "sub", "iat", "exp", "nbf"];

const HELP: &str = "\
This terminal plays two parts: the sign-in that vouches for the customer, and the chat that signs
each message and each yes. So it needs a key of each, the ones whose public halves executor.yaml
names. For trying out only: whoever holds these keys can speak as any customer.

Where each flag comes from:
  --planner, --planner-id        `listen` in planner.yaml, and the planner's certificate
  --tls                          countersign pki issue --role frontend; `callers` in planner.yaml
  --issuer, --audience           `issuers` in executor.yaml
  --issuer-key, --issuer-kid     the private half of a key there, and its name
  --frontend                     `frontends` in executor.yaml
  --frontend-key, --frontend-kid the private half of a key there, and its name
  --claim                        what the pack compares with: `subject` in its connector.yaml

Example, as `countersign init` prints it for the folder that it made:
  countersign chat --as customer-1 --claim customer_id=c1 --planner 127.0.0.1:7543 \\
    --planner-id spiffe://shop.example/planner --tls deployment/frontend \\
    --issuer https://accounts.shop.example --issuer-key deployment/development/accounts.key \\
    --issuer-kid development --frontend web-chat \\
    --frontend-key deployment/development/web-chat.key --frontend-kid development

In the chat, yes to a card is signed and carries it out; anything else leaves it. With --json each
turn is one JSON object on standard output. Exits with 1 where the planner could not finish a turn.";

/// What `chat` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// Which customer you are: the subject, `sub` of the token.
    #[arg(long = "as", value_name = "SUBJECT")]
    subject: String,
    /// A further claim of the token. Repeatable.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, String)>,
    /// Say this instead of asking at the terminal. Repeatable: one conversation, in order.
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,
    /// Print one JSON object a turn.
    #[arg(long)]
    json: bool,
    /// Address of the planner, `host:port`.
    #[arg(long, value_name = "ADDRESS", help_heading = "Planner")]
    planner: String,
    /// The planner's identity: `spiffe://…`. Nobody else at that address is believed.
    #[arg(long, value_name = "SPIFFE", help_heading = "Planner")]
    planner_id: SpiffeId,
    /// Folder of a frontend's certificate: tls.crt, tls.key, ca.crt.
    #[arg(long, value_name = "DIR", help_heading = "Planner")]
    tls: PathBuf,
    /// Who vouches for the customer: `iss` of the token.
    #[arg(long, value_name = "ISSUER", help_heading = "Sign-in")]
    issuer: String,
    /// For whom the token is: `aud`.
    #[arg(long, value_name = "AUDIENCE", default_value = "countersign", help_heading = "Sign-in")]
    audience: String,
    /// Private key that signs the token: Ed25519, PKCS#8 PEM.
    #[arg(long, value_name = "FILE", help_heading = "Sign-in")]
    issuer_key: PathBuf,
    /// That key's name.
    #[arg(long, value_name = "KID", help_heading = "Sign-in")]
    issuer_kid: String,
    /// Who attests messages and confirmations: `iss` of both.
    #[arg(long, value_name = "ID", help_heading = "Chat")]
    frontend: String,
    /// Private key that signs them: Ed25519, PKCS#8 PEM.
    #[arg(long, value_name = "FILE", help_heading = "Chat")]
    frontend_key: PathBuf,
    /// That key's name.
    #[arg(long, value_name = "KID", help_heading = "Chat")]
    frontend_kid: String,
}

fn claim(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, _)) if OWN_CLAIMS.contains(&name) => {
            Err(format!("`{name}` has a flag of its own, or is the time of signing"))
        }
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        Some(_) | None => Err("write it like customer_id=c1".to_owned()),
    }
}

/// Talks until there is nothing left to say.
///
/// # Errors
/// When a key or certificate cannot be used, or the terminal is gone.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let ended = runtime.block_on(talk(args));
    // A thread may still be reading the terminal; nobody waits for it.
    runtime.shutdown_background();
    Ok(ExitCode::from(if ended? { OK } else { FAILED }))
}

async fn talk(args: Args) -> anyhow::Result<bool> {
    let greeting = format!("You are {}, talking to the planner at {}.", args.subject, args.planner);
    let line = Line { address: args.planner, id: args.planner_id, tls: args.tls };
    let voice = Voice {
        issuer: Issuer {
            name: args.issuer,
            audience: args.audience,
            signer: signer(&args.issuer_key, &args.issuer_kid, "issuers")?,
        },
        frontend: args.frontend,
        signer: signer(&args.frontend_key, &args.frontend_kid, "frontends")?,
        subject: args.subject,
        claims: args.claims.into_iter().collect(),
    };
    let frontend = Frontend::open(&line, voice)?;
    Talk::new(frontend, NoMore, args.json).run(args.say, &greeting).await
}

fn signer(file: &Path, kid: &str, setting: &str) -> anyhow::Result<Signer> {
    let key = ed25519::read(file).with_context(|| {
        format!(
            "no key to sign with: name one whose public half is under `{setting}` in executor.yaml. `openssl genpkey -algorithm ed25519 -out NEW.key` makes one, `openssl pkey -in NEW.key -pubout` prints its public half"
        )
    })?;
    Ok(Signer::new(key, kid))
}

/// A deployment is looked at with the other verbs.
struct NoMore;

impl Commands for NoMore {
    const HELP: &'static str = "  yes         sign the card shown last and have it carried out
  /quit       end the conversation
Anything else is said to the planner.";

    async fn run(&self, _: &str) -> anyhow::Result<Option<String>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_helps_own_example_parses() {
        let (_, example) = HELP.split_once("\n  countersign ").unwrap();
        let (example, _) = example.split_once("\n\n").unwrap();
        let typed = Typed::try_parse_from(example.replace("\\\n", "").split_whitespace());
        let args = typed.map_err(|error| error.to_string()).unwrap().args;
        assert_eq!((args.audience.as_str(), args.claims.len()), ("countersign", 1));
    }

    #[test]
    fn a_claim_is_a_name_and_a_value_and_not_the_tokens_own() {
        assert_eq!(claim("email=a=b").unwrap(), ("email".to_owned(), "a=b".to_owned()));
        for wrong in ["email", "=c1", "email=", "sub=ada", "exp=1"] {
            assert!(claim(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_that_is_missing_is_told_with_how_to_make_it() {
        let error = signer(Path::new("absent.key"), "k", "frontends").err().unwrap();
        let told = format!("{error:#}");
        for part in [
            "openssl genpkey",
            "-out NEW.key",
            "`frontends` in executor.yaml",
            "cannot read absent.key",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
