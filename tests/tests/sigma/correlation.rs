//! Sigma's correlation `event_count`: how many hits of one group there are in a time.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rule::field_of;

pub struct Correlation {
    fields: Vec<String>,
    /// Milliseconds.
    span: i64,
    count: Count,
}

enum Count {
    AtLeast(usize),
    FewerThan(usize),
}

impl Correlation {
    pub fn read(from: &Value) -> Self {
        assert_eq!(from["type"], "event_count");
        let fields = from["group-by"].as_array().unwrap().iter();
        let fields = fields.map(|field| field.as_str().unwrap().to_owned()).collect();
        let condition = from["condition"].as_object().unwrap();
        assert_eq!(condition.len(), 1);
        let (kind, number) = condition.iter().next().unwrap();
        let number = usize::try_from(number.as_u64().unwrap()).unwrap();
        let count = match kind.as_str() {
            "gte" => Count::AtLeast(number),
            "lt" => Count::FewerThan(number),
            other => panic!("this evaluator does not know the condition {other}"),
        };
        Self { fields, span: span(from["timespan"].as_str().unwrap()), count }
    }

    /// Whether it fires on these hits. All events, hits or not, say until when was watched.
    pub fn fires(&self, hits: &[&Value], all: &[Value]) -> bool {
        let mut groups: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for hit in hits {
            let key = self.fields.iter().map(|field| format!("{:?};", field_of(hit, field)));
            groups.entry(key.collect()).or_default().push(time(hit));
        }
        let end = all.iter().map(time).max().unwrap_or_default();
        groups.values().any(|times| self.fires_in(times, end))
    }

    fn fires_in(&self, times: &[i64], end: i64) -> bool {
        // A time in which there is most begins with a hit; one in which there is least, after one.
        let within =
            |from: i64| times.iter().filter(|at| (from..from + self.span).contains(at)).count();
        match self.count {
            Count::AtLeast(most) => times.iter().any(|from| within(*from) >= most),
            Count::FewerThan(least) => {
                times.iter().any(|from| from + 1 + self.span <= end && within(from + 1) < least)
            }
        }
    }
}

fn time(event: &Value) -> i64 {
    event["time"].as_i64().unwrap()
}

fn span(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        other => panic!("{other} is no unit"),
    };
    number.parse::<i64>().unwrap() * seconds * 1000
}
