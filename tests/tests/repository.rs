//! The repository, tested like code: crate boundaries, sizes, words that do not
//! belong, links that lead somewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_shared::codes::Code;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every crate that a package is linked with, itself included.
fn linked(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--offline", "-p", package, "-e", "normal", "--prefix", "none", "-f", "{p}"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    text.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn planner_holds_no_credential_code_and_no_backend_client() {
    let planner = linked("countersign-planner");
    assert!(planner.contains("countersign-shared"));
    // A PostgreSQL client is none of a backend's: planners keep conversations with it.
    for forbidden in ["countersign-executor", "countersign-core", "jsonwebtoken"] {
        assert!(!planner.contains(forbidden), "the planner links {forbidden}");
    }
    let own: Vec<_> = planner.iter().filter(|c| c.starts_with("countersign")).collect();
    assert_eq!(own, ["countersign-planner", "countersign-proto", "countersign-shared"]);
    assert!(!linked("countersign-executor").contains("countersign-planner"));
}

#[test]
fn core_knows_no_network_and_no_runtime() {
    let core = linked("countersign-core");
    for forbidden in ["tokio", "tonic", "reqwest", "hyper", "rusqlite", "countersign-proto"] {
        assert!(!core.contains(forbidden), "the core links {forbidden}");
    }
}

/// What a test may leave out or plant, nothing that ships can; nor does it die where a
/// test says.
#[test]
fn nothing_that_ships_can_leave_a_gate_out() {
    // Whose it is has it, the tests may pass it on, nobody has it by default.
    let both = ["executor/core/Cargo.toml", "planner/Cargo.toml", "tests/Cargo.toml"];
    only_for_tests("gates-off", &both);
    only_for_tests("planted", &["executor/core/Cargo.toml", "tests/Cargo.toml"]);
    only_for_tests("memory", &["executor/Cargo.toml", "tests/Cargo.toml"]);
    only_for_tests("kill-points", &["executor/Cargo.toml"]);
}

fn only_for_tests(feature: &str, named_in: &[&str]) {
    let manifests = tracked().into_iter().filter(|p| p.ends_with("Cargo.toml"));
    let naming = manifests.filter(|p| names(&fs::read_to_string(p).unwrap(), feature));
    let naming: BTreeSet<_> =
        naming.map(|p| p.strip_prefix(root()).unwrap().display().to_string()).collect();
    assert_eq!(naming, named_in.iter().map(|path| (*path).to_owned()).collect());
    for manifest in named_in {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let by_default = text.lines().any(|l| l.starts_with("default =") && l.contains(feature));
        assert!(!by_default, "a default feature switches it on");
    }
    for package in ["countersign-executor", "countersign-planner", "countersign"] {
        let tree = features(package);
        assert!(!tree.contains(feature), "{package} is built with {feature}");
    }
}

/// Whether a manifest declares a feature, or asks for it.
fn names(manifest: &str, feature: &str) -> bool {
    let lines = manifest.lines().filter(|line| !line.starts_with('#'));
    let (declared, asked) = (format!("{feature} = ["), format!("{feature}\""));
    lines.into_iter().any(|line| line.starts_with(&declared) || line.contains(&asked))
}

/// A guard in a list is asked in the code, and the list names each once.
#[test]
fn every_gate_in_the_list_is_asked() {
    every_one_is_asked("Gate", "executor/core/src/gates.rs", "executor/", 62);
    every_one_is_asked("Belt", "executor/core/src/belts.rs", "executor/", 6);
    every_one_is_asked("Guard", "planner/src/guards.rs", "planner/", 22);
}

