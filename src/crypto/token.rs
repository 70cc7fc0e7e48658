//! The text format of access and refresh tokens.
//!
//! A token is a prefix followed by the base64url encoding (RFC 4648 §5, no padding) of
//! `session id ‖ generation ‖ secret ‖ checksum`. The prefix lets secret scanners find leaked
//! tokens. The checksum, CRC-32 (IEEE 802.3) over prefix and payload, lets the server reject
//! malformed tokens without a database query. It detects accidental damage, not forgery: only the
//! secret authenticates a token.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::{Zeroize, Zeroizing};

use super::{
    ratchet::{KEY_LEN, REFRESH_LEN, RefreshSecret},
    secret::Secret,
};
use crate::model::SessionId;

const ID: usize = SessionId::BYTES;
const NUMBER: usize = 4;
const CHECKSUM: usize = 4;
const LONGEST: usize = ID + NUMBER + REFRESH_LEN + CHECKSUM;

/// The prefix of an access token.
pub const ACCESS_PREFIX: &str = "aat_";
/// The prefix of a refresh token.
pub const REFRESH_PREFIX: &str = "art_";

/// A parsed access token.
///
/// ```
/// use authlayer::crypto::token::AccessToken;
///
/// assert!(AccessToken::parse("aat_unknown").is_none());
/// ```
#[derive(Debug)]
pub struct AccessToken {
    /// The id of its session.
    pub session: SessionId,
    /// The generation that the token claims.
    pub generation: u32,
    /// The secret.
    pub secret: Secret<KEY_LEN>,
}

/// A parsed refresh token.
#[derive(Debug)]
pub struct RefreshToken {
    /// The id of its session.
    pub session: SessionId,
    /// The generation that the token claims.
    pub generation: u32,
    /// The secret.
    pub secret: RefreshSecret,
}

/// A token as text, to be sent to a client.
///
/// `Debug` is redacted, and the memory is zeroized on drop.
#[derive(Clone)]
pub struct TokenString(Zeroizing<String>);

impl AccessToken {
    /// Parses an access token. Returns `None` if the prefix, the length or the checksum is wrong.
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        let (session, generation, secret) = decode(text.as_ref(), ACCESS_PREFIX)?;
        Some(Self { session, generation, secret: Secret::from_bytes(secret) })
    }

    /// Returns the token as text.
    pub fn encode(&self) -> TokenString {
        encode(ACCESS_PREFIX, self.session, self.generation, self.secret.expose())
    }
}

impl RefreshToken {
    /// Parses a refresh token. Returns `None` if the prefix, the length or the checksum is wrong.
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        let (session, generation, mut secret) =
            decode::<REFRESH_LEN>(text.as_ref(), REFRESH_PREFIX)?;
        let token = Self { session, generation, secret: RefreshSecret::from_bytes(&secret) };
        secret.zeroize();
        Some(token)
    }

    /// Returns the token as text.
    pub fn encode(&self) -> TokenString {
        let secret = self.secret.to_bytes();
        encode(REFRESH_PREFIX, self.session, self.generation, secret.expose())
    }
}

impl TokenString {
    /// Returns the token text, to send it to the client.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenString(…)")
    }
}

fn encode(prefix: &str, session: SessionId, generation: u32, secret: &[u8]) -> TokenString {
    let mut payload = Zeroizing::new(Vec::with_capacity(LONGEST));
    payload.extend_from_slice(session.as_bytes());
    payload.extend_from_slice(&generation.to_be_bytes());
    payload.extend_from_slice(secret);
    encode_bytes(prefix, &payload)
}

/// Encodes a secret that belongs to no session, with its checksum.
pub(super) fn encode_bytes(prefix: &str, secret: &[u8]) -> TokenString {
    let mut payload = Zeroizing::new(Vec::with_capacity(LONGEST));
    payload.extend_from_slice(secret);
    payload.extend_from_slice(&checksum(prefix, secret));
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + LONGEST.div_ceil(3) * 4));
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(&payload, &mut text);
    TokenString(text)
}

