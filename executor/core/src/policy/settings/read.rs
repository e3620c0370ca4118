//! Reads `settings.yaml` strictly, noting every problem.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::money::{Currency, Money};

use super::{Activation, Open, Settings};
use crate::contract::load::file::File;
use crate::contract::load::section::Section;
use crate::contract::load::yaml::{Kind, Yaml};
use crate::contract::problem::ProblemKind;
use crate::policy::limit::{Limit, Per};
use crate::policy::load::tools;
use crate::policy::mode::{Mode, ModeLine, Share};

const SETTINGS: &[&str] =
    &["modes", "limits", "open", "subject_valid_for", "proposals_live", "activation"];
const MODE: &[&str] = &["tools", "segment", "channel", "share", "mode", "by"];
const LIMIT: &[&str] = &["name", "per", "tools", "within", "most", "count"];
const OPEN: &[&str] = &["per_subject", "per_planner"];
const ACTIVATION: &[&str] = &["default", "policy", "pack", "issuers", "egress"];
/// Most of anything that is counted here.
const MOST: usize = 1_000_000;
/// Most signatures that an activation can ask for.
const MOST_SIGNATURES: usize = 9;

/// The settings; `None` where something in them is wrong, which is noted.
pub(in crate::policy) fn read(file: &File, yaml: &Yaml) -> Option<Settings> {
    let top = Section::open(file, yaml, SETTINGS)?;
    let modes = list(&top, "modes", mode_line);
    let limits = list(&top, "limits", limit);
    names_differ(&top);
    let open = top.need("open").and_then(|yaml| open(file, yaml));
    let subject_valid_for = need_time(&top, "subject_valid_for");
    let proposals_live = need_time(&top, "proposals_live");
    let activation = top.need("activation").and_then(|yaml| activation(file, yaml));
    Some(Settings {
        modes: modes?,
        limits: limits?,
        open: open?,
        subject_valid_for: subject_valid_for?,
        proposals_live: proposals_live?,
        activation: activation?,
    })
}

/// A list that must be there, and may be empty; every item is looked at.
fn list<T>(
    top: &Section<'_>,
    key: &str,
    one: impl Fn(&File, &Yaml) -> Option<T>,
) -> Option<Vec<T>> {
    let items = top.file.list(top.need(key)?)?;
    let all: Vec<_> = items.iter().map(|yaml| one(top.file, yaml)).collect();
    all.into_iter().collect()
}

fn mode_line(file: &File, yaml: &Yaml) -> Option<ModeLine> {
    let line = Section::open(file, yaml, MODE)?;
    let tools = tools(&line);
    let mode = mode(&line);
    let share = match line.get("share") {
        Some(yaml) => Some(share(file, yaml)?),
        None => None,
    };
    let (segment, channel) = (line.text("segment"), line.text("channel"));
    Some(ModeLine {
        tools: tools?,
        segment: segment.map(str::to_owned),
        channel: channel.map(str::to_owned),
        share,
        mode: mode?,
    })
}

fn mode(line: &Section<'_>) -> Option<Mode> {
    let yaml = line.need("mode")?;
    let words = [("shadow", "shadow"), ("approve", "approve"), ("auto", "auto")];
    let word = line.file.choice(yaml, &words)?;
    if word == "approve" {
        return approve(line);
    }
    if let Some(by) = line.get("by") {
        let message = "`by` goes with `mode: approve`";
        return line.file.error(by.at, ProblemKind::WrongValue, message, Some("leave it out"));
    }
    Some(if word == "auto" { Mode::Auto } else { Mode::Shadow })
}

fn approve(line: &Section<'_>) -> Option<Mode> {
    let yaml = line.need("by")?;
    let by: Vec<_> = line.items("by").iter().filter_map(|y| line.file.text(y)).collect();
    if by.is_empty() {
        return line.file.wrong(yaml, "a list of roles such as [support_lead]");
    }
    Some(Mode::Approve { by: by.into_iter().map(str::to_owned).collect() })
}

fn share(file: &File, yaml: &Yaml) -> Option<Share> {
    let number = match yaml.kind {
        Kind::Float(share) => Some(share),
        Kind::Int(1) => Some(1.0),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Text(_)
        | Kind::List(_)
        | Kind::Map(_) => None,
    };
    let share = number.and_then(Share::new);
    share.or_else(|| file.wrong(yaml, "a number above 0 and up to 1, such as 0.10"))
}

