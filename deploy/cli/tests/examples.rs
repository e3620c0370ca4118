//! Whoever says a sentence that a contract gives as an example means that tool, surely: over every
//! contract that ships, whatever else is said of the same things.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use countersign_core::contract::{Body, Catalog, arguments_json};
use countersign_core::subject::Kind;
use countersign_executor::packs;
use countersign_planner::model::Want;
use countersign_planner::model::offline::read;
use countersign_planner::tools::Toolbox;
use countersign_proto::v1::Tool;

/// As sure as the offline model is of anything.
const FULL: f64 = 0.98;
/// What a customer might put into any slot.
const FILLS: [&str; 3] = ["1001", "B-77", "14 Linden Avenue, Springfield"];

/// What this kind of person is offered.
fn shipped(kind: Kind) -> Vec<Tool> {
    let folder: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("executor/packs");
    let packs = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let catalog: Catalog =
        packs::load(&packs.filter(|path| path.is_dir()).collect::<Vec<_>>()).unwrap();
    let theirs = catalog.tools.values().filter(|c| c.listed && c.open_to.contains(&kind));
    let tools = theirs.map(|contract| Tool {
        name: contract.tool.clone(),
        read: matches!(contract.body, Body::Read(_)),
        arguments_json: arguments_json(contract).to_string(),
        examples: contract.examples.clone(),
        ..Tool::default()
    });
    tools.collect()
}

fn filled(example: &str, fill: &str) -> String {
    let mut text = String::new();
    let mut rest = example;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        text.push_str(fill);
        rest = after.split_once('}').unwrap().1;
    }
    text + rest
}

/// The examples that are not read as their own tool, surely.
fn missed(tools: &[Tool]) -> Vec<String> {
    let toolbox = Toolbox::from_listed(tools);
    let mut missed = Vec::new();
    for (tool, example) in tools.iter().flat_map(|t| t.examples.iter().map(move |e| (t, e))) {
        for text in FILLS.map(|fill| filled(example, fill)) {
            let decision = read(&text, &toolbox);
            let own = matches!(&decision.want, Want::Tool(call) if call.tool == tool.name);
            if !own || decision.score < FULL {
                missed.push(format!("{}: {text:?}: {decision:?}", tool.name));
            }
        }
    }
    missed
}

#[test]
fn every_example_is_read_as_its_own_tool() {
    for kind in [Kind::Customer, Kind::Staff] {
        let tools = shipped(kind);
        assert!(tools.iter().map(|tool| tool.examples.len()).sum::<usize>() > 100);
        assert_eq!(missed(&tools), Vec::<String>::new(), "{kind:?}");
    }
}

/// A read that speaks of the same things in ever more words takes nothing from a write.
#[test]
fn more_examples_on_a_read_take_nothing_from_a_write() {
    let mut tools = shipped(Kind::Customer);
    let written: Vec<String> =
        tools.iter().filter(|tool| !tool.read).flat_map(|tool| tool.examples.clone()).collect();
    for opening in ["tell me whether you did:", "show me what happens when I say", "status of"] {
        for tool in tools.iter_mut().filter(|tool| tool.read && !tool.examples.is_empty()) {
            tool.examples.extend(written.iter().map(|example| format!("{opening} {example}")));
        }
        let writes = missed(&tools).into_iter().filter(|missed| {
            tools.iter().any(|tool| !tool.read && missed.starts_with(&format!("{}:", tool.name)))
        });
        assert_eq!(writes.collect::<Vec<_>>(), Vec::<String>::new(), "{opening}");
    }
}
