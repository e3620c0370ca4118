//! A deployment in which every kind of credential is in use, and everything is logged.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use countersign_executor::vault::Vault;

use super::backend::{Backend, Kind};
use crate::stale_approval::House;
use crate::support::canary::{self, secret};
use crate::support::hook::Hook;
use crate::support::leaks::Secret;
use crate::support::people::Customer;

pub struct Deployment {
    pub house: House,
    pub customer: Customer,
    pub backend: Backend,
    pub hook: Hook,
}

impl Deployment {
    pub async fn start() -> Self {
        let mut house = House::asking("[support_lead]").await;
        let (backend, hook) = (Backend::start().await, Hook::start().await);
        let pair = &mut house.pair;
        for kind in Kind::ALL {
            pack(&pair.path("packs").join(kind.name()), kind);
        }
        credentials(&pair.path("credentials"));
        fs::write(pair.path("hook.secret"), Hook::secret()).unwrap();
        let named: String = Kind::ALL.map(|kind| format!(", packs/{}", kind.name())).concat();
        pair.change_config("packs/shopify\"]", &format!("packs/shopify\"{named}]"));
        let connections = Kind::ALL.map(|kind| connection(kind, &backend.url)).concat();
        pair.change_config("connections:\n", &format!("connections:\n{connections}"));
        pair.add_config(&format!(
            "notify: [{{ url: \"{}\", kind: json, secret_file: hook.secret, plain_http: true, \
             private_networks: [\"127.0.0.0/8\"] }}]\n",
            hook.url
        ));
        let modes =
            Kind::ALL.map(|kind| format!("  - {{ tools: [\"{}.*\"], mode: auto }}\n", kind.name()));
        let modes = modes.concat();
        pair.change_policy(
            |name, text| match name {
                "policy.cedar" => format!("{text}{PERMIT}"),
                // Without limits in the way: one customer asks for everything.
                "settings.yaml" => text
                    .replace("modes:\n", &format!("modes:\n{modes}"))
                    .replace("count: 20", "count: 10000")
                    .replace("\"500.00\"", "\"100000.00\"")
                    .replace("per_subject: 20", "per_subject: 10000"),
                _ => text,
            },
            &[],
        );
        pair.logs = "trace";
        pair.begin_anew();
        pair.start_planner("{ kind: offline }");
        let customer = house.pair.customer(1);
        Self { house, customer, backend, hook }
    }

    /// Every secret that stands in it.
    pub fn secrets(&self) -> Vec<Secret> {
        let kinds = Kind::ALL.into_iter().flat_map(Kind::secrets);
        let hook = [Hook::secret(), Hook::place()];
        let strings = kinds.chain(hook).map(|text| Secret::new(name_of(&text), text.as_str()));
        let signature = self.customer.token.rsplit('.').next().unwrap();
        let token = Secret::new("the customer's token", signature);
        let standing = canary::standing(self.house.pair.dir.path());
        standing.into_iter().chain(strings).chain([token]).collect()
    }

    /// Where they rightly are, by the path in the deployment's folder. The hook's URL is one
    /// of them, and the configuration says it.
    pub fn rightful(name: &str) -> bool {
        canary::rightful(name) || ["hook.secret", "executor.yaml"].contains(&name)
    }
}

/// `cnry.KIND.…` without the rest.
fn name_of(secret: &str) -> &str {
    secret.split('.').nth(1).unwrap()
}

