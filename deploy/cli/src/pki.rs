//! `countersign pki`: certificates for the services, from an authority of your own.

mod authority;
mod files;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

pub use authority::{Issued, PkiError, Request, Role, init_ca, issue};

/// Make an authority and let it issue certificates.
#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Make a certificate authority: DIR/ca.crt and DIR/ca.key.
    Init(InitArgs),
    /// Issue a service's or a person's certificate: NAME/tls.crt, NAME/tls.key and NAME/ca.crt.
    Issue(IssueArgs),
}

/// What `pki init` takes.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder for the authority; made if it is not there.
    dir: PathBuf,
    /// The name under which all identities live.
    #[arg(long, default_value = "demo.countersign.internal")]
    trust_domain: String,
    /// Replace the authority that is there. Nobody believes its certificates afterwards.
    #[arg(long)]
    force: bool,
}

/// What `pki issue` takes.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// Which part the holder plays; the last word of its identity. A person's identity ends with
    /// `/people/NAME`.
    #[arg(long, value_enum)]
    role: Role,
    /// The authority's folder, as given to `pki init`.
    #[arg(long)]
    dir: PathBuf,
    /// Name of the folder for the new files; the role unless given. A person's own name.
    #[arg(long)]
    name: Option<String>,
    /// A name under which browsers know the pages; may be given again.
    #[arg(long, value_name = "HOST")]
    dns: Vec<String>,
    /// Days until the certificate expires.
    #[arg(long, default_value_t = authority::DEFAULT_DAYS, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    /// Where that folder goes; the authority's folder unless given.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Does what the command says and prints what was made.
///
/// # Errors
/// As [`init_ca`] and [`issue`], and when the output cannot be written.
pub fn run(command: PkiCommand) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match command {
        PkiCommand::Init(args) => init(args, &mut out),
        PkiCommand::Issue(args) => issue_one(args, &mut out),
    }
}

fn init(args: InitArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let InitArgs { dir, trust_domain, force } = args;
    if force {
        authority::replace_ca(&dir, &trust_domain)?;
    } else {
        init_ca(&dir, &trust_domain)?;
    }
    let shown = dir.display();
    writeln!(out, "Made a certificate authority for {trust_domain}.")?;
    writeln!(out, "  {shown}/ca.crt  its certificate: every service gets it")?;
    writeln!(out, "  {shown}/ca.key  its private key: keep it away from the services")?;
    writeln!(out, "Next: countersign pki issue --role executor --dir {shown}")?;
    Ok(())
}

fn issue_one(args: IssueArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let IssueArgs { role, dir, name, dns, days, out: folder } = args;
    let folder = folder.unwrap_or_else(|| dir.clone());
    let issued = issue(&dir, Request { role, name, days, dns }, &folder)?;
    let shown = issued.dir.display();
    writeln!(out, "Issued {}, good until {}.", issued.id, issued.until.strftime("%F %H:%M UTC"))?;
    writeln!(out, "  {shown}/tls.crt  its certificate")?;
    writeln!(out, "  {shown}/tls.key  its private key")?;
    writeln!(out, "  {shown}/ca.crt   the authority it believes")?;
    if role == Role::Person {
        writeln!(out, "Next: certificates: [\"{}\"] in people.yaml. For a browser:", issued.id)?;
        let p12 = "openssl pkcs12 -export -out me.p12";
        writeln!(out, "  {p12} -inkey {shown}/tls.key -in {shown}/tls.crt")?;
        return Ok(());
    }
    writeln!(out, "Next: name these files in the service's configuration.")?;
    writeln!(out, "A running service takes renewed files into use by itself, within seconds.")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: PkiCommand,
    }

    fn said(line: &[&str]) -> anyhow::Result<String> {
        let mut out = Vec::new();
        match Line::try_parse_from([&["pki"], line].concat())?.command {
            PkiCommand::Init(args) => init(args, &mut out)?,
            PkiCommand::Issue(args) => issue_one(args, &mut out)?,
        }
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn the_printed_next_step_works_as_printed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pki");
        let first = said(&["init", dir.to_str().unwrap()]).unwrap();
        let next = first.lines().last().unwrap().strip_prefix("Next: countersign pki ").unwrap();
        let words: Vec<&str> = next.split(' ').collect();
        let second = said(&words).unwrap();
        assert!(second.contains("spiffe://demo.countersign.internal/executor"), "{second}");
        assert!(dir.join("executor/tls.crt").exists());
    }

    #[test]
    fn replacing_an_authority_takes_force() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        said(&["init", dir]).unwrap();
        let error = said(&["init", dir]).unwrap_err().to_string();
        assert!(error.contains("--force"), "{error}");
        said(&["init", dir, "--force", "--trust-domain", "shop.example"]).unwrap();
        let issued = said(&["issue", "--role", "planner", "--dir", dir, "--name", "p2"]).unwrap();
        assert!(issued.contains("spiffe://shop.example/planner"), "{issued}");
        assert!(issued.contains("/p2/tls.key"), "{issued}");
    }

    #[test]
    fn a_person_is_told_where_their_certificate_goes() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        said(&["init", dir, "--trust-domain", "shop.example"]).unwrap();
        let erin = said(&["issue", "--role", "person", "--name", "erin", "--dir", dir]).unwrap();
        assert!(erin.contains("[\"spiffe://shop.example/people/erin\"] in people.yaml"), "{erin}");
        assert!(erin.contains("/people/erin/tls.key -in"), "{erin}");
        let pages = ["issue", "--role", "pages", "--dns", "approve.shop.example", "--dir", dir];
        assert!(said(&pages).unwrap().contains("/pages/tls.crt"));
    }

    #[test]
    fn a_certificate_lives_at_least_a_day() {
        assert!(said(&["issue", "--role", "planner", "--dir", "x", "--days", "0"]).is_err());
    }
}
