//! What the gates said, one plain sentence for each.

use countersign_shared::receipt::Gate;
use serde_json::Value as Json;

use super::json::{is_empty, shown, words};

/// A line for each gate; what was asked twice on the same facts stands there once.
pub(super) fn lines(gates: &[Gate]) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for gate in gates {
        let line = line(gate);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn line(gate: &Gate) -> (String, String) {
    let facts = &gate.facts;
    let (name, told) = match gate.gate.as_str() {
        "strength" => ("Sign-in".to_owned(), strength(facts)),
        "subject" => ("Owner".to_owned(), owner(facts)),
        "money" => ("Amount".to_owned(), amount(facts)),
        "confidence" => ("Confidence".to_owned(), confidence(facts)),
        "policy" => ("Policy".to_owned(), policy(facts, gate.passed)),
        "unchanged" => ("Unchanged".to_owned(), unchanged(facts)),
        other => match (other.strip_prefix("limit "), condition(facts)) {
            (Some(limit), _) => (format!("Limit {limit}"), self::limit(facts)),
            // It is named by the code that it raises, and it raised none.
            (None, Some(told)) if gate.passed => ("Condition".to_owned(), Some(told)),
            (None, told) => (other.to_owned(), told),
        },
    };
    let told = told.or_else(|| Some(words(facts)).filter(|_| !is_empty(facts)));
    let text = match (gate.passed, told) {
        (true, Some(told)) => told,
        (true, None) => "passed".to_owned(),
        (false, Some(told)) => format!("refused: {told}"),
        (false, None) => "refused".to_owned(),
    };
    (name, text)
}

/// A member that says something, in words.
fn part(facts: &Json, name: &str) -> Option<String> {
    facts.get(name).filter(|value| !is_empty(value)).map(words)
}

fn strength(facts: &Json) -> Option<String> {
    Some(format!("the subject is {}; {} is asked", part(facts, "has")?, part(facts, "wanted")?))
}

fn owner(facts: &Json) -> Option<String> {
    if let Some(scope) = part(facts, "scope") {
        return Some(format!("staff, with the scope {scope}"));
    }
    Some(format!("the subject has to be the object’s owner ({})", part(facts, "rule")?))
}

fn amount(facts: &Json) -> Option<String> {
    Some(format!("{} moves ({})", part(facts, "money")?, part(facts, "rule")?))
}

fn confidence(facts: &Json) -> Option<String> {
    let number = |name: &str| facts.get(name)?.as_f64();
    let told = format!("{:.2}; at least {:.2} is asked", number("score")?, number("floor")?);
    Some(match part(facts, "reason") {
        Some(why) => format!("{told}; not surer because {why}"),
        None => told,
    })
}

fn policy(facts: &Json, passed: bool) -> Option<String> {
    let verb = part(facts, "verb")?;
    let by = part(facts, "policies").map_or_else(String::new, |by| format!(", by {by}"));
    if !passed {
        return Some(format!("it does not permit to {verb} this{by}"));
    }
    let mode = part(facts, "mode").map_or_else(String::new, |mode| format!(", in mode {mode}"));
    Some(format!("it permits to {verb} this{mode}{by}"))
}

fn unchanged(facts: &Json) -> Option<String> {
    let changes = facts.get("changes")?.as_array()?;
    let one = |change: &Json| {
        let value = |name: &str| change.get(name).map(words);
        Some(format!("{} was {} and is {}", value("path")?, value("before")?, value("now")?))
    };
    if changes.is_empty() {
        return Some("none of the values on the card changed".to_owned());
    }
    Some(changes.iter().filter_map(one).collect::<Vec<_>>().join("; "))
}

fn limit(facts: &Json) -> Option<String> {
    let says = |name: &str| facts.get(name).is_some_and(|value| !is_empty(value));
    // A limit may be of money, of actions or of both: what it is not of does not count.
    let (of_money, of_count) = (says("most"), says("count"));
    let money = |name: &str, of: &Json| part(of, name).filter(|_| of_money);
    let count = |of: &Json| of.get("count").and_then(Json::as_u64).filter(|_| of_count);
    let both = |name: &str, of: &Json| {
        let parts: Vec<_> = money(name, of).into_iter().chain(count(of).map(actions)).collect();
        (!parts.is_empty()).then(|| parts.join(" and "))
    };
    let most = both("most", facts)?;
    let within = window(facts.get("within_seconds")?.as_u64()?);
    let mut told = vec![format!("at most {most} per {} within {within}", part(facts, "per")?)];
    let before = facts.get("so_far").and_then(|so_far| both("money", so_far));
    told.extend(before.map(|before| format!("{before} before")));
    told.extend(money("money", facts).map(|money| format!("this one adds {money}")));
    Some(told.join("; "))
}

fn actions(count: u64) -> String {
    if count == 1 { "1 action".to_owned() } else { format!("{count} actions") }
}

fn window(seconds: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let unit = units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    let (unit, name) = unit.copied().unwrap_or((1, "second"));
    match seconds / unit {
        1 => format!("1 {name}"),
        many => format!("{many} {name}s"),
    }
}

/// A rule of the contract: what it saw, and how it is written.
fn condition(facts: &Json) -> Option<String> {
    let facts = facts.as_object()?;
    let rule = facts.get("rule")?.as_str()?;
    let places = facts.iter().filter(|(place, _)| *place != "rule");
    let seen: Vec<_> = places
        .map(|(place, is)| format!("{} is {}", place.trim_start_matches("state."), shown(is)))
        .collect();
    Some(if seen.is_empty() { rule.to_owned() } else { format!("{} ({rule})", seen.join("; ")) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gate(gate: &str, passed: bool, facts: Json) -> Gate {
        Gate { gate: gate.to_owned(), passed, facts }
    }

    fn told(gates: &[Gate]) -> Vec<String> {
        lines(gates).into_iter().map(|(name, text)| format!("{name}: {text}")).collect()
    }

    #[test]
    fn each_gate_is_a_sentence_without_what_is_empty() {
        let eur = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
        let limit = |most: &[Json], count: Option<u32>, so_far: Json| {
            json!({ "per": "customer", "within_seconds": 86_400, "most": most, "count": count,
                "so_far": so_far, "money": eur("30.00") })
        };
        let so_far = || json!({ "money": eur("480.00"), "count": 3 });
        let most = [eur("500.00")];
        let rule = json!({ "rule": "state.order.left > 0", "state.order.left": 3 });
        let gates = [
            gate("confidence", true, json!({ "score": 0.92, "floor": 0.8, "reason": "" })),
            gate("limit both", true, limit(&most, Some(20), so_far())),
            gate("limit money", false, limit(&most, None, so_far())),
            gate("limit actions", true, limit(&[], Some(20), so_far())),
            gate("limit of others", true, limit(&[], Some(1), Json::Null)),
            gate("NOTHING_LEFT_TO_REFUND", true, rule),
            gate("unchanged", true, json!({ "changes": [] })),
        ];
        assert_eq!(
            told(&gates),
            [
                "Confidence: 0.92; at least 0.80 is asked",
                "Limit both: at most EUR 500.00 and 20 actions per customer within 1 day; \
                 EUR 480.00 and 3 actions before; this one adds EUR 30.00",
                "Limit money: refused: at most EUR 500.00 per customer within 1 day; EUR 480.00 \
                 before; this one adds EUR 30.00",
                "Limit actions: at most 20 actions per customer within 1 day; 3 actions before",
                "Limit of others: at most 1 action per customer within 1 day",
                "Condition: order.left is 3 (state.order.left > 0)",
                "Unchanged: none of the values on the card changed",
            ]
        );
    }

    #[test]
    fn a_gate_that_refuses_has_its_code_and_repeats_stand_once() {
        let rule = || json!({ "rule": "state.order.left > 0", "state.order.left": null });
        let gates = [
            gate("LEFT", false, rule()),
            gate("use", true, Json::Null),
            gate("use", true, Json::Null),
        ];
        let wanted = ["LEFT: refused: order.left is none (state.order.left > 0)", "use: passed"];
        assert_eq!(told(&gates), wanted);
    }
}
