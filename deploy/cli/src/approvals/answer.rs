//! A signed yes or no: over the digest of the card as it was shown (A YES IS SHOWN AND SIGNED).

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};

use anyhow::{bail, ensure};
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_proto::v1::{Action, AnswerRequestRequest, ApprovalRequest};
use countersign_shared::attest::{AUDIENCE, ApprovalClaims, ApprovalType, Decision, card_digest};
use jiff::Timestamp;
use serde_json::json;

use super::{get, page};
use crate::chat::jws::Signer;
use crate::remote::{ExecutorArgs, timed};
use crate::signer::{SignerArgs, VALID};
use crate::text::{one_line, printable};

/// What `approvals approve` and `approvals reject` take.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The proposals: `prp_…`. Each is shown, asked about and signed by itself.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Who you are: your `id` in people.yaml.
    #[arg(long = "as", value_name = "PERSON")]
    person: String,
    #[command(flatten)]
    signer: SignerArgs,
    /// In which role you answer. Needed only where several are waited for.
    #[arg(long)]
    role: Option<String>,
    /// Why; goes into the receipt.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Sign without asking.
    #[arg(long)]
    yes: bool,
    /// Print what came of it as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    executor: ExecutorArgs,
}

/// Answers each request in turn. One that cannot be answered keeps none of the others
/// from it.
pub(super) async fn give(args: &Args, decision: Decision) -> anyhow::Result<()> {
    let signer = args.signer.open()?;
    let [id] = args.ids.as_slice() else {
        let mut failed = 0;
        for id in &args.ids {
            if let Err(error) = one(args, id, decision, &signer).await {
                failed += 1;
                writeln!(io::stderr(), "{}: {error:#}", one_line(id))?;
            }
        }
        ensure!(failed == 0, "{failed} of {} were not answered", args.ids.len());
        return Ok(());
    };
    one(args, id, decision, &signer).await
}

/// Shows the request, asks, signs, sends, and says what came of it.
async fn one(args: &Args, id: &str, decision: Decision, signer: &Signer) -> anyhow::Result<()> {
    let request = get(&args.executor, id).await?;
    let shown = &mut io::stderr().lock();
    page::write(shown, &request)?;
    if !args.yes && !agreed(shown, &mut io::stdin().lock(), args, decision)? {
        bail!("nothing was signed");
    }
    let claims = claims(args, id, decision, &request, Timestamp::now())?;
    let jws = signer.sign(&claims)?;
    let answer = timed(AnswerRequestRequest { proposal_id: id.to_owned(), jws });
    let answer = ApprovalsClient::new(args.executor.channel()?).answer_request(answer).await;
    let action = match answer {
        Ok(answer) => answer.into_inner().action.unwrap_or_default(),
        Err(status) if decision == Decision::Reject && rejected(&status) => {
            return said(args, "Rejected. The customer is told, and nothing was done.");
        }
        Err(status) => return Err(args.executor.refused(&status)),
    };
    tell(args, &action)
}

/// Asks at the terminal; only a whole yes is one.
fn agreed(
    out: &mut impl Write,
    terminal: &mut impl BufRead,
    args: &Args,
    decision: Decision,
) -> io::Result<bool> {
    let verb = match decision {
        Decision::Approve => "approve",
        Decision::Reject => "reject",
    };
    write!(out, "\nSign as {} that you {verb} this? Type yes: ", one_line(&args.person))?;
    out.flush()?;
    let mut line = String::new();
    terminal.read_line(&mut line)?;
    Ok(line.trim().eq_ignore_ascii_case("yes"))
}

fn claims(
    args: &Args,
    id: &str,
    decision: Decision,
    request: &ApprovalRequest,
    now: Timestamp,
) -> anyhow::Result<ApprovalClaims> {
    let card = request.card.clone().unwrap_or_default();
    ensure!(card.proposal_id == id, "the executor showed another request than {id}");
    ensure!(
        printable(&card.text) == card.text,
        "the card holds characters that a terminal cannot show: nothing was signed"
    );
    Ok(ApprovalClaims {
        typ: ApprovalType::Approval,
        iss: args.signer.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: args.person.clone(),
        proposal: card.proposal_id.clone(),
        card: card_digest(&card.proposal_id, &card.commitment, &card.text),
        decision,
        role: role(args, request)?,
        reason: args.reason.clone(),
        iat: now.as_second(),
        exp: now.as_second() + VALID,
    })
}

