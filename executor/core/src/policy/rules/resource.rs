//! A tool in Cedar's terms: the same at every question, so made once.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression as Value};

use super::{text, uid};
use crate::contract::{Body, Effect, EffectClass};

/// A tool and its pack, as policies see them. Made when the contract loads.
#[derive(Debug, Clone)]
pub struct Resource {
    tool: EntityUid,
    entities: Entities,
}

impl Resource {
    /// Of what a contract says of its tool.
    pub(crate) fn of(
        tool: &str,
        pack: &str,
        effect: &Effect,
        body: &Body,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let parent = uid(&"Pack".parse()?, pack);
        let id = uid(&"Tool".parse()?, tool);
        let fields = attributes(tool, pack, effect, body);
        let entity = Entity::new(id.clone(), fields, HashSet::from([parent.clone()]))?;
        let entities = Entities::from_entities([entity, Entity::with_uid(parent)], None)?;
        Ok(Self { tool: id, entities })
    }

    pub(super) fn parts(&self) -> (EntityUid, Entities) {
        (self.tool.clone(), self.entities.clone())
    }
}

fn attributes(tool: &str, pack: &str, effect: &Effect, body: &Body) -> HashMap<String, Value> {
    let (_, name) = tool.split_once('.').unwrap_or_default();
    let (read, money) = match body {
        Body::Read(_) => (true, false),
        Body::Write(write) => (false, write.money.is_some()),
    };
    let scope = format!("{pack}:{}", if read { "read" } else { "write" });
    let fields = [
        ("pack", text(pack)),
        ("name", text(name)),
        ("scope", Value::new_string(scope)),
        ("read", Value::new_bool(read)),
        ("effect_class", text(class(effect.class))),
        ("irreversible", Value::new_bool(effect.irreversible)),
        ("money", Value::new_bool(money)),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

fn class(class: EffectClass) -> &'static str {
    match class {
        EffectClass::None => "none",
        EffectClass::ServerKey => "server_key",
        EffectClass::ClientId => "client_id",
        EffectClass::CompareAndSet => "compare_and_set",
        EffectClass::Marker => "marker",
        EffectClass::Blind => "blind",
    }
}
