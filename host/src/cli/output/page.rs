use std::fmt::{Display, Write as _};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, ContentArrangement, presets};

/// Stands for every secret, whatever its length.
pub const MASK: &str = "••••";

pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const STRONG: Style = Style::new().bold();
/// Columns of a screen below which tables are not fitted to it.
const NARROW: u16 = 60;
const QUIET: Style = Style::new().dimmed();

/// How a page is laid out. Colours are not its matter: they are removed where they are not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Aligned and wrapped for a person.
    Terminal,
    /// One record a line, columns separated by one tab, for `grep` and `cut`.
    Pipe,
}

/// What is to be shown, as text.
#[derive(Debug)]
pub struct Page {
    layout: Layout,
    text: String,
}

/// Rows under a header.
#[derive(Debug)]
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout, text: String::new() }
    }

    /// What is on it, with ANSI styles.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whom it is laid out for.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// A title, and what qualifies it.
    pub fn heading(&mut self, title: &str, rest: &str) {
        let gap = if rest.is_empty() { "" } else { "  " };
        self.put(format_args!("{STRONG}{}{STRONG:#}{gap}{QUIET}{}{QUIET:#}\n", clean(title), clean(rest)));
    }

    /// A line of text.
    pub fn line(&mut self, text: &str) {
        self.put(format_args!("{}\n", clean(text)));
    }

    /// Space between two things, for a person.
    pub fn gap(&mut self) {
        if self.layout == Layout::Terminal {
            self.text.push('\n');
        }
    }

    /// Labels and what belongs to them; labels without a value are left out.
    pub fn fields(&mut self, fields: &[(&str, String)]) {
        let width = fields.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
        for (label, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            let value = clean(value);
            match self.layout {
                Layout::Terminal => self.put(format_args!("  {QUIET}{label:width$}{QUIET:#}  {value}\n")),
                Layout::Pipe => self.put(format_args!("{label}\t{value}\n")),
            }
        }
    }

    /// A table; nothing if it has no rows.
    pub fn table(&mut self, table: &Table) {
        if table.rows.is_empty() {
            return;
        }
        match self.layout {
            Layout::Terminal => self.put(format_args!("{}\n", table.arranged())),
            Layout::Pipe => {
                self.put(format_args!("{}\n", table.header.join("\t")));
                for row in &table.rows {
                    self.put(format_args!("{}\n", row.join("\t")));
                }
            }
        }
    }

    fn put(&mut self, text: impl Display) {
        write!(self.text, "{text}").expect("writing to a String does not fail");
    }
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, as wide as the header.
    pub fn row(&mut self, cells: &[&str]) {
        debug_assert_eq!(cells.len(), self.header.len());
        self.rows.push(cells.iter().map(|cell| clean(cell)).collect());
    }

    fn arranged(&self) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        // On a narrow screen, or one of unknown width, a long line reads better than thin columns.
        let wide = table.width().is_some_and(|width| width >= NARROW);
        let arrangement = if wide { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.load_style(presets::NOTHING).set_content_arrangement(arrangement);
        // Styles are always written here, and removed by the stream that wants none.
        table.enforce_styling();
        table.set_header(self.header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        table.add_rows(&self.rows);
        table
    }
}

/// `text` without what could move a terminal's cursor, end a line or turn the reading direction.
pub(super) fn clean(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut clean, c| {
        if harmful(c) {
            clean.extend(c.escape_default())
        } else {
            clean.push(c)
        }
        clean
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_one_record_a_line_and_nothing_to_draw() {
        let mut page = Page::new(Layout::Pipe);
        let mut table = Table::new(&["KEY", "VALUE"]);
        table.row(&["A", "one\ttwo\nthree"]);
        table.row(&["B", MASK]);
        page.gap();
        page.fields(&[("from", "base".into()), ("policy", String::new())]);
        page.table(&table);
        assert_eq!(page.as_str(), "from\tbase\nKEY\tVALUE\nA\tone\\ttwo\\nthree\nB\t••••\n");
    }

    #[test]
    fn nothing_a_tenant_wrote_reaches_the_terminal_as_a_command() {
        assert_eq!(clean("a\x1b[2Jb\rc\u{9b}31m\u{202e}d"), r"a\u{1b}[2Jb\rc\u{9b}31m\u{202e}d");
        assert_eq!(clean("größe ✓ 漢字"), "größe ✓ 漢字");
    }

    #[test]
    fn a_terminal_gets_aligned_columns() {
        let mut page = Page::new(Layout::Terminal);
        let mut table = Table::new(&["KEY", "VALUE"]);
        table.row(&["LONG_NAME", "1"]);
        table.row(&["B", "2"]);
        page.table(&table);
        let plain = anstream::adapter::strip_str(page.as_str()).to_string();
        let column = |needle: char| plain.lines().find_map(|line| line.find(needle)).unwrap();
        assert_eq!(column('1'), column('2'), "{plain}");
    }
}