/// The role that was given, or the only one that is waited for.
fn role(args: &Args, request: &ApprovalRequest) -> anyhow::Result<String> {
    let waited: BTreeSet<&str> = request.missing.iter().map(|need| need.role.as_str()).collect();
    let only = waited.first().filter(|_| waited.len() == 1);
    match (&args.role, only) {
        (Some(role), _) => Ok(role.clone()),
        (None, Some(role)) => Ok((*role).to_owned()),
        (None, None) => {
            let list: Vec<_> = waited.into_iter().map(one_line).collect();
            bail!("say in which role you answer: --role {}", list.join(" or --role "))
        }
    }
}

/// A no ends the action; the executor answers it as the refusal that it becomes.
fn rejected(status: &tonic::Status) -> bool {
    countersign_shared::refusal::Refusal::from_status(status)
        .is_some_and(|refusal| refusal.code == "APPROVAL_REJECTED")
}

fn tell(args: &Args, action: &Action) -> anyhow::Result<()> {
    if args.json {
        let (state, outcome) = (action.state().as_str_name(), action.outcome().as_str_name());
        let all = json!({ "action_id": action.action_id, "state": state, "outcome": outcome,
            "code": action.code, "said": action.said, "receipt_id": action.receipt_id });
        writeln!(io::stdout().lock(), "{all}")?;
        return Ok(());
    }
    if action.receipt_id.is_empty() {
        return said(args, "Counted. It waits for others, or is under way.");
    }
    let (receipt, words) = (one_line(&action.receipt_id), printable(&action.said));
    said(args, &format!("Receipt {receipt}. The customer is told: {words}"))
}

fn said(args: &Args, text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({ "outcome": "OUTCOME_REFUSED", "code": "APPROVAL_REJECTED" }))?;
    } else {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_proto::v1::{ApprovalNeed, Card};

    use super::*;
    use crate::signer::parsed;

    fn args(more: &[&str]) -> Args {
        parsed("prp_1", more).unwrap()
    }

    fn request(text: &str, roles: &[&str]) -> ApprovalRequest {
        let need = |role: &&str| ApprovalNeed { role: (*role).to_owned(), why: String::new() };
        let card = Card {
            proposal_id: "prp_1".into(),
            text: text.into(),
            commitment: "ab".into(),
            expires_at: None,
        };
        let missing = roles.iter().map(need).collect();
        ApprovalRequest { card: Some(card), missing, ..ApprovalRequest::default() }
    }

    fn signed(args: &Args, request: &ApprovalRequest) -> anyhow::Result<ApprovalClaims> {
        claims(args, "prp_1", Decision::Approve, request, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_is_signed_is_the_card_that_was_shown() {
        let shown = request("Refund USD 5.00?", &["finance"]);
        let claims = signed(&args(&[]), &shown).unwrap();
        assert_eq!(claims.card, card_digest("prp_1", "ab", "Refund USD 5.00?"));
        assert_eq!((claims.sub.as_str(), claims.role.as_str()), ("alice", "finance"));
        let hidden = request("Refund USD 5.00?\u{202e}", &["finance"]);
        assert!(signed(&args(&[]), &hidden).unwrap_err().to_string().contains("cannot show"));
        let mut other = shown;
        other.card.as_mut().unwrap().proposal_id = "prp_2".into();
        assert!(signed(&args(&[]), &other).is_err());
    }

    #[test]
    fn a_role_is_asked_for_only_where_several_are_waited_for() {
        let two = request("t", &["finance", "support_lead", "finance"]);
        let why = signed(&args(&[]), &two).unwrap_err().to_string();
        assert!(why.contains("--role finance or --role support_lead"), "{why}");
        assert_eq!(signed(&args(&["--role", "finance"]), &two).unwrap().role, "finance");
        let same = request("t", &["finance", "finance"]);
        assert_eq!(signed(&args(&[]), &same).unwrap().role, "finance");
    }

    #[test]
    fn only_a_whole_yes_signs() {
        for (typed, yes) in [("yes\n", true), ("YES", true), ("y\n", false), ("", false)] {
            let mut out = Vec::new();
            let answer = agreed(&mut out, &mut typed.as_bytes(), &args(&[]), Decision::Reject);
            assert_eq!(answer.unwrap(), yes, "{typed:?}");
            assert!(String::from_utf8(out).unwrap().contains("alice that you reject"));
        }
    }
}