fn credentials(folder: &Path) {
    let write = |file: &Path, text: String| {
        fs::write(file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    for kind in Kind::ALL {
        let (file, text) = (folder.join(kind.name()), secret(kind.name()));
        match kind {
            Kind::Bearer | Kind::Hmac => write(&file, text),
            Kind::Basic | Kind::Oauth => write(&file, format!("somebody:{text}")),
            Kind::Own => {
                fs::create_dir(&file).unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
                write(&file.join(Vault::name_of("gid://shopify/Customer/1")), text);
            }
        }
    }
}

fn connection(kind: Kind, url: &str) -> String {
    let name = kind.name();
    let per = if kind == Kind::Own { "    credential_per: { claim: customer_id }\n" } else { "" };
    format!(
        "  - tenant: demo-shop\n    pack: {name}\n    account: {name}-account\n    base_url: \
         \"{url}/{name}\"\n    credential: {name}\n{per}    egress: {{ hosts: [\"127.0.0.1\"], \
         private_networks: [\"127.0.0.0/8\"], plain_http: true }}\n"
    )
}

const PERMIT: &str = r#"
@id("boxes")
permit (
    principal is Customer,
    action in [Action::"read", Action::"propose", Action::"execute", Action::"confirm"],
    resource
)
when { principal.strength >= 2 };
"#;

/// A box that is looked into, and one that something is put into.
fn pack(folder: &Path, kind: Kind) {
    let credential = match kind {
        Kind::Bearer | Kind::Own => "bearer",
        Kind::Basic => "basic",
        Kind::Hmac => "{ hmac: { header: X-Signature, algorithm: sha256 } }",
        Kind::Oauth => "{ oauth_client_credentials: { token_path: /oauth/token } }",
    };
    fs::create_dir_all(folder.join("contracts")).unwrap();
    let write = |file: &str, text: &str| {
        let text = text.replace("PACK", kind.name()).replace("CREDENTIAL", credential);
        fs::write(folder.join(file), text).unwrap();
    };
    write("connector.yaml", CONNECTOR);
    write("contracts/look.yaml", LOOK);
    write("contracts/put.yaml", PUT);
}

const CONNECTOR: &str = r"pack: PACK
summary: Boxes.
kind: http
credential: CREDENTIAL
subject: [customer_id]
timeout: 5s
quiet_period: 1s
";

const LOOK: &str = r#"tool: PACK.look
summary: Look into a box.
effect: none
arguments:
  box: { type: string, pattern: "^[a-z]{1,20}$", from: [model], about: Which box. }
do:
  http: { method: GET, path: [v1, boxes, =args.box] }
  errors: { at: /error, codes: [ { match: "*", code: BACKEND_REFUSED, class: terminal } ] }
output:
  owner: { fact: id, pattern: "^gid://shopify/Customer/[0-9]+$", at: /owner }
  note: { text: 20000, at: /note }
  marks: { list: { at: /marks, max: 250 }, of: { id: { fact: id, pattern: "^cs-[0-9a-f]{32}$", at: /id } } }
subject: owner == subject.customer_id
say: "It says {note}."
"#;

const PUT: &str = r#"tool: PACK.put
summary: Put a mark into a box.
effect: { class: server_key, window: 24h, probe: { on: 2026-11-25, source: "https://boxes.example/docs" } }
arguments:
  box: { type: string, pattern: "^[a-z]{1,20}$", from: [model], about: Which box. }
read:
  box: { tool: PACK.look, with: { box: =args.box } }
subject: state.box.owner == subject.customer_id
locks: [args.box]
intent: [args.box]
confidence: { floor: 0.85 }
confirm: customer
card: "Put a mark into {args.box}, which says {state.box.note}?"
do:
  http: { method: POST, path: [v1, boxes, =args.box], json: { mark: =marker } }
  accept: [200, 201]
  key: { header: Idempotency-Key }
  errors: { at: /error, codes: [ { match: "*", code: BACKEND_REFUSED, class: terminal } ] }
verify:
  look: { tool: PACK.look, with: { box: =args.box } }
  find: { in: looked.marks, as: found, ours: 'found.id == marker' }
  that: 'found.id == marker'
  every: 1s
  within: 3s
output: { mark: found.id }
compensate: none
say:
  applied: "Done. Receipt {receipt}."
  unknown: "A colleague will check the box {args.box}, which said {state.box.note}."
"#;
