//! Recovery codes and their hashes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{
    crypto::random,
    error::{AuthError, ErrorKind},
};

/// Crockford's base 32.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CODES: usize = 10;
const LEN: usize = 10;
/// With a salt of their own, the codes of one user cost this many rounds per guess.
const ROUNDS: u32 = 10_000;

/// The stored data of the recovery codes of a user.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Set {
    salt: String,
    pub(super) hashes: Vec<String>,
    pub(super) created_at: Timestamp,
}

impl Set {
    /// Creates ten codes. They cannot be read from the set.
    pub(super) async fn create(now: Timestamp) -> Result<(Vec<String>, Self), AuthError> {
        let salt = URL_SAFE_NO_PAD.encode(random::bytes::<16>()?);
        let codes = (0..CODES).map(|_| random_code()).collect::<Result<Vec<_>, _>>()?;
        let (plain, with) = (codes.clone(), salt.clone());
        let hashes = work(move || plain.iter().map(|code| hash(code, &with)).collect()).await?;
        let codes = codes.iter().map(|code| grouped(code)).collect();
        Ok((codes, Self { salt, hashes, created_at: now }))
    }

    /// Returns the set without a code, if the code is one of it.
    pub(super) async fn without(&self, text: &str) -> Result<Option<Self>, AuthError> {
        let Some(code) = normalized(text) else { return Ok(None) };
        let salt = self.salt.clone();
        let own = work(move || hash(&code, &salt)).await?;
        let is_own = |other: &String| bool::from(other.as_bytes().ct_eq(own.as_bytes()));
        let mut rest = self.clone();
        rest.hashes.retain(|other| !is_own(other));
        Ok((rest.hashes.len() < self.hashes.len()).then_some(rest))
    }
}

/// Computes hashes off the threads that serve requests.
async fn work<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AuthError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|cause| AuthError::new(ErrorKind::Unavailable).with_source(cause))
}

fn random_code() -> Result<String, AuthError> {
    let letter = |byte: u8| ALPHABET.get(usize::from(byte & 31)).copied().map_or('0', char::from);
    Ok(random::bytes::<LEN>()?.into_iter().map(letter).collect())
}

/// Writes a code in two groups.
fn grouped(code: &str) -> String {
    let (one, other) = code.split_at_checked(LEN / 2).unwrap_or((code, ""));
    format!("{one}-{other}")
}

/// Reads a code as people write it: without regard to case, hyphens and spaces, `o` as `0`, `i` and
/// `l` as `1`.
fn normalized(text: &str) -> Option<String> {
    let letters = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let read = |c: char| match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    let code: String = letters.map(read).take(LEN + 1).collect();
    let is_code = code.len() == LEN && code.bytes().all(|byte| ALPHABET.contains(&byte));
    is_code.then_some(code)
}

fn hash(code: &str, salt: &str) -> String {
    let mut out = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(code.as_bytes(), salt.as_bytes(), ROUNDS, &mut out);
    URL_SAFE_NO_PAD.encode(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them() {
        for text in ["k7q2m-9x0zt", "K7Q2M 9XOZT", " k7q2m9x0zt ", "k-7-q-2-m-9-x-o-z-t"] {
            assert_eq!(normalized(text).as_deref(), Some("k7q2m9x0zt"), "{text}");
        }
        assert_eq!(normalized("iIlL1-00oO0").as_deref(), Some("1111100000"));
        for text in ["", "k7q2m-9x0z", "k7q2m-9x0zt0", "u7q2m-9x0zt", "k7q2m-9x0zé"] {
            assert_eq!(normalized(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn each_code_is_accepted_once() {
        let (codes, mut set) = Set::create(Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(codes.len(), CODES);
        for code in &codes {
            assert!(code.len() == LEN + 1 && code.as_bytes()[LEN / 2] == b'-', "{code}");
            let stored = serde_json::to_string(&set).unwrap();
            assert!(!stored.contains(code.as_str()) && !stored.contains(&code.replace('-', "")));
            set = set.without(&code.to_ascii_uppercase()).await.unwrap().unwrap();
            assert!(set.without(code).await.unwrap().is_none(), "{code}");
        }
        assert!(set.hashes.is_empty());
    }
}
