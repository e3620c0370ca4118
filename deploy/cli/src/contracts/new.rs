//! `contracts new`: drafts a pack, from nothing or from an OpenAPI description.

mod openapi;
mod page;
mod starter;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use countersign_core::contract::load;
use countersign_core::contract::problem::Severity;

use super::decide::{Decision, decisions};

/// Files of a pack: path inside it, and text.
type Files = BTreeMap<String, String>;

/// `countersign contracts new`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pack's name: small letters, digits and `_`.
    #[arg(value_parser = name)]
    name: String,
    /// The protocol of the draft.
    #[arg(long, value_enum, default_value_t = Kind::Http)]
    kind: Kind,
    /// The folder that the pack's folder is made in.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Draft from this OpenAPI 3.0 or 3.1 description, JSON or YAML.
    #[arg(long, value_name = "FILE", conflicts_with = "kind")]
    from_openapi: Option<PathBuf>,
}

/// The protocols of packs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// REST, JSON or forms.
    Http,
    /// One GraphQL end point.
    Graphql,
}

fn name(text: &str) -> Result<String, String> {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let sound = first && rest && text.len() <= 40;
    if sound {
        Ok(text.to_owned())
    } else {
        Err("use small letters, digits and _, beginning with a letter".to_owned())
    }
}

/// Writes the draft and lists what is to be decided.
pub(super) fn run(args: &Args) -> anyhow::Result<bool> {
    let folder = args.dir.join(&args.name);
    if folder.exists() {
        bail!("{} is there already: take another name, or move it away", folder.display());
    }
    let files = match &args.from_openapi {
        None => starter::files(args.kind, &args.name),
        Some(file) => {
            let text = fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            openapi::draft(&text, &args.name).with_context(|| file.display().to_string())?
        }
    };
    for (path, text) in &files {
        write(&folder.join(path), text)?;
    }
    report(&mut io::stdout().lock(), &folder, &files)?;
    Ok(true)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn report(out: &mut impl Write, folder: &Path, files: &Files) -> io::Result<()> {
    let folder = folder.display();
    writeln!(out, "Wrote {folder}:")?;
    for path in files.keys() {
        writeln!(out, "  {path}")?;
    }
    let decisions = decisions(files);
    if !decisions.is_empty() {
        writeln!(out, "\nTo decide:")?;
    }
    for Decision { file, line, what, .. } in &decisions {
        writeln!(out, "  {folder}/{file}:{line}: {what}")?;
    }
    let errors =
        load::pack(files).problems.iter().filter(|p| p.severity == Severity::Error).count();
    let left = match errors {
        0 => "It loads as it is.".to_owned(),
        1 => "It does not load yet: 1 place is open.".to_owned(),
        n => format!("It does not load yet: {n} places are open."),
    };
    writeln!(out, "\n{left} Next:\n  countersign contracts check {folder}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_name_is_a_packs_name() {
        assert!(name("paybox_2").is_ok());
        for wrong in ["", "Paybox", "2pay", "pay-box", "../x"] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn both_starters_check_clean() {
        for kind in [Kind::Http, Kind::Graphql] {
            let files = starter::files(kind, "acme");
            let problems = load::pack(&files).problems;
            assert!(problems.is_empty(), "{kind:?}: {problems:#?}");
            assert!(super::super::documents::problems(&files).is_empty(), "{kind:?}");
            assert!(files.values().all(|text| !text.contains("PACK")));
        }
    }

    #[test]
    fn everything_to_decide_is_listed() {
        let files = starter::files(Kind::Http, "acme");
        let mut out = Vec::new();
        report(&mut out, Path::new("acme"), &files).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("  acme/connector.yaml:3: what this service is."), "{text}");
        assert!(text.contains("It loads as it is."), "{text}");
    }
}
