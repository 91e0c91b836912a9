//! Tables for people: one per measure, every target beside its figure.

use std::fmt::Write as _;

/// A table of text; the first column is left-aligned, the others are figures.
pub struct Table {
    title: String,
    /// How many columns are text.
    texts: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table under a title, with the heads of its columns.
    #[must_use]
    pub fn new(title: impl Into<String>, heads: &[&str]) -> Self {
        Self {
            title: title.into(),
            texts: 1,
            rows: vec![heads.iter().map(ToString::to_string).collect()],
        }
    }

    /// So many columns are left-aligned.
    #[must_use]
    pub fn with_texts(self, texts: usize) -> Self {
        Self { texts, ..self }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as it is printed.
    #[must_use]
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = format!("\n{}\n", self.title);
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let _ = if column < self.texts {
                    write!(text, "  {cell:<width$}")
                } else {
                    write!(text, "  {cell:>width$}")
                };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    /// Prints it.
    pub fn print(&self) {
        print!("{}", self.text());
    }
}

/// A figure with so many digits, or a dash.
#[must_use]
pub fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// One figure over another with two digits, or a dash.
#[must_use]
pub fn ratio(value: Option<f64>, base: Option<f64>) -> String {
    figure(divide(value, base), 2)
}

/// One figure over another.
#[must_use]
pub fn divide(value: Option<f64>, base: Option<f64>) -> Option<f64> {
    Some(value? / base.filter(|base| *base > 0.0)?)
}

/// Says whether a figure of ours keeps to its limit, and counts those that do not.
#[derive(Default)]
pub struct Verdicts {
    missed: usize,
    unknown: usize,
}

impl Verdicts {
    /// Prints one line for one target.
    pub fn at_most(&mut self, what: &str, value: Option<f64>, limit: f64) {
        let verdict = match value {
            None => {
                self.unknown += 1;
                "not measured"
            }
            Some(value) if value <= limit => "ok",
            Some(_) => {
                self.missed += 1;
                "MISSED"
            }
        };
        let digits = if limit < 10.0 { 2 } else { 0 };
        println!("  {what}: {} (at most {limit:.digits$}): {verdict}", figure(value, digits));
    }

    /// The last line of a bench, and with `--check` its exit status.
    #[must_use]
    pub fn finish(&self, check: bool) -> std::process::ExitCode {
        println!("\n{} missed, {} not measured", self.missed, self.unknown);
        if check && self.missed > 0 { 1.into() } else { 0.into() }
    }
}

/// The middle one of some figures.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, median};

    #[test]
    fn figures_stand_under_their_heads() {
        let mut table = Table::new("Title", &["server", "calls"]);
        table.row(vec!["C".into(), "2.03".into()]);
        assert_eq!(table.text(), "\nTitle\n  server  calls\n  C        2.03\n");
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
