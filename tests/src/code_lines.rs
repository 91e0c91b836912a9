//! What counts as a line of code where programs are compared by length.
//!
//! The test of the echo servers and the bench of the three models both count by it, so it knows
//! nothing of either.

/// The code lines of a file: all but blank ones, comments, lint attributes of the whole file, and
/// its tests, which stand last.
#[must_use]
pub fn code_lines(source: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut in_file_attribute = false;
    for line in source.lines().map(str::trim) {
        if line == "#[cfg(test)]" {
            break;
        }
        in_file_attribute |= line.starts_with("#![");
        if !in_file_attribute && !line.is_empty() && !line.starts_with("//") {
            lines.push(line);
        }
        in_file_attribute &= !line.ends_with(']');
    }
    lines
}
