//! Handles that people type, such as the code of a device grant (RFC 8628 §6.1).

use zeroize::Zeroizing;

use super::{
    digest::{Digest, Domain},
    random,
};
use crate::error::AuthError;

/// Consonants, so that no word is formed, in a number that any keyboard has.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const HALF: usize = 4;

/// A handle of eight consonants in two groups: 34 bits, which must not live long.
pub(crate) struct TypedHandle(Zeroizing<String>);

impl TypedHandle {
    /// Creates a random handle.
    pub(crate) fn random() -> Result<Self, AuthError> {
        let count = u64::try_from(ALPHABET.len()).unwrap_or(1);
        let mut number = random::below(count.saturating_pow(8))?;
        let mut text = Zeroizing::new(String::with_capacity(2 * HALF + 1));
        for place in 0..2 * HALF {
            if place == HALF {
                text.push('-');
            }
            let letter = usize::try_from(number % count).unwrap_or_default();
            text.push(char::from(*ALPHABET.get(letter).unwrap_or(&b'B')));
            number /= count;
        }
        Ok(Self(text))
    }

    /// Parses a handle in any case, with or without the hyphen and spaces.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_between = |c: char| c.is_whitespace() || c == '-';
        let letters = text.chars().filter(|c| !is_between(*c)).map(|c| c.to_ascii_uppercase());
        let letters = Zeroizing::new(letters.collect::<String>());
        let is_valid =
            letters.len() == 2 * HALF && letters.bytes().all(|letter| ALPHABET.contains(&letter));
        let (first, second) = letters.split_at_checked(HALF).filter(|_| is_valid)?;
        Some(Self(Zeroizing::new(format!("{first}-{second}"))))
    }

    /// Returns the handle as text.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the digest under which the handle of a kind is stored.
    pub(crate) fn digest(&self, kind: &str) -> Digest {
        Digest::hash(Domain::TYPED, format!("{kind}\0{}", &*self.0).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_handle_is_read_as_people_write_it() {
        let handle = TypedHandle::random().unwrap();
        let text = handle.expose().to_owned();
        assert!(text.len() == 9 && text.as_bytes()[4] == b'-', "{text}");
        for written in [text.clone(), text.to_lowercase(), text.replace('-', " ")] {
            assert_eq!(TypedHandle::parse(&written).unwrap().expose(), text);
        }
        for wrong in ["", "BCDF-GHJ", "BCDF-GHJA", "BCDF-GHJKL", "ÄBCD-FGHJ"] {
            assert!(TypedHandle::parse(wrong).is_none(), "{wrong}");
        }
        assert!(!handle.digest("one").ct_eq(&handle.digest("two")));
    }
}
