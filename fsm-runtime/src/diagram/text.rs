//! Words that all pictures share, and a line that knows how far it has come.

use core::fmt::{self, Display, Formatter, Write};
use core::time::Duration;

use crate::table::{Deadline, DeadlineKind, Limit, Row, Target};

/// Why a state is left, or is not.
#[derive(Clone, Copy)]
pub(super) enum Cause<'a> {
    Event(&'a Row),
    Deadline(&'a Deadline),
}

impl<'a> Cause<'a> {
    pub(super) fn targets(self) -> &'a [Target] {
        match self {
            Self::Event(row) => row.targets,
            Self::Deadline(deadline) => deadline.targets,
        }
    }
}

impl Display for Cause<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(row) => out.write_str(row.pattern),
            Self::Deadline(deadline) => write_deadline(deadline, out),
        }
    }
}

fn write_deadline(deadline: &Deadline, out: &mut Formatter<'_>) -> fmt::Result {
    match deadline.limit {
        Limit::Fixed(limit) => write!(out, "after {}", Span(limit))?,
        Limit::Method(method) => write!(out, "after {method}()")?,
    }
    match deadline.kind {
        DeadlineKind::SinceEntry => Ok(()),
        DeadlineKind::WithoutInput => out.write_str(" without input"),
        DeadlineKind::OfPartial => out.write_str(" of partial"),
        DeadlineKind::WithoutProgress => out.write_str(" without progress"),
        DeadlineKind::WithoutBytes { bytes } => write!(out, " without {bytes} bytes"),
    }
}

/// The text behind a target, in quotes as in the table, with a space before it.
pub(super) struct Label(pub(super) Target);

impl Display for Label {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Target::Stay { label: Some(label) } | Target::Enter { label: Some(label), .. } => {
                write!(out, " \"{label}\"")
            }
            _ => Ok(()),
        }
    }
}

/// A duration as the table language has it: `10s`, `5min`.
pub(super) struct Span(pub(super) Duration);

impl Display for Span {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let units = [(3_600_000, "h"), (60_000, "min"), (1000, "s")];
        let fits = |unit: &&(u128, &str)| milliseconds > 0 && milliseconds.is_multiple_of(unit.0);
        let (unit, name) = units.iter().find(fits).unwrap_or(&(1, "ms"));
        write!(out, "{}{name}", milliseconds / unit)
    }
}

/// How many characters a text has.
pub(super) fn width(text: &dyn Display) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.chars().count();
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting never fails.
    let _ = write!(count, "{text}");
    count.0
}

/// A line that is written from left to right and has no blanks at its end.
pub(super) struct Line<'a, 'b> {
    out: &'a mut Formatter<'b>,
    at: usize,
}

impl<'a, 'b> Line<'a, 'b> {
    pub(super) fn new(out: &'a mut Formatter<'b>) -> Self {
        Self { out, at: 0 }
    }

    /// Writes at the present end.
    pub(super) fn push(&mut self, text: &dyn Display) -> fmt::Result {
        self.at += width(text);
        write!(self.out, "{text}")
    }

    /// Writes at a column, or two blanks behind what already reaches there.
    pub(super) fn put(&mut self, column: usize, text: &dyn Display) -> fmt::Result {
        if width(text) == 0 {
            return Ok(());
        }
        let free = if self.at == 0 { 0 } else { self.at + 2 };
        self.fill(column.max(free), ' ')?;
        self.push(text)
    }

    /// Repeats a character up to a column.
    pub(super) fn fill(&mut self, column: usize, with: char) -> fmt::Result {
        while self.at < column {
            self.out.write_char(with)?;
            self.at += 1;
        }
        Ok(())
    }

    pub(super) fn end(self) -> fmt::Result {
        self.out.write_char('\n')
    }
}
