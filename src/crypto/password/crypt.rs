//! The base64 of crypt(3), and the order of bytes in the hashes that use it.

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Returns the value of a character.
pub(super) fn value(byte: u8) -> Option<u32> {
    let at = ALPHABET.iter().position(|own| *own == byte)?;
    u32::try_from(at).ok()
}

/// Decodes groups of four characters, with the least significant first, into three bytes, with the
/// least significant first. A final group may be shorter.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut word = 0;
        for (at, byte) in (0_u32..).zip(group) {
            word |= value(*byte)? << (6 * at);
        }
        let (count, [first, second, third, _]) = (group.len() - 1, word.to_le_bytes());
        bytes.extend([first, second, third].into_iter().take(count));
    }
    Some(bytes)
}

/// Reorders decoded bytes: the byte at each position belongs at the index of the same position.
fn reorder<const N: usize>(text: &str, indices: impl Iterator<Item = usize>) -> Option<Vec<u8>> {
    let bytes = decode(text).filter(|bytes| bytes.len() == N)?;
    let mut output = vec![0; N];
    for (byte, index) in bytes.into_iter().zip(indices) {
        *output.get_mut(index)? = byte;
    }
    Some(output)
}

/// Decodes the output of SHA-256-crypt.
pub(super) fn sha256_output(text: &str) -> Option<Vec<u8>> {
    if text.len() != 43 {
        return None;
    }
    let groups = (0..10).flat_map(|step| {
        // The most significant byte of each group is named first in the specification.
        let mut group = [0, 10, 20];
        group.rotate_right(step % 3);
        group.map(|index| index + step).into_iter().rev()
    });
    reorder::<32>(text, groups.chain([30, 31]))
}

/// Decodes the output of SHA-512-crypt.
pub(super) fn sha512_output(text: &str) -> Option<Vec<u8>> {
    if text.len() != 86 {
        return None;
    }
    let groups = (0..21).flat_map(|step| {
        let mut group = [0, 21, 42];
        group.rotate_left(step % 3);
        group.map(|index| index + step).into_iter().rev()
    });
    reorder::<64>(text, groups.chain([63]))
}

/// Decodes the output of phpass.
pub(super) fn phpass_output(text: &str) -> Option<Vec<u8>> {
    decode(text).filter(|bytes| text.len() == 22 && bytes.len() == 16)
}
