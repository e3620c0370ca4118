//! A page of named lines under headings, for a terminal.

use std::io::{self, Write};

use crate::text::{one_line, printable, wrap};

/// Characters of the left column, and of a line beside it.
const NAME: usize = 26;
const WIDTH: usize = 78;

/// Where a page is written to.
pub(crate) struct Page<'w, W> {
    pub(crate) out: &'w mut W,
}

impl<W: Write> Page<'_, W> {
    pub(crate) fn head(&mut self, title: &str) -> io::Result<()> {
        writeln!(self.out, "\n{title}")
    }

    /// A named line; nothing where there is nothing to say.
    pub(crate) fn line(&mut self, name: &str, text: &str) -> io::Result<()> {
        let mut lines = wrap(printable(text).trim_end(), WIDTH).into_iter();
        let Some(first) = lines.next().filter(|first| !first.is_empty()) else {
            return Ok(());
        };
        writeln!(self.out, "  {:<NAME$} {first}", one_line(name))?;
        lines.try_for_each(|line| writeln!(self.out, "  {:<NAME$} {line}", ""))
    }
}
