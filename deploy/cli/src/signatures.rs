//! People of the active policy who sign a change that is made while no executor runs.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use countersign_core::activation::{ROLE, signed};
use countersign_core::policy::{Policy, load};
use countersign_executor::activation::{FOLDER, requests};
use countersign_executor::config::Config;
use countersign_executor::store::Past;
use countersign_shared::receipt::Changer;
use jiff::Timestamp;

use crate::activate::{Signed, sign};

/// Who signs now, and who judges.
pub(crate) struct Signatures<'a> {
    pub(crate) config: &'a Config,
    pub(crate) judge: Policy,
    /// This person, with the file of their key.
    pub(crate) own: Option<(&'a str, &'a Path)>,
    pub(crate) reason: &'a str,
}

/// The policy that decides: the active one; where nothing is activated, the configured one.
pub(crate) fn judge(store: &dyn Past, config: &Config) -> anyhow::Result<Policy> {
    let active = store.bundle()?;
    let bundle = if active.is_empty() {
        countersign_executor::packs::read_dir(&config.policy)
            .with_context(|| format!("cannot read {}", config.policy.display()))?
    } else {
        active
    };
    load::policy(&bundle, None).policy.ok_or_else(|| anyhow!("the active policy does not load"))
}

impl Signatures<'_> {
    /// Adds this person's signature, where one signs, and answers with all that count.
    pub(crate) fn collect(
        &self,
        change: (&str, &str, &str),
        since: Option<Timestamp>,
    ) -> anyhow::Result<Vec<Changer>> {
        if let Some((by, key)) = self.own {
            sign(
                &Signed { change, since, by, key, reason: self.reason },
                &self.judge,
                self.config,
            )?;
        }
        let requests = requests(&self.config.state.join(FOLDER))?;
        Ok(signed(change, since, &requests, self.judge.people(), Timestamp::now()))
    }

    /// Whether enough have signed; says what is missing. `same`: what the others have to repeat.
    pub(crate) fn enough(
        &self,
        out: &mut impl Write,
        by: &[Changer],
        needed: usize,
        same: &str,
    ) -> io::Result<bool> {
        let operators = self.judge.people().iter().filter(|p| p.roles.contains(ROLE)).count();
        if operators == 0 {
            writeln!(out, "The active policy names no operator: nobody has to sign.")?;
            return Ok(true);
        }
        if by.len() >= needed {
            return Ok(true);
        }
        writeln!(out, "{} of {needed} operators have signed. Nothing was changed.", by.len())?;
        writeln!(out, "Each runs this command with --by PERSON --key FILE{same}.")?;
        Ok(false)
    }
}
