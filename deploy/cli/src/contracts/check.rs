//! `contracts check`: every problem of packs at once.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use countersign_core::contract::load;
use countersign_core::contract::problem::{Problem, ProblemKind, Severity};
use countersign_executor::config::Config;
use countersign_executor::packs;
use serde::Serialize;
use serde_json::json;

use super::{decide, documents, named};

/// `countersign contracts check`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pack folders.
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Tell also what the connections of this executor.yaml put at risk.
    #[arg(long, value_name = "FILE")]
    connections: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// One pack, checked.
#[derive(Debug, Serialize)]
struct Checked {
    dir: String,
    /// Empty where the connector does not load.
    pack: String,
    tools: usize,
    problems: Vec<Problem>,
}

/// What the connections to the checked packs look like.
#[derive(Debug, Default, Serialize)]
struct Way {
    problems: Vec<String>,
    risks: Vec<String>,
}

/// Prints what is wrong; true where no problem is an error.
pub(super) fn run(args: &Args) -> anyhow::Result<bool> {
    let mut checked = Vec::new();
    for (dir, name) in named(&args.dirs) {
        checked.push(check(dir, name)?);
    }
    let way = match &args.connections {
        Some(file) => connections(file, &checked)?,
        None => Way::default(),
    };
    let out = &mut io::stdout().lock();
    if args.json {
        let tools: usize = checked.iter().map(|c| c.tools).sum();
        writeln!(out, "{:#}", json!({ "tools": tools, "packs": checked, "connections": way }))?;
    } else {
        print(out, &checked, &way)?;
    }
    let errors = errors(&checked);
    Ok(errors == 0 && way.problems.is_empty())
}

fn check(dir: &Path, name: String) -> anyhow::Result<Checked> {
    let files = packs::read_dir(dir).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    let loaded = load::pack(&files);
    let mut problems = loaded.problems;
    problems.extend(documents::problems(&files));
    problems.extend(decide::problems(&files));
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let is_tool = |path: &&String| path.starts_with("contracts/") && path.ends_with(".yaml");
    let tools = files.keys().filter(is_tool).count();
    let pack = loaded.pack.map(|pack| pack.pack.name.clone()).unwrap_or_default();
    Ok(Checked { dir: name, pack, tools, problems })
}

fn connections(file: &Path, checked: &[Checked]) -> anyhow::Result<Way> {
    let config = Config::load(file)?;
    let ours = |pack: &str| checked.iter().any(|c| c.pack == pack);
    let connections = config.connections.iter().filter(|c| ours(&c.pack));
    let mut way = Way::default();
    for connection in connections {
        way.problems.extend(connection.problems().iter().map(ToString::to_string));
        way.risks.extend(connection.risks());
    }
    Ok(way)
}

fn print(out: &mut impl Write, checked: &[Checked], way: &Way) -> io::Result<()> {
    for pack in checked {
        for problem in &pack.problems {
            writeln!(out, "{}", line(&pack.dir, problem))?;
            if let Some(remedy) = &problem.remedy {
                writeln!(out, "  {remedy}")?;
            }
        }
    }
    for problem in &way.problems {
        writeln!(out, "error[connection]: {problem}")?;
    }
    for risk in &way.risks {
        writeln!(out, "risk: {risk}")?;
    }
    writeln!(out, "{}", summary(checked, way))?;
    let open = of_all(checked, |p| p.kind == ProblemKind::Undecided);
    if open > 0 {
        let left = count(open, "place");
        writeln!(out, "{left} left to decide: settle each, then delete its DECIDE comment")?;
    }
    Ok(())
}

fn line(dir: &str, problem: &Problem) -> String {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let kind = json!(problem.kind);
    let kind = kind.as_str().unwrap_or_default();
    let Problem { file, line, column, message, .. } = problem;
    let dir = dir.trim_end_matches('/');
    format!("{dir}/{file}:{line}:{column}: {severity}[{kind}]: {message}")
}

fn summary(checked: &[Checked], way: &Way) -> String {
    let tools = checked.iter().map(|c| c.tools).sum();
    let errors = errors(checked) + way.problems.len();
    let all = checked.iter().map(|c| c.problems.len()).sum::<usize>() + way.problems.len();
    let mut text = format!("{}, {}", count(tools, "tool"), count(all, "problem"));
    if errors < all {
        let warnings = all - errors;
        text.push_str(&format!(" ({}, {})", count(errors, "error"), count(warnings, "warning")));
    }
    if !way.risks.is_empty() {
        text.push_str(&format!(", {}", count(way.risks.len(), "risk")));
    }
    text
}

fn errors(checked: &[Checked]) -> usize {
    of_all(checked, |p| p.severity == Severity::Error)
}

fn of_all(checked: &[Checked], counts: impl Fn(&&Problem) -> bool) -> usize {
    checked.iter().flat_map(|c| &c.problems).filter(counts).count()
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn shipped() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        packs::write_shipped(dir.path()).unwrap();
        dir
    }

    fn report(dir: &Path) -> (String, bool) {
        let checked = [check(dir, "p".to_owned()).unwrap()];
        let mut out = Vec::new();
        print(&mut out, &checked, &Way::default()).unwrap();
        (String::from_utf8(out).unwrap(), errors(&checked) == 0)
    }

    #[test]
    fn the_shipped_pack_has_no_problem() {
        let dir = shipped();
        let (text, good) = report(&dir.path().join("shopify"));
        assert!(good && text.contains("12 tools, 0 problems"), "{text}");
    }

    #[test]
    fn a_problem_is_named_with_its_place_kind_and_remedy() {
        let dir = shipped();
        let pack = dir.path().join("shopify");
        let file = pack.join("contracts/refund_lines.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let line = text.lines().position(|l| l.starts_with("money:")).unwrap() + 1;
        std::fs::write(
            &file,
            text.replace("money: state.quote.amount", "money: state.quote.amuont"),
        )
        .unwrap();
        let (text, good) = report(&pack);
        assert!(!good, "{text}");
        assert!(text.contains(&format!("p/contracts/refund_lines.yaml:{line}:")), "{text}");
        assert!(text.contains("error[unknown_name]") && text.contains("did you mean"), "{text}");
    }

    #[test]
    fn what_a_draft_leaves_open_is_counted_and_placed_and_fails_nothing() {
        let dir = shipped();
        let pack = dir.path().join("shopify");
        let file = pack.join("connector.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        std::fs::write(&file, format!("{text}# DECIDE: who pays?\n# DECIDE: when?\n")).unwrap();
        let (text, good) = report(&pack);
        let place = format!("p/connector.yaml:{}:1: warning[undecided]: who pays?\n", lines + 1);
        assert!(good && text.contains(&place), "{text}");
        assert!(text.contains("2 problems (0 errors, 2 warnings)\n2 places left to"), "{text}");
    }

    #[test]
    fn counts_read_as_a_person_would_say_them() {
        assert_eq!(
            (count(1, "tool"), count(2, "tool")),
            ("1 tool".to_owned(), "2 tools".to_owned())
        );
    }
}
