//! SHA-256 digests, the stored form of secrets.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// The purpose of a [`Digest`]. Digests of the same bytes in two domains are unrelated, so a stored
/// digest cannot be used for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(&'static str);

impl Domain {
    /// The secret of an access token.
    pub const ACCESS: Self = Self("access");
    /// The secret of a refresh token.
    pub const REFRESH: Self = Self("refresh");
    /// The lineage part of a refresh token.
    pub const LINEAGE: Self = Self("lineage");
    /// A one-time code, bound to its handle.
    pub const CODE: Self = Self("code");
    /// The `code_challenge` of a code exchange (RFC 7636).
    pub const CODE_CHALLENGE: Self = Self("code challenge");
    /// The key of a rate limit counter.
    pub const LIMIT: Self = Self("limit");
    /// A device that a user has signed in from, by its `User-Agent`.
    pub const DEVICE: Self = Self("device");
    /// The public id of a remembered device.
    pub const DEVICE_ID: Self = Self("device id");
    /// The enrollment of an authenticator app.
    pub const TOTP_SECRET: Self = Self("totp secret");
    /// The use of a recovery code to replace a factor.
    pub const RECOVERY_USE: Self = Self("recovery use");
    /// The passkey ceremony of a pending sign-in.
    pub const PASSKEY_PROMPT: Self = Self("passkey prompt");
    /// The id of a sealing key.
    pub const SEALING_KEY: Self = Self("sealing key");
    /// The `jti` of a logout token.
    pub const LOGOUT_TOKEN: Self = Self("logout token");
    /// The token that the form of a link was shown for.
    pub const LINK_FORM: Self = Self("link form");
    /// The stored logout hint of a session.
    pub const LOGOUT_HINT: Self = Self("logout hint");
    /// The approval of a device code.
    pub(crate) const APPROVAL: Self = Self("device approval");
    /// The id of a Security Event Token.
    pub(crate) const SECURITY_EVENT: Self = Self("security event");
    /// The lookup key of a barred identity.
    pub(crate) const BARRED_IDENTITY: Self = Self("barred identity");
    /// The challenge with which a browser binds a session to a key.
    pub(crate) const DEVICE_CHALLENGE: Self = Self("device challenge");
    /// The key and the id of a proof of possession.
    pub(crate) const USED_PROOF: Self = Self("used proof");
    /// A handle that people type.
    pub(crate) const TYPED: Self = Self("typed handle");
    /// A name that a flow stores once.
    pub(crate) const REMEMBERED: Self = Self("remembered name");
    /// A tag of sessions that is too long to be stored.
    pub(crate) const TAG: Self = Self("tag");
    /// A secret that is derived from the handle of a challenge.
    pub(crate) const DERIVED: Self = Self("derived secret");

    /// Returns the domain of the secret of a handle with this prefix.
    pub(super) const fn handle(prefix: &'static str) -> Self {
        Self(prefix)
    }
}

/// The SHA-256 digest of a domain and a secret that has enough entropy to need no salt (ASVS
/// 11.4.1).
///
/// It has no `PartialEq`: digests of secrets are compared only by [`Digest::ct_eq`], in constant
/// time.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the SHA-256 digest of the domain, a zero byte and the bytes.
    pub fn hash(domain: Domain, bytes: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(domain.0).chain_update([0]);
        Self(hash.chain_update(bytes).finalize().into())
    }

    /// Returns `true` if both digests are equal, in constant time.
    pub fn ct_eq(&self, other: &Self) -> bool {
        let (own, _) = self.0.as_chunks::<8>();
        let (other, _) = other.0.as_chunks::<8>();
        let differing = own.iter().zip(other).fold(0, |differing, (own, other)| {
            differing | (u64::from_ne_bytes(*own) ^ u64::from_ne_bytes(*other))
        });
        differing.ct_eq(&0).into()
    }

    /// Returns the 32 bytes, for a lookup by the hash of a secret.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the stored form: 43 characters of base64url without padding.
    pub fn to_base64(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Parses the stored form. Returns `None` if the text is not a digest.
    pub fn from_base64(text: &str) -> Option<Self> {
        // The decoder writes whole groups of three bytes.
        let mut bytes = [0; 33];
        let written = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        bytes.get(..written)?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_secrets_of_two_domains_have_different_digests() {
        let all = [
            Domain::ACCESS,
            Domain::REFRESH,
            Domain::LINEAGE,
            Domain::CODE,
            Domain::CODE_CHALLENGE,
            Domain::LIMIT,
            Domain::DEVICE,
            Domain::LOGOUT_TOKEN,
            Domain::LOGOUT_HINT,
            Domain::handle("ach_"),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!one.0.contains('\0'));
            for other in all.iter().skip(place + 1) {
                assert!(!Digest::hash(*one, &[7; 32]).ct_eq(&Digest::hash(*other, &[7; 32])));
            }
        }
        // printf 'access\0secret' | sha256sum, in base64url
        let text = "kh1H48hGnVEu8jJGPl6oS-EPFdm-yDbOeF-u79swDUA";
        assert_eq!(Digest::hash(Domain::ACCESS, b"secret").to_base64(), text);
    }
}
