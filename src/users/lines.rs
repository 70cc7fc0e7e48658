//! Lines of a file, of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Maximum length of a line or record, in bytes.
pub(super) const LONGEST: u64 = 1 << 20;

/// Reads a line; of a line that is too long, only as much as is needed to detect that.
pub(super) async fn next_line(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> Result<bool, io::Error> {
    line.clear();
    let mut part = Vec::new();
    loop {
        part.clear();
        let read = (&mut *from).take(LONGEST + 1).read_until(b'\n', &mut part).await?;
        let is_whole = part.last() == Some(&b'\n') || (read as u64) <= LONGEST;
        if line.is_empty() {
            std::mem::swap(line, &mut part);
        }
        if is_whole {
            return Ok(!line.is_empty());
        }
    }
}