fn every_one_is_asked(of: &str, list: &str, folder: &str, count: usize) {
    let text = fs::read_to_string(root().join(list)).unwrap();
    let (_, listed) = text.split_once(&format!("pub enum {of} {{")).unwrap();
    let (variants, rest) = listed.split_once('}').unwrap();
    let named = variants.lines().filter_map(|line| line.trim().strip_suffix(','));
    let named: Vec<_> = named.filter(|line| !line.starts_with('/')).collect();
    assert_eq!(named.len(), count, "{of}");
    // Where the shape of the code is the guard, the list itself has what is done without it.
    let (_, off) = rest.split_once("mod off").unwrap_or_default();
    let sources = tracked().into_iter().filter(|p| {
        let path = p.strip_prefix(root()).unwrap().display().to_string();
        path.starts_with(folder) && path.ends_with(".rs") && path != list
    });
    let sources: String = sources.map(|p| fs::read_to_string(p).unwrap()).collect();
    for guard in named {
        let name = format!("{of}::{guard}");
        let mut after = sources.split(&name).skip(1).chain(off.split(&name).skip(1));
        let whole = |rest: &str| !rest.starts_with(char::is_alphanumeric);
        assert!(after.any(whole), "nobody asks {guard}");
        assert_eq!(rest.matches(&format!("Self::{guard},")).count(), 1, "{guard} in ALL");
    }
}

/// Every crate and feature that a package is built with, without its tests.
fn features(package: &str) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["tree", "--offline", "-p", package, "-e", "normal,build", "-f", "{p} {f}"];
    let tree = Command::new(cargo).current_dir(root()).args(arguments).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8(tree.stdout).unwrap()
}

fn tracked() -> Vec<PathBuf> {
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "-z"]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.split('\0')
        .filter(|p| !p.is_empty())
        .map(|p| root().join(p))
        .filter(|p| p.is_file())
        .collect()
}

#[test]
fn files_stay_small_enough_to_read() {
    let rust = tracked().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    let mut sizes: Vec<_> =
        rust.map(|p| (fs::read_to_string(&p).unwrap().lines().count(), p)).collect();
    sizes.sort();
    let Some((largest, path)) = sizes.last() else { return };
    assert!(
        *largest <= 600,
        "{} has {largest} lines; would a reader find two things in it?",
        path.display()
    );
    assert!(
        !sizes.iter().any(|(_, p)| p.ends_with("mod.rs")),
        "no mod.rs: name the file for what it is"
    );
}

/// A page's parts are read at compile time, so one that lacks a part does not build.
#[test]
fn every_code_has_one_page_and_a_place_in_the_registry() {
    let names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    let folder = root().join("shared/codes");
    let registry = fs::read_to_string(folder.join("REGISTRY")).unwrap();
    let listed: Vec<_> = registry.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(listed, names, "shared/codes/REGISTRY and the list in codes.rs differ");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let files: BTreeSet<_> = files.map(|name| name.into_string().unwrap()).collect();
    let pages = names.iter().map(|name| format!("{name}.md"));
    let expected: BTreeSet<_> = pages.chain(["REGISTRY".to_owned()]).collect();
    assert_eq!(files, expected, "a page without its code, or a code without its page");
}

#[test]
fn every_page_of_a_code_reads_well() {
    let shape = regex::Regex::new("^[A-Z][A-Z0-9_]*$").unwrap();
    for code in Code::ALL {
        let page = code.page();
        assert!(shape.is_match(page.name), "{}", page.name);
        for text in [page.cause, page.remedy, page.say] {
            assert!(text.ends_with(['.', '?']), "{}: {text}", page.name);
            assert_eq!(text, text.trim(), "{}", page.name);
        }
        assert!(page.summary().len() <= 120, "{}: {}", page.name, page.summary());
    }
}

