//! Entries of which only one could ever count.

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;

use super::super::*;

/// Issuers as `issuer/audience`, frontends as `id/tenant`; each with these kids.
fn load(issuers: &[&str], frontends: &[&str], kids: &[&str]) -> Result<Subjects, SubjectsError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    let public = SigningKey::from_bytes(&[1; 32]).verifying_key();
    std::fs::write(&file, public.to_public_key_pem(LineEnding::LF).unwrap()).unwrap();
    let file = file.display();
    let keys: Vec<_> = kids.iter().map(|k| format!("{{ kid: {k}, file: {file} }}")).collect();
    let keys = keys.join(", ");
    let entry = |text: &str, names: [&str; 2], more: &str| {
        let (first, second) = text.split_once('/').unwrap();
        let [a, b] = names;
        format!("  - {{ {a}: {first}, {b}: {second}, keys: [{keys}]{more} }}\n")
    };
    let more = ", tenant: t, planners: []";
    let issuers = issuers.iter().map(|i| entry(i, ["issuer", "audience"], more));
    let frontends = frontends.iter().map(|f| entry(f, ["id", "tenant"], ""));
    let (issuers, frontends) = (issuers.collect::<String>(), frontends.collect::<String>());
    let config = folder.path().join("executor.yaml");
    let text = format!(
        "listen: a\nadmin: a\ntls: {{ cert: a, key: a, ca: a }}\nstate: a\npacks: []\n\
         policy: a\ncredentials: a\nlog: {{ origin: a, key: a }}\ncallers: {{ planners: [] }}\n\
         connections: []\nissuers:\n{issuers}frontends:\n{frontends}"
    );
    std::fs::write(&config, text).unwrap();
    Subjects::load(&Config::load(&config).unwrap())
}

#[test]
fn what_is_there_twice_is_named() {
    let said = |loaded: Result<Subjects, SubjectsError>| loaded.err().unwrap().to_string();
    assert_eq!(
        said(load(&["i/a", "i/b", "i/a"], &["f/t"], &["k"])),
        "issuer `i` with audience `a` is there twice: keep one"
    );
    assert_eq!(
        said(load(&["i/a"], &["f/t", "f/u", "f/t"], &["k"])),
        "frontend `f` of tenant `t` is there twice: keep one"
    );
    assert_eq!(
        said(load(&["i/a"], &["f/t"], &["k", "l", "k"])),
        "kid `k` of issuer `i` with audience `a` is there twice: keep one"
    );
    // The same name elsewhere is another's.
    load(&["i/a", "i/b", "j/a"], &["f/t", "f/u", "i/t"], &["k", "l"]).unwrap();
}
