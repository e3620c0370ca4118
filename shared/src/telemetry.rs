//! Log lines of the services: one format for machines, one for people, no secret in either.

use std::panic::PanicHookInfo;

use serde::Deserialize;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

/// Prints whole model answers, customers' words included.
const SILENCED: &str = "async_openai::error";

/// Sends log lines to standard error from here on, and a panic's place instead of its message.
///
/// `RUST_LOG` chooses what is logged, in the usual syntax (`info,countersign_executor=debug`);
/// without it, everything from `info` up.
///
/// # Errors
/// When `RUST_LOG` does not parse, or logging was set up before.
pub fn init(format: LogFormat) -> Result<(), TelemetryError> {
    let filter = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    tracing::subscriber::set_global_default(subscriber(format, &filter, std::io::stderr)?)
        .map_err(|_| TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for log collectors.
    #[default]
    Json,
    /// For a person at a terminal.
    Pretty,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("RUST_LOG does not parse ({0}): write it like info,countersign_executor=debug")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// `init` ran before.
    #[error("logging is already set up: call init once")]
    Twice,
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let chosen =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Pretty => lines.with_ansi(false).boxed(),
    };
    // A filter of its own, so that no RUST_LOG can let it through (NO SECRET LEAVES).
    Ok(Registry::default().with(lines).with(chosen).with(filter_fn(may_be_logged)))
}

fn may_be_logged(line: &Metadata<'_>) -> bool {
    !line.target().starts_with(SILENCED)
}

/// The message of a panic can quote any value the code held, so only its place is told
/// (NO SECRET LEAVES).
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    match panic.location() {
        Some(at) => tracing::error!(file = at.file(), line = at.line(), thread, "panicked"),
        None => tracing::error!(thread, "panicked"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, filter, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn speak() {
        tracing::info!(order = "1001", "heard");
        tracing::debug!("whispered");
        tracing::error!(target: "async_openai::error", "my card is 4111");
    }

    #[test]
    fn info_and_up_unless_told_otherwise() {
        let text = logged(LogFormat::Pretty, "", speak);
        assert!(text.contains("heard") && !text.contains("whispered"), "{text}");
        assert!(logged(LogFormat::Pretty, "debug", speak).contains("whispered"));
        assert!(!logged(LogFormat::Pretty, "warn", speak).contains("heard"));
    }

    #[test]
    fn a_json_line_is_one_object() {
        let text = logged(LogFormat::Json, "", speak);
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line.get("order").unwrap(), "1001");
    }

    #[test]
    fn model_answers_stay_out_whatever_the_filter() {
        for filter in ["", "trace", "async_openai::error=trace", "async_openai=trace"] {
            let text = logged(LogFormat::Json, filter, speak);
            assert!(!text.contains("4111"), "{filter}: {text}");
        }
    }

    #[test]
    fn a_panic_tells_its_place_and_not_its_message() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        let text = logged(LogFormat::Json, "", || {
            let caught = std::panic::catch_unwind(|| panic!("key is shpat_12345"));
            assert!(caught.is_err());
        });
        std::panic::set_hook(before);
        assert!(text.contains("telemetry.rs") && text.contains("panicked"), "{text}");
        assert!(!text.contains("shpat_12345"), "{text}");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_said() {
        let error = subscriber(LogFormat::Json, "loud=extremely", io::sink).err().unwrap();
        assert!(error.to_string().contains("RUST_LOG"), "{error}");
    }
}