/// NO CLAIM WITHOUT A RECEIPT: a refusal says that something was done only where an earlier
/// receipt shows it, and that nothing was done only where that is certain.
#[test]
fn no_page_of_a_code_claims_an_outcome_that_a_refusal_cannot_have() {
    let done = regex::Regex::new(
        r"(?i)\b(has been|have been|is now|was|were|it's) (done|cancelled|refunded|changed|sent|booked|applied)\b",
    )
    .unwrap();
    let nothing = regex::Regex::new(r"(?i)\b(nothing|not) (was|were|has been) \w+").unwrap();
    for code in Code::ALL {
        let page = code.page();
        let rest = nothing.replace_all(page.say, "");
        assert!(!done.is_match(&rest) || *code == Code::AlreadyDone, "{}: {rest}", page.name);
        let certain = rest != page.say || page.say.contains("did nothing");
        assert!(!(page.is_doubt() && certain), "{}: {}", page.name, page.say);
    }
}

#[test]
fn links_in_the_documents_lead_to_files() {
    let link = regex::Regex::new(r"\]\(([^)#:]+)(#[^)]*)?\)").unwrap();
    for page in tracked().into_iter().filter(|p| p.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text) {
            let target = page.parent().unwrap().join(&found[1]);
            assert!(target.exists(), "{}: {} leads nowhere", page.display(), &found[1]);
        }
    }
}

/// What in a migration after the first is more than an addition, and why an older service may
/// run beside it all the same. Each file and how its statement begins.
const NOT_ONLY_ADDED: [(&str, &str, &str); 18] = [
    ("executor/src/store/postgres/migrations/0010_persons.sql", "DROP TABLE journal", FIRST),
    ("executor/src/store/postgres/migrations/0010_persons.sql", "DROP TABLE observations", FIRST),
    ("executor/src/store/postgres/migrations/0010_persons.sql", "DROP TABLE matches", FIRST),
    ("executor/src/store/postgres/migrations/0010_persons.sql", "DROP TABLE escalations", FIRST),
    ("executor/src/store/sqlite/migrations/0010_persons.sql", "DROP TABLE journal", FIRST),
    ("executor/src/store/sqlite/migrations/0010_persons.sql", "DROP TABLE observations", FIRST),
    ("executor/src/store/sqlite/migrations/0010_persons.sql", "DROP TABLE matches", FIRST),
    ("executor/src/store/sqlite/migrations/0010_persons.sql", "DROP TABLE escalations", FIRST),
    ("executor/src/store/postgres/migrations/0016_register_again.sql", "TRUNCATE", DERIVED),
    ("executor/src/store/sqlite/migrations/0016_register_again.sql", "DELETE FROM reg", DERIVED),
    ("executor/src/store/sqlite/migrations/0016_register_again.sql", "DELETE FROM mar", DERIVED),
    ("executor/src/store/sqlite/migrations/0016_register_again.sql", "DELETE FROM day", DERIVED),
    (
        "executor/src/store/postgres/migrations/0021_conversation_days.sql",
        "DROP INDEX turns_by_cost",
        SUMMED,
    ),
    (
        "executor/src/store/postgres/migrations/0021_conversation_days.sql",
        "DROP INDEX turns_by_rating",
        SUMMED,
    ),
    (
        "executor/src/store/sqlite/migrations/0021_conversation_days.sql",
        "DROP INDEX turns_by_cost",
        SUMMED,
    ),
    (
        "executor/src/store/sqlite/migrations/0021_conversation_days.sql",
        "DROP INDEX turns_by_rating",
        SUMMED,
    ),
    ("planner/src/memory/postgres/migrations/0002_numbers.sql", "UPDATE turns", NUMBERS),
    ("planner/src/memory/postgres/migrations/0002_numbers.sql", "CREATE UNIQUE INDEX", NUMBERS),
];
const FIRST: &str = "there was no deployment yet";
const DERIVED: &str = "rows that follow from receipts, and are filled in at the next start";
const SUMMED: &str = "an index for sums, without which an older executor adds up more slowly";
const NUMBERS: &str =
    "numbers that one turn has stay; of two turns begun at once an older planner's may fail";

