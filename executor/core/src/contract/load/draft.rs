//! First pass over a contract: what others may refer to.

use super::arguments::{Arguments, arguments};
use super::context::ReadFace;
use super::effect::is_read;
use super::file::File;
use super::output::shape;
use super::yaml::{Kind, Yaml};
use crate::contract::problem::ProblemKind;
use crate::shape::Shape;

/// A contract half read.
pub(super) struct Draft<'f> {
    pub(super) file: &'f File,
    pub(super) yaml: &'f Yaml,
    pub(super) tool: String,
    pub(super) is_read: bool,
    pub(super) arguments: Arguments,
    /// A read's output.
    pub(super) output: Option<Shape>,
}

/// Reads the parts that stand on their own.
pub(super) fn draft<'f>(file: &'f File, yaml: &'f Yaml, pack: &str) -> Option<Draft<'f>> {
    let entries = file.map(yaml)?;
    let get = |name: &str| {
        let (_, value) = entries.iter().find(|(key, _)| key.text == name)?;
        (value.kind != Kind::Null).then_some(value)
    };
    let tool = get("tool").map_or_else(
        || file.error(yaml.at, ProblemKind::Missing, "`tool` is missing", None),
        |yaml| tool(file, yaml, pack),
    );
    let Some(is_read) = is_read(get("effect")) else {
        let message = "`effect` is missing";
        let remedy = Some("write `effect: none` for a read, or the effect class of a write");
        return file.error(yaml.at, ProblemKind::Missing, message, remedy);
    };
    let arguments = arguments(file, get("arguments"));
    let output = get("output").filter(|_| is_read).map(|yaml| shape(file, yaml));
    // Without a name it can be checked, but nobody can refer to it.
    let tool = tool.unwrap_or_default();
    Some(Draft { file, yaml, tool, is_read, arguments, output: output.flatten() })
}

/// `pack.name`, where the file is `contracts/name.yaml`.
fn tool(file: &File, yaml: &Yaml, pack: &str) -> Option<String> {
    let tool = file.text(yaml)?;
    let stem = file.path().strip_prefix("contracts/").and_then(|path| path.strip_suffix(".yaml"));
    let wanted = format!("{pack}.{}", stem.unwrap_or_default());
    if tool == wanted {
        return Some(wanted);
    }
    let message = format!("`{tool}` does not fit the file's name");
    let remedy = format!("call it {wanted}, or rename the file");
    file.error(yaml.at, ProblemKind::Rule, message, Some(&remedy))
}

impl Draft<'_> {
    /// What the read offers to other contracts; `None` where it is broken.
    pub(super) fn face(&self) -> Option<ReadFace> {
        let whole = self.arguments.broken.is_empty();
        let output = self.output.clone().filter(|_| whole)?;
        Some(ReadFace { arguments: self.arguments.specs.clone(), output })
    }
}