pub(super) fn decode_bytes<const N: usize>(prefix: &str, text: &str) -> Option<[u8; N]> {
    let encoded = text.strip_prefix(prefix)?;
    if encoded.len() != ((N + CHECKSUM) * 4).div_ceil(3) {
        return None;
    }
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).ok()?);
    let (secret, sum) = payload.split_last_chunk::<CHECKSUM>()?;
    (checksum(prefix, secret) == *sum).then(|| secret.try_into().ok())?
}

fn decode<const N: usize>(text: &[u8], prefix: &str) -> Option<(SessionId, u32, [u8; N])> {
    let encoded = text.strip_prefix(prefix.as_bytes())?;
    let length = ID + NUMBER + N + CHECKSUM;
    if encoded.len() != (length * 4).div_ceil(3) {
        return None;
    }
    let mut buffer = Zeroizing::new([0; LONGEST + 2]);
    let written = URL_SAFE_NO_PAD.decode_slice(encoded, buffer.as_mut_slice()).ok()?;
    let (payload, sum) = buffer.get(..written)?.split_last_chunk::<CHECKSUM>()?;
    if checksum(prefix, payload) != *sum {
        return None;
    }
    let (id, rest) = payload.split_first_chunk::<ID>()?;
    let (number, secret) = rest.split_first_chunk::<NUMBER>()?;
    Some((SessionId::from_bytes(*id), u32::from_be_bytes(*number), secret.try_into().ok()?))
}

fn checksum(prefix: &str, payload: &[u8]) -> [u8; CHECKSUM] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(prefix.as_bytes());
    crc.update(payload);
    crc.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> AccessToken {
        AccessToken {
            session: SessionId::from_bytes([1; ID]),
            generation: 7,
            secret: Secret::from_bytes([2; KEY_LEN]),
        }
    }

    fn refresh() -> RefreshToken {
        RefreshToken {
            session: SessionId::from_bytes([1; ID]),
            generation: 7,
            secret: RefreshSecret::from_bytes(&[3; REFRESH_LEN]),
        }
    }

    #[test]
    fn token_text_round_trips() {
        let text = access().encode();
        let read = AccessToken::parse(text.expose()).unwrap();
        assert_eq!((read.session, read.generation), (access().session, 7));
        assert!(read.secret.ct_eq(&access().secret));

        let text = refresh().encode();
        let read = RefreshToken::parse(text.expose()).unwrap();
        assert_eq!(read.generation, 7);
        assert!(read.secret.digest().ct_eq(&refresh().secret.digest()));
    }

    #[test]
    fn tokens_with_an_altered_character_are_rejected() {
        for text in [access().encode(), refresh().encode()] {
            for place in 0..text.expose().len() {
                let mut altered = text.expose().as_bytes().to_vec();
                altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
                let altered = String::from_utf8(altered).unwrap();
                assert!(AccessToken::parse(&altered).is_none(), "at {place}");
                assert!(RefreshToken::parse(&altered).is_none(), "at {place}");
            }
        }
    }

    #[test]
    fn token_kinds_are_not_interchangeable() {
        // A13, SE-17
        assert!(RefreshToken::parse(access().encode().expose()).is_none());
        assert!(AccessToken::parse(refresh().encode().expose()).is_none());
        let renamed = refresh().encode().expose().replace("art_", "aat_");
        assert!(AccessToken::parse(&renamed).is_none());
    }

    #[test]
    fn malformed_tokens_are_rejected() {
        let long = "aat_".to_owned() + &"A".repeat(100_000);
        for text in ["", "aat_", "aat_!!!", "bearer", "aat_AAAA", "AAT_AAAA", long.as_str()] {
            assert!(AccessToken::parse(text).is_none());
        }
    }

    #[test]
    fn debug_of_a_plain_token_reveals_nothing() {
        // LG-03
        assert_eq!(format!("{:?}", access().encode()), "TokenString(…)");
        assert!(!format!("{:?}", access()).contains('2'));
    }
}
