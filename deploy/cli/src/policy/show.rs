//! `policy show`: per tool, in plain words, who may do what, how far it goes by itself,
//! within which limits, and who approves.

use std::collections::BTreeSet;
use std::io::{self, Write};

use countersign_core::contract::{Body, Catalog, Confirm, Contract, WriteBody};
use countersign_core::policy::{Limit, Mode, Policy, Question, Verb};
use countersign_core::subject::{Kind, Strength, Subject};
use countersign_executor::policy;
use jiff::Timestamp;

use super::{Args, catalog};
use crate::text::one_line;

const STRENGTHS: &[(Strength, &str)] = &[
    (Strength::Asserted, "asserted"),
    (Strength::Matched, "matched"),
    (Strength::SignedIn, "signed in"),
    (Strength::Strong, "strong"),
];

/// Prints every tool; true where the policy loads.
pub(super) fn run(args: &Args, out: &mut impl Write) -> anyhow::Result<bool> {
    let catalog = catalog(&args.packs)?;
    print(out, &policy::load(&args.dir, &catalog)?, &catalog)?;
    Ok(true)
}

/// Every tool, and who approves.
pub(crate) fn print(out: &mut impl Write, policy: &Policy, catalog: &Catalog) -> io::Result<()> {
    let now = Timestamp::now();
    writeln!(out, "policy {}", policy.digest())?;
    writeln!(out, "Who may: asked without an amount, a channel or a segment; see policy.cedar.\n")?;
    for contract in catalog.tools.values().filter(|contract| contract.listed) {
        tool(out, policy, contract, now)?;
    }
    people(out, policy, now)
}

fn tool(
    out: &mut impl Write,
    policy: &Policy,
    contract: &Contract,
    now: Timestamp,
) -> io::Result<()> {
    let (what, verbs) = match &contract.body {
        Body::Read(_) => ("read", [Verb::Read].as_slice()),
        Body::Write(_) => ("write", [Verb::Propose, Verb::Execute, Verb::Confirm].as_slice()),
    };
    writeln!(out, "{} ({what}): {}", contract.tool, one_line(&contract.summary))?;
    let scope = format!("{}:{what}", contract.pack.name);
    let asked = [
        ("customers", Kind::Customer, BTreeSet::new()),
        ("staff", Kind::Staff, BTreeSet::new()),
        (&*format!("staff with {scope}"), Kind::Staff, BTreeSet::from([scope.clone()])),
    ];
    for (who, kind, scopes) in asked {
        let may = verbs.iter().map(|verb| {
            let when = STRENGTHS.iter().filter(|(strength, _)| {
                // What the contract asks of a subject, the policy cannot give away.
                if !contract.open_to.contains(&kind) || *strength < contract.strength {
                    return false;
                }
                let subject = subject(kind, &scopes, *strength, now);
                policy.ask(&question(*verb, &subject, contract, now)).is_ok()
            });
            (verb.name(), when.map(|(_, word)| *word).collect::<Vec<_>>())
        });
        writeln!(out, "  {who:<26} {}", said(&may.collect::<Vec<_>>()))?;
    }
    if let Body::Write(write) = &contract.body {
        writeln!(out, "  {:<26} {}", "mode", modes(policy, &contract.tool))?;
        writeln!(out, "  {:<26} {}", "yes of", yeses(write))?;
        for limit in policy.limits(&contract.tool) {
            writeln!(out, "  {:<26} {}", "limit", limited(limit))?;
        }
    }
    writeln!(out)
}

/// `propose, execute when signed in or strong`; verbs with the same answer together.
fn said(may: &[(&str, Vec<&str>)]) -> String {
    let mut parts: Vec<(Vec<&str>, &Vec<&str>)> = Vec::new();
    for (verb, when) in may.iter().filter(|(_, when)| !when.is_empty()) {
        match parts.iter_mut().find(|(_, other)| *other == when) {
            Some((verbs, _)) => verbs.push(verb),
            None => parts.push((vec![verb], when)),
        }
    }
    let parts = parts.iter().map(|(verbs, when)| {
        if when.len() == STRENGTHS.len() {
            return format!("{} always", verbs.join(", "));
        }
        format!("{} when {}", verbs.join(", "), when.join(" or "))
    });
    let text = parts.collect::<Vec<_>>().join("; ");
    if text.is_empty() { "nothing".to_owned() } else { text }
}

/// Whose yes the contract itself asks for, whatever the mode.
fn yeses(write: &WriteBody) -> String {
    let customer = match write.confirm {
        Confirm::Customer => "the customer",
        Confirm::None => "nobody",
    };
    let over = write.approve.iter().map(|threshold| {
        let amounts: Vec<_> = threshold.over.values().map(ToString::to_string).collect();
        format!("{} over {}", threshold.by.join(" and "), amounts.join(" or "))
    });
    [customer.to_owned()].into_iter().chain(over).collect::<Vec<_>>().join("; ")
}