fn limit(file: &File, yaml: &Yaml) -> Option<Arc<Limit>> {
    let line = Section::open(file, yaml, LIMIT)?;
    let name = line.need("name").and_then(|y| file.named(y.at, file.text(y)?));
    let per = line.need("per").and_then(|y| file.choice(y, Per::WORDS));
    let tools = tools(&line);
    let within = need_time(&line, "within");
    let most: Option<_> = line
        .entries("most")
        .iter()
        .map(|(currency, y)| amount(file, currency.at, &currency.text, y))
        .collect();
    let count = count(&line, "count", 1, MOST);
    if line.get("most").is_none() && line.get("count").is_none() {
        let message = "a limit says `most`, `count` or both";
        return file.error(line.at, ProblemKind::Missing, message, None);
    }
    let limit = Limit {
        name: name?,
        per: per?,
        tools: tools?,
        within: within?,
        most: most?,
        count: count?,
    };
    Some(limit.into())
}

/// `{ USD: "500.00" }`, one of them.
pub(in crate::policy) fn amount(
    file: &File,
    at: crate::contract::load::yaml::Place,
    currency: &str,
    yaml: &Yaml,
) -> Option<(Currency, Money)> {
    let Ok(currency) = currency.parse::<Currency>() else {
        let message = format!("`{currency}` is not a currency");
        return file.error(at, ProblemKind::WrongValue, message, Some("write it like USD"));
    };
    match Money::parse(file.text(yaml)?, currency) {
        Ok(money) if money.minor() >= 0 => Some((currency, money)),
        Ok(_) => file.wrong(yaml, "an amount of zero or more"),
        Err(error) => file.error(yaml.at, ProblemKind::WrongValue, error, None),
    }
}

/// Two limits of one name would share a tally.
fn names_differ(top: &Section<'_>) {
    let mut seen = BTreeSet::new();
    for yaml in top.items("limits") {
        let name = Section::within(top.file, yaml).and_then(|line| line.get("name"));
        if let Some(yaml) = name
            && let Kind::Text(name) = &yaml.kind
            && !seen.insert(name)
        {
            let message = format!("two limits are called `{name}`");
            let remedy = Some("rename one: the name is the tally's");
            top.file.error::<()>(yaml.at, ProblemKind::WrongValue, message, remedy);
        }
    }
}

fn open(file: &File, yaml: &Yaml) -> Option<Open> {
    let section = Section::open(file, yaml, OPEN)?;
    section.need("per_subject");
    section.need("per_planner");
    let per_subject = count(&section, "per_subject", 1, MOST)?;
    let per_planner = count(&section, "per_planner", 1, MOST)?;
    Some(Open { per_subject: per_subject?, per_planner: per_planner? })
}

fn activation(file: &File, yaml: &Yaml) -> Option<Activation> {
    let section = Section::open(file, yaml, ACTIVATION)?;
    section.need("default");
    let of = |key| count(&section, key, 1, MOST_SIGNATURES);
    let (default, policy, pack) = (of("default"), of("policy"), of("pack"));
    let (issuers, egress) = (of("issuers"), of("egress"));
    let default = default??;
    Some(Activation {
        policy: policy?.unwrap_or(default),
        pack: pack?.unwrap_or(default),
        issuers: issuers?.unwrap_or(default),
        egress: egress?.unwrap_or(default),
    })
}

/// A number that may be left out; the outer `None` where it is wrong.
fn count(section: &Section<'_>, key: &str, least: usize, most: usize) -> Option<Option<u32>> {
    let Some(yaml) = section.get(key) else { return Some(None) };
    let found = section.count(key, most)?;
    if found < least {
        return section.file.wrong(yaml, &format!("a number from {least} to {most}"));
    }
    u32::try_from(found).ok().map(Some)
}

fn need_time(section: &Section<'_>, key: &str) -> Option<Duration> {
    let yaml = section.need(key)?;
    let time = section.duration(key)?;
    if time.is_zero() {
        section.file.wrong(yaml, "a length of time above zero")
    } else {
        Some(time)
    }
}
