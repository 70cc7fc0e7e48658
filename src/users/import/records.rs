//! The records of a file: lines, the elements of an array, or those of a member of an object.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::users::lines::{LONGEST, next_line};

/// The member whose elements are the records of a document.
const MEMBER: &[u8] = b"users";
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The records of a file, read with bounded memory.
pub(super) struct Records<R> {
    input: R,
    layout: Layout,
    number: u64,
}

enum Layout {
    Unknown { is_document: bool },
    Lines,
    Elements(Scanner),
}

impl<R: AsyncBufRead + Unpin> Records<R> {
    /// Reads records. In a document they are the array `users` of an object, unless the file begins
    /// with an array.
    pub(super) fn new(input: R, is_document: bool) -> Self {
        Self { input, layout: Layout::Unknown { is_document }, number: 0 }
    }

    /// Reads the next record into `record`, and returns its number: that of the line, or the position
    /// in the array. A record that is too long is longer than [`LONGEST`] and incomplete.
    pub(super) async fn next(&mut self, record: &mut Vec<u8>) -> io::Result<Option<u64>> {
        if let Layout::Unknown { is_document } = self.layout {
            self.layout = self.detect(is_document).await?;
        }
        let is_found = match &mut self.layout {
            Layout::Elements(scanner) => next_element(&mut self.input, scanner, record).await?,
            Layout::Lines | Layout::Unknown { .. } => next_line(&mut self.input, record).await?,
        };
        self.number += u64::from(is_found);
        Ok(is_found.then_some(self.number))
    }

    /// Skips to the first character of the file.
    async fn detect(&mut self, is_document: bool) -> io::Result<Layout> {
        loop {
            let buffer = self.input.fill_buf().await?;
            let Some(first) = buffer.first().copied() else { return Ok(Layout::Lines) };
            match first {
                b'[' => return Ok(Layout::Elements(Scanner::new(true))),
                b'{' if is_document => return Ok(Layout::Elements(Scanner::new(false))),
                b'\n' => self.number += 1,
                b' ' | b'\t' | b'\r' => {}
                _ if BYTE_ORDER_MARK.contains(&first) => {}
                _ => return Ok(Layout::Lines),
            }
            self.input.consume(1);
        }
    }
}

/// Reads the next element of an array. Returns `false` at the end of the array.
async fn next_element(
    input: &mut (impl AsyncBufRead + Unpin),
    scanner: &mut Scanner,
    record: &mut Vec<u8>,
) -> io::Result<bool> {
    record.clear();
    while !scanner.is_finished {
        let buffer = input.fill_buf().await?;
        if buffer.is_empty() {
            scanner.is_finished = true;
            if scanner.has_found {
                // An incomplete element, or the missing end of the array.
                record.push(b'\n');
                return Ok(true);
            }
            let problem = "the file has no array of users";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let mut used = 0;
        let mut is_complete = false;
        for byte in buffer {
            used += 1;
            is_complete = scanner.push(*byte, record);
            if is_complete || scanner.is_finished {
                break;
            }
        }
        input.consume(used);
        if is_complete {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Finds the elements of an array without parsing them.
struct Scanner {
    depth: u32,
    /// The depth within the array, or 0 before it.
    inside: u32,
    /// Whether the array is the file itself.
    is_root: bool,
    in_text: bool,
    is_escaped: bool,
    /// The last text at the level of the members.
    name: Vec<u8>,
    has_found: bool,
    is_finished: bool,
}

impl Scanner {
    fn new(is_root: bool) -> Self {
        Self {
            depth: 0,
            inside: 0,
            is_root,
            in_text: false,
            is_escaped: false,
            name: Vec::new(),
            has_found: false,
            is_finished: false,
        }
    }

    /// Adds a byte to the record. Returns `true` if the record is complete.
    fn push(&mut self, byte: u8, record: &mut Vec<u8>) -> bool {
        let is_inside = self.inside != 0;
        let is_between = is_inside && self.depth == self.inside && !self.in_text;
        match byte {
            b',' if is_between => return true,
            b']' if is_between => {
                self.is_finished = true;
                return !record.is_empty();
            }
            _ if self.in_text => self.text(byte),
            b'"' => {
                self.in_text = true;
                self.name.clear();
            }
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                let is_member = self.depth == 2 && self.name == MEMBER;
                if !is_inside && byte == b'[' && (self.is_root || is_member) {
                    self.inside = self.depth;
                    self.has_found = true;
                    return false;
                }
            }
            b'}' | b']' if self.depth > self.inside => self.depth -= 1,
            b',' if !is_inside && self.depth == 1 => self.name.clear(),
            _ => {}
        }
        let is_blank = record.is_empty() && byte.is_ascii_whitespace();
        if is_inside && !is_blank && record.len() as u64 <= LONGEST {
            record.push(byte);
        }
        false
    }

    fn text(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = true,
            b'"' => self.in_text = false,
            // One byte more than the searched name suffices.
            _ if self.depth == 1 && self.name.len() <= MEMBER.len() => self.name.push(byte),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