/// Lines that speak of the tool, until one that always matches.
fn modes(policy: &Policy, tool: &str) -> String {
    let lines = policy.settings().modes.iter();
    let mut parts = Vec::new();
    for line in lines.filter(|line| line.speaks_of(tool)) {
        let Some(only) = line.only() else {
            parts.push(line.mode.to_string());
            return parts.join("; otherwise ");
        };
        parts.push(format!("{} for {only}", line.mode));
    }
    parts.push(Mode::Shadow.to_string());
    parts.join("; otherwise ")
}

fn limited(limit: &Limit) -> String {
    let amounts: Vec<_> = limit.most.values().map(ToString::to_string).collect();
    let money = (!amounts.is_empty()).then(|| amounts.join(" or "));
    let count = limit.count.map(|count| format!("{count} actions"));
    let most = [money, count].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    format!("at most {most} per {} within {} ({})", limit.per.name(), limit.window(), limit.name)
}

fn people(out: &mut impl Write, policy: &Policy, now: Timestamp) -> io::Result<()> {
    if policy.people().iter().next().is_none() {
        return writeln!(out, "Nobody is in people.yaml: nothing that needs approval can happen.");
    }
    writeln!(out, "Approvers today:")?;
    for person in policy.people().iter() {
        let roles = policy.people().roles(person, now);
        let roles = roles.into_iter().collect::<Vec<_>>().join(", ");
        let holds = match person.absence(now) {
            Some(away) => format!("away until {}; {} stands in", away.to, away.delegate),
            None if roles.is_empty() => "no role".to_owned(),
            None => {
                let tenants: Vec<_> = person.tenants.iter().map(String::as_str).collect();
                let tenants = if tenants.is_empty() { vec!["no tenant"] } else { tenants };
                format!("{roles}, for {}", tenants.join(", "))
            }
        };
        writeln!(out, "  {:<26} {holds}", format!("{} ({})", person.id, one_line(&person.name)))?;
    }
    Ok(())
}

fn question<'a>(
    verb: Verb,
    subject: &'a Subject,
    contract: &'a Contract,
    now: Timestamp,
) -> Question<'a> {
    Question {
        verb,
        subject,
        workload: "",
        channel: "",
        conversation: "",
        contract,
        money: None,
        confidence: 1.0,
        now,
    }
}

fn subject(kind: Kind, scopes: &BTreeSet<String>, strength: Strength, now: Timestamp) -> Subject {
    Subject {
        tenant: String::new(),
        issuer: String::new(),
        id: "somebody".to_owned(),
        signs_as: "somebody".to_owned(),
        claims: std::collections::BTreeMap::new(),
        kind,
        scopes: scopes.clone(),
        segment: String::new(),
        strength,
        verified_at: now,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::testing::{edit, said, shipped};
    use super::run;

    #[test]
    fn a_tool_says_who_how_far_and_how_much() {
        let (_dir, args) = shipped();
        let line = "  - { tools: [\"shopify.*\"], mode: auto }\n";
        let narrow = format!(
            "  - {{ tools: [\"shopify.refund_lines\"], share: 0.1, segment: vip, mode: approve, by: [lead] }}\n{line}"
        );
        edit(&args, "settings.yaml", line, &narrow);
        edit(
            &args,
            "people.yaml",
            "people: []",
            "people: [{ id: a, issuer: d, name: Ann, roles: [lead], tenants: [shop] }]",
        );
        let (text, good) = said(run, &args);
        assert!(good);
        let refund = text.split("\n\n").find(|part| part.starts_with("shopify.refund_l")).unwrap();
        for part in [
            "customers                  propose, execute, confirm when signed in or strong",
            "staff                      nothing",
            "staff with shopify:write   propose, execute, confirm when signed in or strong",
            "mode                       approve by lead for 10 % of the subjects, segment vip; otherwise auto",
            "USD 500.00 per customer within 1d (customer_day)",
            "at most 20 actions per customer within 1h (customer_hour_count)",
        ] {
            assert!(refund.contains(part), "{part}: {refund}");
        }
        assert!(text.contains("a (Ann)                    lead, for shop"), "{text}");
        let any = text.split("\n\n").find(|part| part.starts_with("shopify.find_any")).unwrap();
        assert!(any.contains("customers                  nothing"), "{any}");
        assert!(!text.contains("shopify.match_order"), "no plan can name it");
    }
}
