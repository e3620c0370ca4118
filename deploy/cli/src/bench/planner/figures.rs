//! What was measured of the planner.

use std::fmt;

use serde::Serialize;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// When, in UTC.
    pub(super) at: String,
    /// `release` or `debug`.
    pub(super) build: &'static str,
    pub(super) cores: usize,
    pub(super) overhead: Overhead,
    pub(super) streaming: Streaming,
}

/// What the planner adds to a turn, in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Overhead {
    pub(super) turns: u32,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    /// Time inside model and executor, which is not counted.
    pub(super) inside_stubs_p50_us: u64,
    /// A turn at its frontend, nothing taken off.
    pub(super) whole_p50_us: u64,
    /// The model and the read, asked by a program that does nothing else.
    pub(super) direct_p50_us: u64,
    /// What a frontend waits longer for the planner than such a program does.
    pub(super) beyond_direct_p50_us: u64,
    /// Processor time of the planner for a turn.
    pub(super) processor_us: u64,
}

/// Many conversations at once.
#[derive(Debug, Serialize)]
pub(super) struct Streaming {
    pub(super) conversations: u32,
    pub(super) begun_a_second: u32,
    /// The most that were open at one moment.
    pub(super) at_once: u64,
    pub(super) errors: usize,
    pub(super) first_error: Option<String>,
    /// Microseconds from when each was due.
    pub(super) first_byte_p50_us: u64,
    pub(super) first_byte_p99_us: u64,
    /// Bytes of the planner's process before, and at most.
    pub(super) resident_before: u64,
    pub(super) resident_most: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { overhead, streaming, .. } = self;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let ms = |micros: u64| micros as f64 / 1000.0;
        writeln!(f, "Planner, {} build, {} cores, {}\n", self.build, self.cores, self.at)?;
        writeln!(
            f,
            "Added to a turn      p50 {:.2} ms, p99 {:.2} ms ({} turns; stubs {:.3} ms)",
            ms(overhead.p50_us),
            ms(overhead.p99_us),
            overhead.turns,
            ms(overhead.inside_stubs_p50_us)
        )?;
        writeln!(
            f,
            "  whole at p50       {:.2} ms: {:.2} ms to ask model and executor directly, {:.2} ms on top",
            ms(overhead.whole_p50_us),
            ms(overhead.direct_p50_us),
            ms(overhead.beyond_direct_p50_us)
        )?;
        writeln!(f, "  processor          {:.2} ms", ms(overhead.processor_us))?;
        writeln!(
            f,
            "Streaming at once    {} of {}, {} errors",
            streaming.at_once, streaming.conversations, streaming.errors
        )?;
        if let Some(error) = &streaming.first_error {
            writeln!(f, "  the first error    {}", crate::text::one_line(error))?;
        }
        writeln!(
            f,
            "To the first byte    p50 {:.2} ms, p99 {:.2} ms, {} begun a second",
            ms(streaming.first_byte_p50_us),
            ms(streaming.first_byte_p99_us),
            streaming.begun_a_second
        )?;
        write!(
            f,
            "Memory               {:.0} MiB before, {:.0} MiB at most",
            mib(streaming.resident_before),
            mib(streaming.resident_most)
        )
    }
}
