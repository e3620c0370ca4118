//! The report for a person.

use std::fmt;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use super::report::{Figures, Level, Report};

const HEAD: [&str; 9] = [
    "callers",
    "",
    "a second",
    "to forwarder",
    "to write alone",
    "p50 ms",
    "p99 ms",
    "processor µs",
    "flushes",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, build, cores, rounds, round_ms, .. } = self;
        writeln!(
            f,
            "{at}, {build} build, {cores} cores for everything, {rounds} rounds of {round_ms} ms\n"
        )?;
        writeln!(f, "{}\n", figures(&self.levels))?;
        for level in &self.levels {
            beyond(f, level)?;
        }
        let (before, after) =
            (self.disk.append_and_fdatasync_before, self.disk.append_and_fdatasync_after);
        writeln!(
            f,
            "append + fdatasync: p50 {} µs, p99 {} µs before; p50 {} µs, p99 {} µs after",
            before.p50_us, before.p99_us, after.p50_us, after.p99_us
        )?;
        match &self.disk.flushes_of {
            Some(device) => writeln!(
                f,
                "flushes: those that {device} completed for each reply, whoever asked for them; several at once count as one"
            )?,
            None => {
                writeln!(f, "flushes are not counted: --dir lies on no block device of its own")?
            }
        }
        for one in &self.stores {
            let memory = one.resident_bytes.map_or_else(
                || "unknown".to_owned(),
                |bytes| format!("{} MiB", bytes.div_ceil(1 << 20)),
            );
            let (name, proof) = (one.store.name(), &one.proof);
            writeln!(
                f,
                "{name}: started in {} ms, {memory} resident\nproved for {name}: {} effects = {} receipts = {} replies; {} repeats without an effect; {} backend calls an action",
                one.start_ms,
                proof.effects,
                proof.receipts,
                proof.replies,
                proof.repeats,
                proof.backend_calls
            )?;
        }
        write!(f, "forwarder: {} effects = replies", self.forwarded)
    }
}

fn figures(levels: &[Level]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(HEAD);
    for level in levels {
        let callers = level.callers.to_string();
        let forwarder = &level.forwarder;
        table.add_row(row(&callers, "forwarder", &forwarder.action, ["".into(), "".into()]));
        table.add_row(row("", "  write alone", &forwarder.write_only, ["".into(), "".into()]));
        for one in &level.executors {
            let share = |ratio: f64| format!("{ratio:.2}");
            let both = [share(one.action_to_forwarder), share(one.action_to_write_only)];
            table.add_row(row("", &one.store.name(), &one.action, both));
            let repeat = [share(one.repeat_to_forwarder), String::new()];
            table.add_row(row("", "  repeats", &one.repeat, repeat));
        }
    }
    let numbers = table.column_iter_mut().enumerate().filter(|(at, _)| *at != 1);
    numbers.for_each(|(_, column)| column.set_cell_alignment(CellAlignment::Right));
    table.trim_fmt()
}

fn row(callers: &str, what: &str, figures: &Figures, ratios: [String; 2]) -> Vec<String> {
    let ms = |us: u64| format!("{:.2}", us as f64 / 1000.0);
    let or_none = |value: Option<f64>, places: usize| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.places$}"))
    };
    let [forwarder, write_only] = ratios;
    vec![
        callers.to_owned(),
        what.to_owned(),
        format!("{:.0}", figures.per_second),
        forwarder,
        write_only,
        ms(figures.latency.p50_us),
        ms(figures.latency.p99_us),
        or_none(figures.processor_us, 0),
        or_none(figures.flushes, 2),
    ]
}

/// What an executor adds to a single action, and what a full store costs.
fn beyond(f: &mut fmt::Formatter<'_>, level: &Level) -> fmt::Result {
    for one in &level.executors {
        let (name, callers) = (one.store.name(), level.callers);
        if let Some(us) = one.beyond_two_syncs_us {
            writeln!(f, "{name}: {us} µs beyond the forwarder and two syncs, for one caller")?;
        }
        if let Some(ratio) = one.action_to_empty {
            writeln!(f, "{name}: {ratio:.2} of the empty store's actions with {callers} at once")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;

    #[test]
    fn a_person_reads_what_was_compared_and_that_it_was_proved() {
        let text = report().to_string();
        for part in [
            "debug build",
            "sqlite: 600 µs beyond the forwarder and two syncs",
            "9 effects = 9 receipts = 9 replies; 4 repeats without an effect",
            "started in 80 ms, 32 MiB resident",
            "flushes are not counted",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }
}
