//! `effect`: what makes a resend safe.

use super::file::File;
use super::section::Section;
use super::yaml::{Kind, Yaml};
use crate::contract::keys;
use crate::contract::problem::{ProblemKind, Severity};
use crate::contract::{Effect, EffectClass};

/// What the file declares, and what holds: without a probe, `blind`.
pub(super) struct Declared {
    pub(super) class: EffectClass,
    pub(super) effect: Effect,
}

/// Whether `effect` says that the tool is a read. `None` when it says nothing.
pub(super) fn is_read(yaml: Option<&Yaml>) -> Option<bool> {
    let yaml = yaml?;
    Some(matches!(&yaml.kind, Kind::Text(text) if text == "none"))
}

/// The effect of a read.
pub(super) const fn none() -> Effect {
    Effect {
        class: EffectClass::None,
        window: None,
        visible_within: None,
        irreversible: false,
        probe: None,
    }
}

/// Reads a write's `effect`.
pub(super) fn effect(file: &File, yaml: &Yaml) -> Option<Declared> {
    let section = Section::open(file, yaml, keys::EFFECT)?;
    let classes = [
        ("server_key", EffectClass::ServerKey),
        ("client_id", EffectClass::ClientId),
        ("compare_and_set", EffectClass::CompareAndSet),
        ("marker", EffectClass::Marker),
        ("blind", EffectClass::Blind),
    ];
    let class = section.need("class").and_then(|yaml| file.choice(yaml, &classes));
    let window = section.duration("window");
    let visible_within = section.duration("visible_within");
    let probe = section.get("probe").and_then(|yaml| probe(file, yaml));
    let class = class?;
    match (class, section.get("window")) {
        (EffectClass::ServerKey, None) => {
            let message = "`window` is missing: how long the backend keeps the key";
            file.error::<()>(section.at, ProblemKind::Missing, message, Some("add window: 24h"));
        }
        (EffectClass::ServerKey, Some(_)) | (_, None) => {}
        (_, Some(yaml)) => {
            let message = "`window` applies to the class server_key only";
            file.error::<()>(yaml.at, ProblemKind::WrongValue, message, None);
        }
    }
    let probed = probe.is_some() || class == EffectClass::Blind;
    if !probed && section.get("probe").is_none() {
        let message =
            "the class has no recorded probe, so the tool loads as blind: never sent again";
        let remedy = Some("probe the backend and add probe: { on: DATE, source: URL }");
        file.note(yaml.at, Severity::Warning, ProblemKind::Unprobed, message, remedy);
    }
    let irreversible = section.flag("irreversible");
    let holds = if probed { class } else { EffectClass::Blind };
    let effect = Effect { class: holds, window, visible_within, irreversible, probe };
    Some(Declared { class, effect })
}

fn probe(file: &File, yaml: &Yaml) -> Option<(String, String)> {
    let section = Section::open(file, yaml, keys::PROBE)?;
    let on = section.need("on").and_then(|yaml| {
        let date = file.text(yaml)?;
        let valid = date.parse::<jiff::civil::Date>().is_ok();
        if valid { Some(date) } else { file.wrong(yaml, "a date such as 2026-11-20") }
    });
    let source = section.need_text("source");
    Some((on?.to_owned(), source?.to_owned()))
}
