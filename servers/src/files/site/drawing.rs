//! The drawing of a table as a picture: what [`Table::diagram`] writes in characters, as SVG.
//!
//! The drawing says which line leads where, and this only sets it: each state has a colour, and so
//! has every line that leads to it. Whatever the table language comes to say, the picture says too.

use std::fmt::{self, Write as _};

use fsm_runtime::table::Table;
use html_escape::encode_safe;

/// The width of a character, in units of the picture.
const WIDTH: usize = 8;

/// The height of a line, in the same units.
const HEIGHT: usize = 18;

/// The colours that the style has; with more states they come round again.
pub(super) const COLOURS: usize = 8;

/// What of a table no colour is for: the lines on its left.
const NEUTRAL: usize = COLOURS;

/// The picture, which fits any width. What it looks like is the page's style: states and the lines
/// to them are of the classes `c0` to `c7`.
pub(super) fn svg(table: &Table) -> String {
    let text = table.diagram().to_string();
    let drawing = Drawing::read(&text);
    let mut svg = String::new();
    // Text can always be written to memory.
    let _ = drawing.write(&mut svg, table.machine);
    svg
}

struct Drawing {
    lines: Vec<Vec<char>>,
    width: usize,
    /// The colour of each character's vertical and horizontal strokes.
    upright: Vec<Vec<usize>>,
    level: Vec<Vec<usize>>,
}

/// Which strokes a character has: up, right, down, left.
fn strokes(character: char) -> [bool; 4] {
    match character {
        '─' => [false, true, false, true],
        '│' => [true, false, true, false],
        '├' => [true, true, true, false],
        '┤' => [true, false, true, true],
        '┬' => [false, true, true, true],
        '┴' => [true, true, false, true],
        '┼' => [true, true, true, true],
        '◄' => [false, true, false, false],
        '╮' => [false, false, true, true],
        '╯' => [true, false, false, true],
        '╰' => [true, true, false, false],
        '╭' => [false, true, true, false],
        _ => [false; 4],
    }
}

fn is_stroke(character: char) -> bool {
    strokes(character) != [false; 4]
}

/// Corners are drawn round, and not of strokes.
fn is_corner(character: char) -> bool {
    matches!(character, '╮' | '╯' | '╰' | '╭')
}

/// What opens the line of a state, or of a group of them.
fn is_mark(character: char) -> bool {
    matches!(character, '●' | '○' | '◉' | '⊗' | '□')
}

impl Drawing {
    fn read(text: &str) -> Self {
        let mut lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        let width = lines.iter().map(Vec::len).max().unwrap_or(0);
        for line in &mut lines {
            line.resize(width, ' ');
        }
        let neutral = vec![vec![NEUTRAL; width]; lines.len()];
        let mut drawing = Self { lines, width, upright: neutral.clone(), level: neutral };
        drawing.colour_lanes();
        drawing.colour_branches();
        drawing
    }

    fn has(&self, line: usize, at: usize, stroke: usize) -> bool {
        let character = self.lines.get(line).and_then(|line| line.get(at));
        character.is_some_and(|character| strokes(*character)[stroke])
    }

    /// The states in order, each with its line.
    fn states(&self) -> impl Iterator<Item = (usize, usize)> {
        let is_state = |line: &&Vec<char>| matches!(line.first(), Some('●' | '○' | '◉' | '⊗'));
        let lines = self.lines.iter().enumerate().filter(move |(_, line)| is_state(line));
        lines.map(|(line, _)| line).enumerate()
    }

    /// A state's lane is the upright line that its arrow comes from.
    fn colour_lanes(&mut self) {
        let states: Vec<_> = self.states().collect();
        for (state, line) in states {
            let arrow = self.lines[line].iter().position(|character| *character == '◄');
            let Some(lane) = arrow.and_then(|arrow| self.end_of(line, arrow)) else { continue };
            let colour = state % COLOURS;
            self.upright[line][lane] = colour;
            let mut up = line;
            while up > 0 && self.has(up, lane, 0) && self.has(up - 1, lane, 2) {
                up -= 1;
                self.upright[up][lane] = colour;
            }
            let mut down = line;
            while self.has(down, lane, 2) && self.has(down + 1, lane, 0) {
                down += 1;
                self.upright[down][lane] = colour;
            }
        }
    }

    /// Where the level line that goes on to the right of a place ends in a lane.
    fn end_of(&self, line: usize, from: usize) -> Option<usize> {
        let characters = &self.lines[line];
        let end = (from..self.width).skip(1).find(|at| !matches!(characters[*at], '─' | '┼'))?;
        matches!(characters[end], '┤' | '╮' | '╯').then_some(end)
    }

