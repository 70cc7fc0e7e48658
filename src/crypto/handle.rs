//! Handles: random one-time tokens that identify a challenge, a link, a device or an API key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    digest::{Digest, Domain},
    random,
    secret::Secret,
    token::{ACCESS_PREFIX, REFRESH_PREFIX, TokenString, decode_bytes, encode_bytes},
};
use crate::error::AuthError;

const BYTES: usize = 32;

/// The purpose of a handle. It determines the prefix, so a handle of one kind is never accepted as
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenPurpose {
    /// A pending sign-in, sign-up or change.
    Challenge,
    /// A link in an email message.
    Link,
    /// A remembered device.
    Device,
    /// The `state` of a sign-in at an identity provider (RFC 6749 §4.1.1).
    Flow,
    /// The browser that started a sign-in at a provider.
    Browser,
    /// The code that a native application exchanges for its tokens.
    Exchange,
    /// The nonce of an ID token that a native application gets from a provider.
    Nonce,
    /// A ticket that opens one live connection, such as a WebSocket.
    Ticket,
    /// The device code of a program that asks for a session (RFC 8628 §3.2).
    DeviceCode,
    /// A bearer token of a program, such as an API key, with the prefix of its flow.
    Program(&'static str),
}

/// 256 random bits that only the client has. The store contains their hash.
#[derive(Debug)]
pub struct OneTimeToken {
    kind: TokenPurpose,
    secret: Secret<BYTES>,
}

/// The prefixes of all handles and tokens of this crate, which a flow outside it cannot register.
pub(crate) const RESERVED_PREFIXES: &[&str] = &[
    ACCESS_PREFIX,
    REFRESH_PREFIX,
    TokenPurpose::Challenge.prefix(),
    TokenPurpose::Link.prefix(),
    TokenPurpose::Device.prefix(),
    TokenPurpose::Flow.prefix(),
    TokenPurpose::Browser.prefix(),
    TokenPurpose::Exchange.prefix(),
    TokenPurpose::Nonce.prefix(),
    TokenPurpose::Ticket.prefix(),
    TokenPurpose::DeviceCode.prefix(),
    API_KEY_PREFIX,
];

/// The prefix of an API key.
pub(crate) const API_KEY_PREFIX: &str = "aak_";

impl TokenPurpose {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Challenge => "ach_",
            Self::Link => "alk_",
            Self::Device => "adv_",
            Self::Flow => "afl_",
            Self::Browser => "abr_",
            Self::Exchange => "axc_",
            Self::Nonce => "anc_",
            Self::Ticket => "atk_",
            Self::DeviceCode => "adc_",
            Self::Program(prefix) => prefix,
        }
    }
}

impl OneTimeToken {
    /// Creates a random handle.
    ///
    /// # Errors
    ///
    /// If the random source fails.
    pub fn random(kind: TokenPurpose) -> Result<Self, AuthError> {
        Ok(Self { kind, secret: Secret::from_bytes(random::bytes()?) })
    }

    /// Parses a handle of this kind. Returns `None` if the prefix, the length or the checksum is
    /// wrong.
    pub fn parse(kind: TokenPurpose, text: &str) -> Option<Self> {
        let secret = Secret::from_bytes(decode_bytes(kind.prefix(), text)?);
        Some(Self { kind, secret })
    }

    /// Returns the handle as text.
    pub fn to_token(&self) -> TokenString {
        encode_bytes(self.kind.prefix(), self.secret.expose())
    }

    /// Returns the prefix of the handle as text.
    pub fn prefix(&self) -> &'static str {
        self.kind.prefix()
    }

    /// Returns the digest under which the handle is stored.
    pub fn digest(&self) -> Digest {
        self.secret.digest(Domain::handle(self.kind.prefix()))
    }

    /// Returns the digest of a code bound to this handle. Without the handle, a copy of the
    /// database does not allow a search of the small space of codes.
    pub fn bind_code(&self, code: &str) -> Digest {
        let mut bound = Zeroizing::new(self.secret.expose().to_vec());
        bound.extend_from_slice(code.as_bytes());
        Digest::hash(Domain::CODE, &bound)
    }

    /// Derives a secret for a purpose from this handle and another one. The same two handles always
    /// give the same secret. It has 43 characters, a valid `code_verifier` of PKCE (RFC 7636 §4.1).
    pub fn derive(&self, purpose: &str, other: &Self) -> Zeroizing<String> {
        let hash =
            Sha256::new().chain_update(b"derive\0").chain_update(purpose).chain_update(b"\0");
        let hash = hash.chain_update(self.secret.expose()).chain_update(other.secret.expose());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(hash.finalize()))
    }

    /// Derives a key for a purpose from this handle. The stored digest does not disclose it.
    pub(crate) fn derive_key(&self, purpose: &str) -> [u8; BYTES] {
        let hash = Sha256::new().chain_update(b"key\0").chain_update(purpose).chain_update(b"\0");
        hash.chain_update(self.secret.expose()).finalize().into()
    }
}

/// Returns a code of this many decimal digits, uniformly distributed.
///
/// # Errors
///
/// If the random source fails.
pub fn random_code(digits: u32) -> Result<Zeroizing<String>, AuthError> {
    let codes = 10_u64.saturating_pow(digits.min(18));
    let width = usize::try_from(digits).unwrap_or_default();
    Ok(Zeroizing::new(format!("{:0width$}", random::below(codes)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handle_text_round_trips_for_its_kind_only() {
        // SE-17
        let handle = OneTimeToken::random(TokenPurpose::Link).unwrap();
        let text = handle.to_token();
        let read = OneTimeToken::parse(TokenPurpose::Link, text.expose()).unwrap();
        assert!(read.digest().ct_eq(&handle.digest()));
        assert!(OneTimeToken::parse(TokenPurpose::Challenge, text.expose()).is_none());
        let renamed = text.expose().replace("alk_", "ach_");
        assert!(OneTimeToken::parse(TokenPurpose::Challenge, &renamed).is_none());
        assert!(OneTimeToken::parse(TokenPurpose::Link, "alk_").is_none());
    }

    #[test]
    fn equal_secrets_of_two_kinds_have_different_digests() {
        let kinds = [TokenPurpose::Challenge, TokenPurpose::Link, TokenPurpose::Program("aak_")];
        let handles =
            kinds.map(|kind| OneTimeToken { kind, secret: Secret::from_bytes([7; BYTES]) });
        assert!(!handles[0].digest().ct_eq(&handles[1].digest()));
        assert!(!handles[1].digest().ct_eq(&handles[2].digest()));
    }

    #[test]
    fn code_is_bound_to_its_handle() {
        // OT-06, OT-07
        let [one, two] = [(); 2].map(|()| OneTimeToken::random(TokenPurpose::Challenge).unwrap());
        assert!(one.bind_code("123456").ct_eq(&one.bind_code("123456")));
        assert!(!one.bind_code("123456").ct_eq(&two.bind_code("123456")));
        assert!(!one.bind_code("123456").ct_eq(&one.bind_code("123457")));
    }

    #[test]
    fn codes_are_uniform_and_zero_padded() {
        // OT-01: chi squared over the first digit, nine degrees of freedom
        let mut counts = [0_u32; 10];
        for _ in 0..20_000 {
            let code = random_code(6).unwrap();
            assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()));
            counts[usize::from(code.as_bytes()[0] - b'0')] += 1;
        }
        let chi: f64 = counts.iter().map(|n| (f64::from(*n) - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi < 50.0, "{counts:?}");
    }
}
