//! `policy check`: every problem at once.

use std::io::Write;

use anyhow::Context;
use countersign_core::contract::problem::Severity;
use countersign_core::policy::load;
use countersign_executor::activation::signable;
use countersign_executor::packs;

use super::{Args, catalog};

/// Prints what is wrong; true where no problem is an error.
pub(super) fn run(args: &Args, out: &mut impl Write) -> anyhow::Result<bool> {
    let dir = args.dir.display();
    let files = packs::read_dir(&args.dir).with_context(|| format!("cannot read {dir}"))?;
    let loaded = load::policy(&files, Some(&catalog(&args.packs)?));
    for problem in &loaded.problems {
        writeln!(out, "{dir}/{problem}")?;
    }
    let errors = loaded.problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = loaded.problems.len() - errors;
    // Each file is right, and the executor does not start with them together.
    let refused = loaded.policy.as_ref().and_then(|policy| signable(policy).err());
    if let Some(why) = &refused {
        writeln!(out, "{dir}/settings.yaml: error: {why}")?;
    }
    let errors = errors + usize::from(refused.is_some());
    writeln!(out, "{errors} errors, {warnings} warnings")?;
    if let Some(policy) = &loaded.policy {
        writeln!(out, "digest {}", policy.digest())?;
    }
    Ok(errors == 0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alone, edit, said, shipped};
    use super::run;

    #[test]
    fn a_policy_that_the_executor_would_not_start_with_is_an_error() {
        let (_dir, args) = shipped();
        alone(&args);
        let (text, good) = said(run, &args);
        assert!(!good && text.contains("settings.yaml: error: the policy asks for 2"), "{text}");
        assert!(text.contains("\n1 errors, "), "{text}");
    }

    #[test]
    fn the_shipped_policy_is_clean() {
        let (_dir, args) = shipped();
        let (text, good) = said(run, &args);
        assert!(good && text.starts_with("0 errors, 0 warnings\ndigest sha256:"), "{text}");
    }

    #[test]
    fn all_problems_are_named_with_their_place() {
        let (_dir, args) = shipped();
        edit(&args, "settings.yaml", "mode: auto }", "mode: autoo }");
        edit(&args, "policy.cedar", "principal.strength >= 2 };", "principal.age >= 2 };");
        edit(&args, "tests.yaml", "[\"stripe:write\"]", "stripe");
        let (text, good) = said(run, &args);
        assert!(!good && text.ends_with("3 errors, 0 warnings\n"), "{text}");
        for file in ["settings.yaml", "policy.cedar", "tests.yaml"] {
            let start = format!("{}/{file}:", args.dir.display());
            assert!(text.lines().any(|line| line.starts_with(&start)), "{file}: {text}");
        }
    }
}
