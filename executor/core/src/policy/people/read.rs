//! Reads `people.yaml` strictly, noting every problem.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_shared::spiffe::SpiffeId;
use jiff::civil::Date;

use super::stand_in::{self, Placed};
use super::{AUDITOR, Absence, Passkey, People, Person};
use crate::activation::ROLE;
use crate::contract::load::file::File;
use crate::contract::load::section::Section;
use crate::contract::load::yaml::{Place, Yaml};
use crate::contract::problem::{ProblemKind, Severity};
use crate::grant::signature;
use crate::signed::Key;

const TOP: &[&str] = &["people"];
const PERSON: &[&str] = &[
    "id",
    "issuer",
    "name",
    "roles",
    "tenants",
    "email",
    "keys",
    "passkeys",
    "subjects",
    "certificates",
    "absent",
];
const KEY: &[&str] = &["kid", "file", "pem"];
const PASSKEY: &[&str] = &["id", "public_key"];
const SUBJECT: &[&str] = &["issuer", "id"];
const ABSENT: &[&str] = &["from", "to", "delegate"];

/// The people; `None` where something is wrong, which is noted. `files` are those of
/// the bundle: a key's file is one of them, so that the digest covers it.
pub(in crate::policy) fn read(
    file: &File,
    yaml: &Yaml,
    files: &BTreeMap<String, String>,
) -> Option<People> {
    let top = Section::open(file, yaml, TOP)?;
    let items = file.list(top.need("people")?)?;
    let mut reader = Reader { file, files, taken: BTreeSet::new(), placed: Vec::new() };
    let all: Vec<_> = items.iter().map(|yaml| reader.person(yaml)).collect();
    let all: Vec<Person> = all.into_iter().collect::<Option<_>>()?;
    let mut people = People::default();
    for person in all {
        for subject in &person.subjects {
            people.as_subject.insert(subject.clone(), person.id.clone());
        }
        people.by_id.insert(person.id.clone(), person);
    }
    stand_in::check(file, &people, &reader.placed);
    Some(people)
}

struct Reader<'f> {
    file: &'f File,
    files: &'f BTreeMap<String, String>,
    /// What only one person may have: id, key, passkey, subject, certificate, address.
    taken: BTreeSet<(&'static str, String)>,
    placed: Vec<Placed>,
}

