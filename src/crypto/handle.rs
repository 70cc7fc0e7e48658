//! Handles: secrets that name something which is proved once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    digest::{Digest, Domain},
    random,
    secret::Secret,
    token::{PlainToken, decode_bytes, encode_bytes},
};
use crate::error::AuthError;

const BYTES: usize = 32;

/// What a handle is for; it stands in the prefix, so that no one takes another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleKind {
    /// A pending sign-in, sign-up or change.
    Challenge,
    /// A link in a message.
    Link,
    /// A remembered device.
    Device,
    /// A sign-in that goes by way of a provider: its `state`.
    Flow,
    /// The browser that began one.
    Browser,
    /// What a native application exchanges for its tokens.
    Exchange,
    /// What opens one live connection.
    Ticket,
    /// By which a program comes.
    ApiKey,
}

/// 256 random bits that only the client holds; the store keeps their hash.
#[derive(Debug)]
pub struct Handle {
    kind: HandleKind,
    secret: Secret<BYTES>,
}

impl HandleKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Challenge => "ach_",
            Self::Link => "alk_",
            Self::Device => "adv_",
            Self::Flow => "afl_",
            Self::Browser => "abr_",
            Self::Exchange => "axc_",
            Self::Ticket => "atk_",
            Self::ApiKey => "aak_",
        }
    }
}

impl Handle {
    /// A new handle.
    ///
    /// # Errors
    ///
    /// When the random source fails.
    pub fn random(kind: HandleKind) -> Result<Self, AuthError> {
        Ok(Self { kind, secret: Secret::from_bytes(random::bytes()?) })
    }

    /// Reads a handle of a kind; `None` for anything that is not an intact one.
    pub fn parse(kind: HandleKind, text: &str) -> Option<Self> {
        let secret = Secret::from_bytes(decode_bytes(kind.prefix(), text)?);
        Some(Self { kind, secret })
    }

    /// The handle as text.
    pub fn to_plain(&self) -> PlainToken {
        encode_bytes(self.kind.prefix(), self.secret.expose())
    }

    /// By what it is found.
    pub fn digest(&self) -> Digest {
        self.secret.digest(Domain::handle(self.kind.prefix()))
    }

    /// What may be kept of a code: bound to the handle, so that whoever has the store and not
    /// the handle cannot search the few codes there are.
    pub fn bind(&self, code: &str) -> Digest {
        let mut bound = Zeroizing::new(self.secret.expose().to_vec());
        bound.extend_from_slice(code.as_bytes());
        Digest::of(Domain::CODE, &bound)
    }

    /// A secret of its own for a purpose, which can be had again from the two handles alone:
    /// 43 characters, as PKCE wants them (RFC 7636 §4.1).
    pub fn derive(&self, purpose: &str, other: &Self) -> Zeroizing<String> {
        let hash =
            Sha256::new().chain_update(b"derive\0").chain_update(purpose).chain_update(b"\0");
        let hash = hash.chain_update(self.secret.expose()).chain_update(other.secret.expose());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(hash.finalize()))
    }
}

/// Decimal digits, every one as likely as the others.
///
/// # Errors
///
/// When the random source fails.
pub fn code(digits: u32) -> Result<Zeroizing<String>, AuthError> {
    let codes = 10_u64.saturating_pow(digits.min(18));
    let fair = u64::MAX - u64::MAX % codes;
    loop {
        let number = u64::from_be_bytes(random::bytes()?);
        if number < fair {
            let width = usize::try_from(digits).unwrap_or_default();
            return Ok(Zeroizing::new(format!("{:0width$}", number % codes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_survives_its_text_and_is_of_one_kind() {
        // SE-17
        let handle = Handle::random(HandleKind::Link).unwrap();
        let text = handle.to_plain();
        let read = Handle::parse(HandleKind::Link, text.expose()).unwrap();
        assert!(read.digest().matches(&handle.digest()));
        assert!(Handle::parse(HandleKind::Challenge, text.expose()).is_none());
        let renamed = text.expose().replace("alk_", "ach_");
        assert!(Handle::parse(HandleKind::Challenge, &renamed).is_none());
        assert!(Handle::parse(HandleKind::Link, "alk_").is_none());
    }

    #[test]
    fn equal_secrets_of_two_kinds_have_different_digests() {
        let kinds = [HandleKind::Challenge, HandleKind::Link, HandleKind::ApiKey];
        let handles = kinds.map(|kind| Handle { kind, secret: Secret::from_bytes([7; BYTES]) });
        assert!(!handles[0].digest().matches(&handles[1].digest()));
        assert!(!handles[1].digest().matches(&handles[2].digest()));
    }

    #[test]
    fn a_code_is_bound_to_its_handle() {
        // OT-06, OT-07
        let [one, two] = [(); 2].map(|()| Handle::random(HandleKind::Challenge).unwrap());
        assert!(one.bind("123456").matches(&one.bind("123456")));
        assert!(!one.bind("123456").matches(&two.bind("123456")));
        assert!(!one.bind("123456").matches(&one.bind("123457")));
    }

    #[test]
    fn codes_are_uniform_and_keep_their_zeros() {
        // OT-01: chi squared over the first digit, nine degrees of freedom
        let mut counts = [0_u32; 10];
        for _ in 0..20_000 {
            let code = code(6).unwrap();
            assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()));
            counts[usize::from(code.as_bytes()[0] - b'0')] += 1;
        }
        let chi: f64 = counts.iter().map(|n| (f64::from(*n) - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi < 50.0, "{counts:?}");
    }
}
