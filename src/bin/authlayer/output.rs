//! Standard output, as text or JSON.

use std::io::{self, BufWriter, Stdout, Write};

use serde_json::Value;

use crate::{
    failure::Failure,
    table::Table,
    text::{clean, escaped},
};

/// The result of a command.
pub(crate) struct Output {
    is_json: bool,
    out: BufWriter<Stdout>,
}

impl Output {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json, out: BufWriter::new(io::stdout()) }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Prints a line of text, unless the output is JSON. It may contain text of users.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Failure> {
        if self.is_json {
            return Ok(());
        }
        writeln!(self.out, "{}", clean(text)).map_err(Failure::from)
    }

    /// Prints a JSON document in one line, if the output is JSON.
    pub(crate) fn document(&mut self, value: &Value) -> Result<(), Failure> {
        if !self.is_json {
            return Ok(());
        }
        writeln!(self.out, "{}", escaped(value)).map_err(Failure::from)
    }

    /// Prints the result of a command: the text, or the document.
    pub(crate) fn result(&mut self, text: &str, value: &Value) -> Result<(), Failure> {
        self.say(text)?;
        self.document(value)
    }

    /// Prints rows: of a table, or each as a document.
    pub(crate) fn rows(
        &mut self,
        table: &mut Table,
        rows: Vec<(Value, Vec<String>)>,
    ) -> Result<(), Failure> {
        let (values, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        if self.is_json {
            return values.iter().try_for_each(|value| self.document(value));
        }
        for line in table.lines(&rows) {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    /// Prints text of this program as it is.
    pub(crate) fn raw(&mut self, text: &[u8]) -> Result<(), Failure> {
        self.out.write_all(text).map_err(Failure::from)
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::from)
    }
}
