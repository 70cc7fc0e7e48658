//! Tables whose columns are aligned by their width in a terminal.

use crate::text::{clean, width};

/// The columns of a table, which is printed in parts.
pub(crate) struct Table {
    titles: &'static [&'static str],
    widths: Vec<usize>,
    is_begun: bool,
}

impl Table {
    pub(crate) fn new(titles: &'static [&'static str]) -> Self {
        let widths = titles.iter().map(|title| width(title)).collect();
        Self { titles, widths, is_begun: false }
    }

    /// Returns the lines of the next rows, and before the first ones the titles.
    pub(crate) fn lines(&mut self, rows: &[Vec<String>]) -> Vec<String> {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
        for row in &rows {
            for (widest, cell) in self.widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(cell));
            }
        }
        let mut lines = Vec::new();
        if !self.is_begun && !rows.is_empty() {
            self.is_begun = true;
            lines.push(self.line(self.titles));
        }
        lines.extend(rows.iter().map(|row| self.line(row)));
        lines
    }

    fn line(&self, cells: &[impl AsRef<str>]) -> String {
        let mut line = String::new();
        for (cell, widest) in cells.iter().zip(&self.widths) {
            let cell = cell.as_ref();
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', widest.saturating_sub(width(cell)) + 2));
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_width() {
        let mut table = Table::new(&["NAME", "ROLE"]);
        let row = |name: &str| vec![name.to_owned(), "x".to_owned()];
        assert_eq!(table.lines(&[]), [""; 0]);
        assert_eq!(
            table.lines(&[row("李李李"), row("Ada")]),
            ["NAME    ROLE", "李李李  x", "Ada     x"]
        );
        assert_eq!(table.lines(&[row("Bob")]), ["Bob     x"], "the titles are printed once");
    }
}
