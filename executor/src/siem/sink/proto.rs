//! The few messages of OTLP logs that are needed, with the field numbers of
//! `opentelemetry/proto/logs/v1/logs.proto`.

use crate::siem::event::Event;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeLogs {
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LogRecord {
    /// Nanoseconds since 1970.
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(int32, tag = "2")]
    severity: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(string, tag = "12")]
    event_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
}

/// A collector's answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Answer {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<Partial>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Partial {
    #[prost(int64, tag = "1")]
    pub(super) rejected: i64,
}

/// One request with these events, each as a JSON text.
pub(super) fn of(events: &[Event]) -> Export {
    let service = KeyValue { key: "service.name".to_owned(), value: text("countersign-executor") };
    let log_records = events.iter().map(record).collect();
    Export {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource { attributes: vec![service] }),
            scope_logs: vec![ScopeLogs { log_records }],
        }],
    }
}

fn record(event: &Event) -> LogRecord {
    let (severity, name) = match event.severity {
        4.. => (17, "ERROR"),
        3 => (13, "WARN"),
        _ => (9, "INFO"),
    };
    LogRecord {
        time: u64::try_from(event.at.as_nanosecond()).unwrap_or_default(),
        severity,
        severity_text: name.to_owned(),
        body: text(&event.body.to_string()),
        event_name: "countersign.ocsf".to_owned(),
    }
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::Text(text.to_owned())) })
}
