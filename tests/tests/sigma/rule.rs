//! A rule file: one detection, or a detection with a correlation over it. Only what our
//! rules use is known; anything else is refused, so that no rule is half understood.

use serde_json::Value;

use crate::condition::Condition;
use crate::correlation::Correlation;

pub struct RuleFile {
    pub documents: Vec<Value>,
    detection: Detection,
    pub alarm: Alarm,
}

/// When it fires.
pub enum Alarm {
    /// On each event.
    Each,
    /// On how many there are.
    Correlated(Correlation),
}

struct Detection {
    selections: Value,
    condition: Condition,
}

impl RuleFile {
    pub fn read(name: &str, text: &str) -> Self {
        let documents: Vec<Value> =
            text.split("\n---\n").map(|part| serde_saphyr::from_str(part).unwrap()).collect();
        let first = &documents[0];
        assert_eq!(first["logsource"]["product"], "countersign", "{name}");
        let selections = first["detection"].clone();
        let condition = Condition::parse(selections["condition"].as_str().unwrap());
        let detection = Detection { selections, condition };
        let alarm = match documents.get(1) {
            None => Alarm::Each,
            Some(second) => {
                assert_eq!(second["correlation"]["rules"], serde_json::json!([first["name"]]));
                Alarm::Correlated(Correlation::read(&second["correlation"]))
            }
        };
        Self { documents, detection, alarm }
    }

    /// Whether it fires on these events, in order of their time.
    pub fn fires(&self, events: &[Value]) -> bool {
        let hit = |event: &Value| self.detection.hits(event);
        match &self.alarm {
            Alarm::Each => events.iter().any(hit),
            Alarm::Correlated(correlation) => {
                let hits: Vec<_> = events.iter().filter(|event| hit(event)).collect();
                correlation.fires(&hits, events)
            }
        }
    }
}

impl Detection {
    fn hits(&self, event: &Value) -> bool {
        self.condition.holds(&|name| {
            let selection = self.selections[name].as_object();
            let selection = selection.unwrap_or_else(|| panic!("there is no selection {name}"));
            selection.iter().all(|(field, wanted)| matches(event, field, wanted))
        })
    }
}

/// `field|modifier: value`, or a list of values of which one is enough.
fn matches(event: &Value, field: &str, wanted: &Value) -> bool {
    let (path, modifier) = field.split_once('|').unwrap_or((field, ""));
    let found = field_of(event, path);
    if modifier == "exists" {
        return found.is_some() == wanted.as_bool().unwrap();
    }
    let Some(found) = found else { return false };
    let one = std::slice::from_ref(wanted);
    wanted.as_array().map_or(one, Vec::as_slice).iter().any(|wanted| match modifier {
        "" => same(found, wanted),
        "startswith" => {
            let (found, wanted) = (found.as_str().unwrap_or_default(), wanted.as_str().unwrap());
            found.to_lowercase().starts_with(&wanted.to_lowercase())
        }
        "lt" => found.as_f64().is_some_and(|found| found < wanted.as_f64().unwrap()),
        "gte" => found.as_f64().is_some_and(|found| found >= wanted.as_f64().unwrap()),
        other => panic!("this evaluator does not know the modifier {other}"),
    })
}

/// Text counts whatever its case, as Sigma has it.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found.as_str(), wanted.as_str()) {
        (Some(found), Some(wanted)) => found.eq_ignore_ascii_case(wanted),
        _ => found == wanted,
    }
}

pub fn field_of<'e>(event: &'e Value, path: &str) -> Option<&'e Value> {
    path.split('.').try_fold(event, |at, part| at.get(part))
}
