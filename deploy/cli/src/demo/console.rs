//! The demo's console: where it is, and who signs in to it.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::folder::write_public;

/// Where it listens: one port, because a passkey is used from the address that it was made at.
pub(super) const LISTEN: &str = "127.0.0.1:8445";
/// As what a browser knows it.
pub(super) const URL: &str = "http://localhost:8445";

/// Who is in it, in the state folder and in the policy.
const FILE: &str = "people.yaml";
const NOBODY_YET: &str = "\
# Who signs in to the demo's console. The demo reads it at each start with --console. An auditor
# reads everything and changes nothing. Add no operator here: changes would want signatures then.
people:
  - id: you
    issuer: https://directory.demo.invalid
    name: You
    roles: [auditor]
    tenants: [demo-shop]
    # The lines that /enrol shows come here, each with four spaces before it.
";

/// Puts the people of this state folder into its policy; at first one who has no passkey yet.
pub(super) fn people(state: &Path) -> anyhow::Result<()> {
    let file = state.join(FILE);
    if !file.exists() {
        write_public(&file, NOBODY_YET)?;
    }
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    write_public(&state.join("policy").join(FILE), &text)
}

/// Where it is and how to sign in, for a person.
pub(super) fn told(state: &Path) -> String {
    format!(
        "\
Console: {URL}  (open while this demo runs). The first time, to sign in:
  1. Open {URL}/enrol and make a passkey.
  2. Put the lines that it shows at the end of {}, four spaces further in.
  3. End this demo and start it again, with --console and the same --state.",
        state.join(FILE).display()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_core::contract::Catalog;
    use countersign_executor::policy;

    use super::super::configs::TENANT;
    use super::*;

    /// As `/enrol` shows them, moved in by four.
    const LINES: &str = "    passkeys:
      - id: \"AQID\"
        public_key: \"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEScHa3mXji9qDRIqldTNvh6M1OEIZ5lNdlK6cOGGcjg7p85jCcC750Wgk4sIV77e5QtXjeHkLxyesKZCJe4TYtQ\"
";

    #[test]
    fn who_is_put_into_the_file_is_in_the_policy_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        let start = || {
            let _none_at_first = fs::remove_dir_all(state.join("policy"));
            policy::write_shipped(&state.join("policy")).unwrap();
            people(state).unwrap();
            policy::load(&state.join("policy"), &Catalog::default()).unwrap()
        };
        let first = start();
        let you = first.people().get("you").unwrap();
        assert!(you.passkeys.is_empty(), "a passkey that nobody made");
        assert!(you.roles.iter().eq(["auditor"]) && you.tenants.iter().eq([TENANT]));
        let file = state.join(FILE);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}{LINES}")).unwrap();
        assert_eq!(start().people().get("you").unwrap().passkeys.len(), 1);
    }

    #[test]
    fn the_way_in_is_told() {
        let told = told(Path::new("/state"));
        assert!(told.contains("/state/people.yaml") && told.contains("localhost:8445/enrol"));
    }
}