    /// Level lines have the colour of the lane they lead to.
    fn colour_branches(&mut self) {
        for line in 0..self.lines.len() {
            for at in 0..self.width {
                if !self.has(line, at, 1) {
                    continue;
                }
                if let Some(end) = self.end_of(line, at) {
                    let colour = self.upright[line][end];
                    self.level[line][at..=end].fill(colour);
                }
            }
        }
    }

    fn write(&self, svg: &mut String, machine: &str) -> fmt::Result {
        let (width, height) = (self.width * WIDTH, self.lines.len() * HEIGHT);
        write!(svg, "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"")?;
        write!(svg, "The states of {} and what leads from each to which\">", encode_safe(machine))?;
        for colour in 0..=NEUTRAL {
            let path = self.path(colour)?;
            if !path.is_empty() {
                write!(svg, "<path class=\"c{colour}\" d=\"{path}\"/>")?;
            }
        }
        let mut state = 0;
        for line in 0..self.lines.len() {
            let is_state = matches!(self.lines[line].first(), Some('●' | '○' | '◉' | '⊗'));
            let colour = if is_state { state % COLOURS } else { NEUTRAL };
            state += usize::from(is_state);
            self.write_signs(svg, line, colour)?;
            self.write_text(svg, line, colour)?;
        }
        svg.push_str("</svg>");
        Ok(())
    }

    /// All strokes of one colour.
    fn path(&self, colour: usize) -> Result<String, fmt::Error> {
        let mut path = String::new();
        for line in 0..self.lines.len() {
            let colours = &self.level[line];
            let is_drawn =
                |at: usize, side| colours[at] == colour && self.is_straight(line, at, side);
            for (from, to) in runs(self.width, |at| (is_drawn(at, 3), is_drawn(at, 1))) {
                let (x, y) = (from * WIDTH / 2, line * HEIGHT + HEIGHT / 2);
                write!(path, "M{x} {y}h{}", (to - from) * WIDTH / 2)?;
            }
        }
        for at in 0..self.width {
            let is_drawn = |line: usize, side| {
                self.upright[line][at] == colour && self.is_straight(line, at, side)
            };
            for (from, to) in runs(self.lines.len(), |line| (is_drawn(line, 0), is_drawn(line, 2)))
            {
                let (x, y) = (at * WIDTH + WIDTH / 2, from * HEIGHT / 2);
                write!(path, "M{x} {y}v{}", (to - from) * HEIGHT / 2)?;
            }
        }
        self.write_corners(&mut path, colour)?;
        Ok(path)
    }

    fn is_straight(&self, line: usize, at: usize, stroke: usize) -> bool {
        !is_corner(self.lines[line][at]) && self.has(line, at, stroke)
    }

    fn write_corners(&self, path: &mut String, colour: usize) -> fmt::Result {
        for (line, characters) in self.lines.iter().enumerate() {
            for (at, character) in characters.iter().enumerate() {
                // A corner on the left begins a line of the colour it leads to.
                let of = match character {
                    '╮' | '╯' => self.upright[line][at],
                    '╰' | '╭' => NEUTRAL,
                    _ => continue,
                };
                if of != colour {
                    continue;
                }
                let [up, right, ..] = strokes(*character);
                let (x, y) = (at * WIDTH + WIDTH / 2, line * HEIGHT + HEIGHT / 2);
                let side = if right { (at + 1) * WIDTH } else { at * WIDTH };
                let end = if up { line * HEIGHT } else { (line + 1) * HEIGHT };
                let (from, to) = if up { (y - WIDTH / 2, end) } else { (y + WIDTH / 2, end) };
                write!(path, "M{side} {y}Q{x} {y} {x} {from}V{to}")?;
            }
        }
        Ok(())
    }

    /// The mark of a state, the head of its arrow, and a dot wherever a line joins a lane.
    fn write_signs(&self, svg: &mut String, line: usize, colour: usize) -> fmt::Result {
        let y = line * HEIGHT + HEIGHT / 2;
        for (at, character) in self.lines[line].iter().enumerate() {
            let x = at * WIDTH + WIDTH / 2;
            match character {
                '●' => {
                    write!(svg, "<circle class=\"c{colour} on\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>")
                }
                '○' => {
                    write!(svg, "<circle class=\"c{colour}\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"/>")
                }
                '◉' => {
                    write!(svg, "<circle class=\"c{colour}\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>")?;
                    write!(svg, "<circle class=\"c{colour} on\" cx=\"{x}\" cy=\"{y}\" r=\"1\"/>")
                }
                '⊗' => {
                    write!(
                        svg,
                        "<path class=\"c{colour}\" d=\"M{} {}l7 7m0-7l-7 7\"/>",
                        x - 3,
                        y - 3
                    )
                }
                '□' => {
                    write!(svg, "<path class=\"c{colour}\" d=\"M{} {}h7v7h-7z\"/>", x - 3, y - 3)
                }
                '◄' => {
                    let tip = at * WIDTH;
                    write!(svg, "<path class=\"c{colour} on\" d=\"M{tip} {y}l7-4v8z\"/>")
                }
                '┤' => {
                    let lane = self.upright[line][at];
                    write!(svg, "<circle class=\"c{lane} on\" cx=\"{x}\" cy=\"{y}\" r=\"1.5\"/>")
                }
                _ => Ok(()),
            }?;
        }
        Ok(())
    }

    fn write_text(&self, svg: &mut String, line: usize, colour: usize) -> fmt::Result {
        let characters = &self.lines[line];
        let is_drawn = |at: usize| is_stroke(characters[at]) || at == 0 && is_mark(characters[at]);
        let class = if characters.first().copied().is_some_and(is_mark) {
            format!("c{colour} state")
        } else {
            "row".to_owned()
        };
        for (from, to) in runs(self.width, |at| (!is_drawn(at), !is_drawn(at))) {
            let run = &characters[from / 2..to / 2];
            let text: String = run.iter().collect();
            let lead = text.chars().take_while(|character| *character == ' ').count();
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let (x, y) = ((from / 2 + lead) * WIDTH, line * HEIGHT + HEIGHT * 3 / 4);
            let (length, text) = (text.chars().count() * WIDTH, encode_safe(text));
            write!(svg, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" textLength=\"{length}\" ")?;
            write!(svg, "lengthAdjust=\"spacingAndGlyphs\">{text}</text>")?;
        }
        Ok(())
    }
}

/// Joins what is drawn: of each of so many places the first half, the second, or both. Answers
/// where each piece begins and ends, in halves.
fn runs(places: usize, is_drawn: impl Fn(usize) -> (bool, bool)) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut begun = None;
    for half in 0..=places * 2 {
        let is_on = half < places * 2 && {
            let (first, second) = is_drawn(half / 2);
            if half % 2 == 0 { first } else { second }
        };
        match (begun, is_on) {
            (None, true) => begun = Some(half),
            (Some(from), false) => {
                runs.push((from, half));
                begun = None;
            }
            _ => {}
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "\
● Idle ◄────╮
├─┬ Go ↻    │
│ ╰─ \"on\" ──┼─╮
╰── eof ────┼─┼─╮
            │ │ │
○ Busy ◄────┼─╯ │
╰── \"<\" ────╯   │
                │
◉ Closed ◄──────╯
";

    #[test]
    fn lines_have_the_colour_of_where_they_lead() {
        let drawing = Drawing::read(SMALL);
        assert_eq!(drawing.states().collect::<Vec<_>>(), [(0, 0), (1, 5), (2, 8)]);
        assert_eq!(drawing.upright[0][12], 0);
        assert_eq!(drawing.upright[6][12], 0, "the lane goes on to the last line that joins it");
        assert_eq!(drawing.level[2][10], 1, "`on` leads to `Busy`");
        assert_eq!(drawing.level[2][12], 1, "it crosses the other lane");
        assert_eq!(drawing.upright[2][12], 0, "which keeps its colour");
        assert_eq!(drawing.level[6][10], 0);
        assert_eq!(drawing.level[3][10], 2, "`eof` leads to `Closed`");
        assert_eq!(drawing.level[1][1], NEUTRAL);
    }

    #[test]
    fn all_text_is_there_and_escaped() {
        let drawing = Drawing::read(SMALL);
        let mut svg = String::new();
        drawing.write(&mut svg, "<Machine>").unwrap();
        for text in [">Idle<", ">Go ↻<", ">&quot;on&quot;<", ">eof<", ">&quot;&lt;&quot;<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert!(!svg.contains("<Machine>"));
        assert_eq!(svg.matches("<circle class=\"c0 on\"").count(), 1);
    }

    #[test]
    fn pieces_are_joined() {
        let drawn = [(true, true), (true, false), (false, false), (false, true), (true, true)];
        assert_eq!(runs(5, |at| drawn[at]), [(0, 3), (7, 10)]);
        assert_eq!(runs(0, |_| (true, true)), []);
    }
}
