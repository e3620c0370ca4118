//! Credentials that are easy to know again and hard to meet by chance: they stand wherever a
//! test's deployment needs a secret, and nothing else in its folder may show one.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_tests::sandbox::{Config, Sandbox};
use sha2::{Digest as _, Sha256};

use super::leaks::{Search, Secret, files};
use super::people::seed;

/// The secret of this kind, with the marks that each way of writing things down changes.
pub fn secret(kind: &str) -> String {
    let chance = STANDARD.encode(Sha256::digest(format!("a canary of kind {kind}")));
    format!("cnry.{kind}.{}\"/+{}\\<&%={}", &chance[..14], &chance[14..28], &chance[28..42])
}

/// The access token of the shop.
pub fn token() -> String {
    secret("shop")
}

/// A shop that knows this token.
pub async fn shop() -> Sandbox {
    let mut config = Config::default();
    config.credentials.add("sandbox", &token());
    Sandbox::start(config).await.unwrap()
}

/// Every secret of a deployment that `lay_out` made.
pub fn standing(dir: &Path) -> Vec<Secret> {
    let seeds = [(1, "issuer"), (2, "frontend"), (3, "other issuer"), (4, "log"), (5, "planner")];
    let seeds =
        seeds.map(|(number, whose)| Secret::new(&format!("the {whose}'s key"), seed(number)));
    let keys =
        files(&dir.join("pki")).into_iter().filter(|path| path.extension() == Some("key".as_ref()));
    let keys = keys.map(|path| {
        let name = path.strip_prefix(dir).unwrap().display().to_string();
        Secret::new(&name, private_part(&fs::read_to_string(&path).unwrap()))
    });
    let shop = Secret::new("the shop's token", token());
    [shop].into_iter().chain(seeds).chain(keys).collect()
}

/// Where they rightly are, by the path in the deployment's folder.
pub fn rightful(name: &str) -> bool {
    name.starts_with("credentials/")
        || ["log.pem", "asserting.pem", "cosign.pem"].contains(&name)
        || (name.starts_with("pki/") && name.ends_with(".key"))
}

/// NO SECRET LEAVES: what else in the folder shows one.
pub fn leaks(dir: &Path) -> Vec<String> {
    Search::new(&standing(dir)).below(dir, rightful)
}

/// The private number in a PKCS#8 file of P-256 or Ed25519: its offset is the same in each.
fn private_part(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).unwrap();
    let end = der.len().min(68);
    der[end - 32..end].to_vec()
}