/// The older service goes on beside the newer one while they are replaced one after the other.
#[test]
fn migrations_only_add_to_what_an_older_service_knows() {
    let (mut first, mut exceptions) = (BTreeSet::new(), BTreeSet::new());
    let mut files = tracked();
    files.sort();
    for path in files {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let Some((store, _)) = name.split_once("/migrations/") else { continue };
        if first.insert(store.to_owned()) {
            continue;
        }
        let statements = statements(&fs::read_to_string(&path).unwrap());
        for statement in statements.iter().filter(|one| !only_adds(one, &statements)) {
            let known = |(of, begins, _): &&(&str, &str, &str)| {
                *of == name && statement.starts_with(begins)
            };
            let known = NOT_ONLY_ADDED.iter().find(known);
            exceptions.insert(known.unwrap_or_else(|| panic!("{name}: {statement}")));
        }
    }
    let stores =
        ["executor/src/store/postgres", "executor/src/store/sqlite", "planner/src/memory/postgres"];
    assert_eq!(first, stores.map(str::to_owned).into());
    assert_eq!(exceptions.len(), NOT_ONLY_ADDED.len(), "one is no exception any more");
}

/// Without comments, each on one line.
fn statements(sql: &str) -> Vec<String> {
    let lines = sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    let lines: Vec<_> = lines.collect();
    let each = lines.join(" ");
    let each = each.split(';').map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "));
    each.filter(|one| !one.is_empty()).collect()
}

/// Whether a statement of these changes nothing for those who do not know of it. An index may be
/// made anew; one that forbids anything, and rows, stand in a table that is new as well.
fn only_adds(statement: &str, all: &[String]) -> bool {
    let among = |begins: String| all.iter().any(|one| one.starts_with(&begins));
    let words: Vec<_> = statement.split(' ').collect();
    match words.as_slice() {
        ["CREATE", "TABLE" | "INDEX", ..] => true,
        ["CREATE", "UNIQUE", "INDEX", _, "ON", table, ..] => {
            among(format!("CREATE TABLE {table} "))
        }
        ["INSERT", "INTO", table, ..] => among(format!("CREATE TABLE {table} ")),
        ["DROP", "INDEX", name] => among(format!("CREATE INDEX {name} ON ")),
        ["ALTER", "TABLE", _, "ADD", "COLUMN", column @ ..] => {
            let column = column.join(" ");
            let filled = !column.contains("NOT NULL") || column.contains(" DEFAULT ");
            let bound = [",", "UNIQUE", "REFERENCES"].iter().any(|word| column.contains(word));
            filled && !bound
        }
        _ => false,
    }
}

#[test]
fn a_migration_that_takes_something_away_is_seen() {
    let refused = "
        DROP TABLE actions;
        DROP INDEX leaves_by_subject;
        ALTER TABLE actions RENAME TO deeds;
        ALTER TABLE actions ADD COLUMN person TEXT NOT NULL; -- DEFAULT ''
        ALTER TABLE actions ADD COLUMN person TEXT, DROP COLUMN tool;
        ALTER TABLE actions ALTER COLUMN person TYPE BYTEA;
        CREATE UNIQUE INDEX actions_by_person ON actions (person);
        DELETE FROM actions;
        INSERT INTO actions (id) SELECT id FROM deeds";
    let refused = statements(refused);
    assert_eq!(refused.len(), 9);
    for statement in &refused {
        assert!(!only_adds(statement, &refused), "{statement}");
    }
    let added = "
        CREATE TABLE deeds (id BIGINT PRIMARY KEY);
        CREATE UNIQUE INDEX deeds_by_id ON deeds (id);
        INSERT INTO deeds (id) SELECT id FROM actions;
        ALTER TABLE actions ADD COLUMN person TEXT NOT NULL DEFAULT '';
        DROP INDEX leaves_by_subject;
        CREATE INDEX leaves_by_subject ON leaves (subject)";
    let added = statements(added);
    assert!(added.iter().all(|statement| only_adds(statement, &added)));
}