impl Reader<'_> {
    fn person(&mut self, yaml: &Yaml) -> Option<Person> {
        let file = self.file;
        let section = Section::open(file, yaml, PERSON)?;
        let id = section.need("id").and_then(|yaml| self.id(yaml));
        let (issuer, name) = (section.need_text("issuer"), section.need_text("name"));
        let roles = roles(&section);
        let tenants = section.items("tenants").iter().map(|yaml| file.text(yaml));
        let tenants = tenants.map(|text| text.map(str::to_owned)).collect::<Option<_>>();
        let email = match section.get("email") {
            Some(yaml) => {
                Some(self.only("e-mail address", yaml.at, file.text(yaml)?.to_owned())?)
            }
            None => None,
        };
        let keys: Vec<_> = section.items("keys").iter().map(|yaml| self.key(yaml)).collect();
        let passkeys: Vec<_> =
            section.items("passkeys").iter().map(|yaml| self.passkey(yaml)).collect();
        let subjects: Vec<_> =
            section.items("subjects").iter().map(|yaml| self.subject(yaml)).collect();
        let certificates: Vec<_> =
            section.items("certificates").iter().map(|yaml| self.certificate(yaml)).collect();
        let absent: Vec<_> =
            section.items("absent").iter().map(|yaml| absence(file, yaml)).collect();
        let id = id?;
        let approves = roles.iter().flatten().any(|role| role != ROLE);
        if approves && section.items("tenants").is_empty() {
            let message = format!("`{id}` is bound to no tenant, and can answer nothing");
            let remedy = Some("name the tenants whose requests they answer: tenants: [shop]");
            file.note(yaml.at, Severity::Warning, ProblemKind::Missing, message, remedy);
        }
        let audits = roles.as_ref().is_some_and(|roles| roles.contains(AUDITOR));
        if audits && roles.as_ref().is_some_and(|roles| roles.len() > 1) {
            let message = format!("`{id}` audits, and cannot hold another role beside it");
            let remedy = Some("an auditor changes nothing: let somebody else hold the other roles");
            return file.error(yaml.at, ProblemKind::Rule, message, remedy);
        }
        self.place(&id, section.items("absent"));
        Some(Person {
            id,
            issuer: issuer?.to_owned(),
            name: name?.to_owned(),
            roles: roles?,
            tenants: tenants?,
            email,
            keys: keys.into_iter().collect::<Option<_>>()?,
            passkeys: passkeys.into_iter().collect::<Option<_>>()?,
            subjects: subjects.into_iter().collect::<Option<_>>()?,
            certificates: certificates.into_iter().collect::<Option<_>>()?,
            absent: absent.into_iter().collect::<Option<_>>()?,
        })
    }

    /// Two persons with one key would be one person with two votes.
    fn only(&mut self, what: &'static str, at: Place, value: String) -> Option<String> {
        if self.taken.insert((what, value.clone())) {
            return Some(value);
        }
        let message = format!("two entries have this {what}");
        let remedy = Some("a person is listed once, and what is theirs is nobody else's");
        self.file.error(at, ProblemKind::Rule, message, remedy)
    }

    fn id(&mut self, yaml: &Yaml) -> Option<String> {
        let id = self.file.text(yaml)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if id.is_empty() || !id.chars().all(plain) {
            return self.file.wrong(yaml, "an id of letters, digits, _, - and .");
        }
        self.only("id", yaml.at, id.to_owned())
    }

    fn key(&mut self, yaml: &Yaml) -> Option<(String, Key)> {
        let section = Section::open(self.file, yaml, KEY)?;
        let kid = section.need("kid").and_then(|y| self.file.text(y).map(|kid| (y.at, kid)));
        let pem = match (section.get("pem"), section.get("file")) {
            (Some(pem), None) => self.file.text(pem)?.to_owned(),
            (None, Some(named)) => self.beside(named)?,
            (Some(_), Some(_)) | (None, None) => {
                let message = "a key has either `pem` or `file`";
                return self.file.error(yaml.at, ProblemKind::Missing, message, None);
            }
        };
        let Ok(key) = Key::ed25519_pem(pem.as_bytes()) else {
            let message = "this is no Ed25519 public key in PEM";
            let remedy = Some("it begins with -----BEGIN PUBLIC KEY-----");
            return self.file.error(yaml.at, ProblemKind::WrongValue, message, remedy);
        };
        let body = pem.lines().filter(|line| !line.starts_with("-----"));
        let der_base64: String = body.flat_map(str::split_whitespace).collect();
        let (at, kid) = kid?;
        let kid = self.only("kid", at, kid.to_owned());
        let der_base64 = self.only("key", yaml.at, der_base64);
        der_base64.map(|_only| (kid, key)).and_then(|(kid, key)| Some((kid?, key)))
    }

    fn beside(&self, yaml: &Yaml) -> Option<String> {
        let name = self.file.text(yaml)?;
        self.files.get(name).cloned().or_else(|| {
            let message = format!("there is no file `{name}` in the policy's folder");
            let remedy = Some("put it there: the policy's digest has to cover it");
            self.file.error(yaml.at, ProblemKind::UnknownReference, message, remedy)
        })
    }

    fn passkey(&mut self, yaml: &Yaml) -> Option<Passkey> {
        let section = Section::open(self.file, yaml, PASSKEY)?;
        let id = section.need("id").and_then(|y| {
            let id = bytes(self.file, y)?;
            self.only("passkey", y.at, URL_SAFE_NO_PAD.encode(&id)).map(|_| id)
        });
        let public_key = section.need("public_key").and_then(|y| self.public_key(y));
        Some(Passkey { id: id?, public_key: public_key? })
    }

    fn public_key(&mut self, yaml: &Yaml) -> Option<Vec<u8>> {
        let key = bytes(self.file, yaml)?;
        if !signature::known(&key) {
            return self.file.wrong(yaml, "SubjectPublicKeyInfo of P-256 or Ed25519, base64url");
        }
        self.only("passkey's public key", yaml.at, URL_SAFE_NO_PAD.encode(&key)).map(|_| key)
    }

    fn subject(&mut self, yaml: &Yaml) -> Option<(String, String)> {
        let section = Section::open(self.file, yaml, SUBJECT)?;
        let (issuer, id) = (section.need_text("issuer"), section.need_text("id"));
        let (issuer, id) = (issuer?.to_owned(), id?.to_owned());
        self.only("subject", yaml.at, format!("{issuer}\n{id}"))?;
        Some((issuer, id))
    }

    fn certificate(&mut self, yaml: &Yaml) -> Option<String> {
        let id = self.file.text(yaml)?;
        if id.parse::<SpiffeId>().is_err() {
            return self.file.wrong(yaml, "a SPIFFE id such as spiffe://shop.example/people/erin");
        }
        self.only("certificate", yaml.at, id.to_owned())
    }

    fn place(&mut self, person: &str, absent: &[Yaml]) {
        let placed = absent.iter().enumerate().map(|(number, yaml)| Placed {
            person: person.to_owned(),
            number,
            at: yaml.at,
        });
        self.placed.extend(placed);
    }
}

fn roles(section: &Section<'_>) -> Option<BTreeSet<String>> {
    section.need("roles")?;
    let roles = section.items("roles").iter();
    roles.map(|yaml| section.file.named(yaml.at, section.file.text(yaml)?)).collect()
}

fn absence(file: &File, yaml: &Yaml) -> Option<Absence> {
    let section = Section::open(file, yaml, ABSENT)?;
    let day = |key| {
        section.need(key).and_then(|yaml| {
            let day = file.text(yaml)?.parse::<Date>().ok();
            day.or_else(|| file.wrong(yaml, "a day such as 2026-12-24"))
        })
    };
    let (from, to, delegate) = (day("from"), day("to"), section.need_text("delegate"));
    Some(Absence { from: from?, to: to?, delegate: delegate?.to_owned() })
}

fn bytes(file: &File, yaml: &Yaml) -> Option<Vec<u8>> {
    let text = file.text(yaml)?;
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().filter(|b| !b.is_empty());
    bytes.or_else(|| file.wrong(yaml, "base64url, as WebAuthn gives it"))
}
