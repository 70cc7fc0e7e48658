//! Sealing of secrets at rest with keys of the application: AES-256-GCM (NIST SP 800-38D).
//!
//! A sealed value is base64url of a version, the id of the key, a random nonce, the ciphertext and
//! the tag. Its context, such as the id of the row, is authenticated, so a value that is moved to
//! another row cannot be opened. Values of earlier keys can be opened as long as the application
//! gives those keys.

use std::{fmt, str::FromStr, sync::Arc};

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD,
    },
};
use zeroize::Zeroizing;

use super::{digest::Domain, random, secret::Secret};
use crate::error::{AuthError, ErrorKind};

const KEY_LEN: usize = 32;
const VERSION: u8 = 1;
const ID_LEN: usize = 8;
const NONCE_LEN: usize = 12;

/// Accepts both alphabets (after `-` and `_` are replaced), with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key that seals secrets at rest: 32 random bytes, for
/// [`AuthBuilder::sealing_keys`](crate::AuthBuilder::sealing_keys).
///
/// Parse it from base64, such as the output of `openssl rand -base64 32`, or convert it from bytes.
/// `Debug` is redacted, and the memory is zeroized on drop.
///
/// ```
/// use authlayer::SealingKey;
/// let key: SealingKey = "9KsF0n0FvGSPxDGfMlqBcZ6YBMWf1v9cVpaqG6zLz0I=".parse()?;
/// assert_eq!(format!("{key:?}"), "SealingKey(…)");
/// assert!("too short".parse::<SealingKey>().is_err());
/// # Ok::<_, authlayer::InvalidSealingKey>(())
/// ```
///
/// # Security
///
/// Keep it outside the database, for example in the secret store of the deployment: it protects
/// against readers of the database and its backups. Without it, what it sealed is lost.
pub struct SealingKey {
    /// Names the key in sealed values. It discloses nothing about the key.
    id: [u8; ID_LEN],
    key: Secret<KEY_LEN>,
}

/// The error for a text that is not a sealing key.
///
/// ```
/// use authlayer::{InvalidSealingKey, SealingKey};
/// assert_eq!("short".parse::<SealingKey>().unwrap_err(), InvalidSealingKey);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a sealing key must be 32 bytes in base64, such as the output of `openssl rand -base64 32`"
)]
pub struct InvalidSealingKey;

impl SealingKey {
    /// Creates a key from 32 bytes, which must be random.
    ///
    /// ```
    /// # let derived_by_the_application = [7; 32];
    /// let key = authlayer::SealingKey::from_bytes(derived_by_the_application);
    /// ```
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        let key = Secret::from_bytes(bytes);
        let digest = key.digest(Domain::SEALING_KEY);
        let (ids, _) = digest.as_bytes().as_chunks::<ID_LEN>();
        Self { id: ids.first().copied().unwrap_or_default(), key }
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(self.key.expose().into())
    }
}

impl From<[u8; KEY_LEN]> for SealingKey {
    fn from(bytes: [u8; KEY_LEN]) -> Self {
        Self::from_bytes(bytes)
    }
}

impl FromStr for SealingKey {
    type Err = InvalidSealingKey;

    fn from_str(text: &str) -> Result<Self, InvalidSealingKey> {
        let plain: Zeroizing<String> = Zeroizing::new(
            text.trim()
                .chars()
                .map(|c| match c {
                    '-' => '+',
                    '_' => '/',
                    c => c,
                })
                .collect(),
        );
        let bytes = BASE64.decode(plain.as_bytes()).map_err(|_| InvalidSealingKey)?;
        let bytes = Zeroizing::new(bytes);
        let bytes: [u8; KEY_LEN] = bytes.as_slice().try_into().map_err(|_| InvalidSealingKey)?;
        Ok(Self::from_bytes(bytes))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// The keys of the application, the newest first.
#[derive(Clone, Debug)]
pub(crate) struct SealingKeys(Arc<[SealingKey]>);

impl SealingKeys {
    /// Creates the list, or returns what is wrong with it.
    pub(crate) fn new(keys: Vec<SealingKey>) -> Result<Self, &'static str> {
        let is_repeated = |(at, own): (usize, &SealingKey)| {
            keys.iter().skip(at.saturating_add(1)).any(|other| other.id == own.id)
        };
        match keys.as_slice() {
            [] => Err("there must be at least one key"),
            all if all.iter().enumerate().any(is_repeated) => Err("two keys are equal"),
            _ => Ok(Self(keys.into())),
        }
    }

    /// Returns the sealer of a flow.
    pub(crate) fn sealer(&self, flow: &str) -> Sealer {
        Sealer { keys: self.clone(), flow: flow.into() }
    }
}

/// Seals the secrets of a flow at rest, with the keys of
/// [`AuthBuilder::sealing_keys`](crate::AuthBuilder::sealing_keys).
/// [`Registry::sealer`](crate::Registry::sealer) returns it.
///
/// ```
/// use authlayer::{AuthError, Sealer};
///
/// fn store(sealer: &Sealer, row: &str, secret: &[u8]) -> Result<String, AuthError> {
///     sealer.seal(row, secret)
/// }
///
/// fn load(sealer: &Sealer, row: &str, stored: &str) -> Result<Vec<u8>, AuthError> {
///     Ok(sealer.open(row, stored)?.to_vec())
/// }
/// ```
///
/// # Security
///
/// A key seals at most 2³² values (NIST SP 800-38D §8.3), since nonces are random; replace it
/// before. The length of the secret is not hidden.
#[derive(Clone)]
pub struct Sealer {
    keys: SealingKeys,
    flow: Arc<str>,
}

impl Sealer {
    /// Seals a secret with the newest key. `context` names the place where it is stored, such as
    /// the id of its row: only the same flow can open it, with the same context.
    ///
    /// ```
    /// # fn store(sealer: &authlayer::Sealer) -> Result<(), authlayer::AuthError> {
    /// let column = sealer.seal("row 1", b"the secret")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the random source fails.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String, AuthError> {
        let key = self.keys.0.first().ok_or_else(|| unreadable("there is no key".to_owned()))?;
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let aad = self.aad(context);
        let sealed = key
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| unreadable("the secret is too long".to_owned()))?;
        let all = [&[VERSION], key.id.as_slice(), &nonce, &sealed].concat();
        Ok(URL_SAFE_NO_PAD.encode(all))
    }

    /// Opens a sealed secret, with whichever key it was sealed with.
    ///
    /// ```
    /// # fn load(sealer: &authlayer::Sealer, column: &str) -> Result<(), authlayer::AuthError> {
    /// let secret = sealer.open("row 1", column)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`], with the reason in the log, if the value was sealed with a key
    /// that the application does not give, was changed, or is of another context or flow.
    pub fn open(&self, context: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        let parts = Parts::parse(sealed)
            .ok_or_else(|| unreadable("it has no form that this version knows".to_owned()))?;
        let Parts { id, nonce, sealed } = parts;
        let key = self.keys.0.iter().find(|key| key.id == id).ok_or_else(|| {
            let id = URL_SAFE_NO_PAD.encode(id);
            unreadable(format!("its key, {id}, is not among AuthBuilder::sealing_keys"))
        })?;
        let aad = self.aad(context);
        let plain = key
            .cipher()
            .decrypt(&Nonce::from(nonce), Payload { msg: &sealed, aad: &aad })
            .map_err(|_| unreadable("it was changed, or moved from another row".to_owned()))?;
        Ok(Zeroizing::new(plain))
    }

    /// Returns `true` if a value was sealed with the newest key, and `false` if it should be sealed
    /// again at the next occasion.
    ///
    /// ```
    /// # fn renew(sealer: &authlayer::Sealer, column: &mut String) -> Result<(), authlayer::AuthError> {
    /// if !sealer.is_current(column) {
    ///     *column = sealer.seal("row 1", &sealer.open("row 1", column)?)?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn is_current(&self, sealed: &str) -> bool {
        let newest = self.keys.0.first().map(|key| key.id);
        Parts::parse(sealed).is_some_and(|parts| Some(parts.id) == newest)
    }

    /// Returns the authenticated data: the flow, after its length, and the context.
    fn aad(&self, context: &str) -> Vec<u8> {
        let flow = self.flow.as_bytes();
        let len = u64::try_from(flow.len()).unwrap_or(u64::MAX).to_be_bytes();
        [len.as_slice(), flow, context.as_bytes()].concat()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("flow", &self.flow).finish_non_exhaustive()
    }
}

/// The parts of a sealed value.
struct Parts {
    id: [u8; ID_LEN],
    nonce: [u8; NONCE_LEN],
    sealed: Vec<u8>,
}

impl Parts {
    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (&[VERSION], rest) = bytes.split_first_chunk::<1>()? else { return None };
        let (id, rest) = rest.split_first_chunk::<ID_LEN>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        Some(Self { id: *id, nonce: *nonce, sealed: sealed.to_vec() })
    }
}

fn unreadable(reason: String) -> AuthError {
    AuthError::new(ErrorKind::Unavailable)
        .with_source(format!("a sealed secret cannot be used: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(keys: &[u8]) -> Sealer {
        let keys = keys.iter().map(|byte| SealingKey::from_bytes([*byte; KEY_LEN])).collect();
        SealingKeys::new(keys).unwrap().sealer("totp")
    }

    #[test]
    fn sealed_value_opens_in_its_context_only() {
        // CR-05
        let own = sealer(&[1]);
        let sealed = own.seal("row", b"secret").unwrap();
        assert_eq!(own.open("row", &sealed).unwrap().as_slice(), b"secret");
        assert!(own.open("other", &sealed).is_err());
        assert!(own.keys.sealer("tokens").open("row", &sealed).is_err());
        assert_ne!(own.seal("row", b"secret").unwrap(), sealed);
        let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert!(own.open("row", &URL_SAFE_NO_PAD.encode(&bytes)).is_err(), "{at}");
            bytes[at] ^= 1;
        }
        for text in ["", "AQ", "not base64!", &sealed[..sealed.len() - 4]] {
            assert!(own.open("row", text).is_err(), "{text}");
        }
    }

    #[test]
    fn earlier_keys_open_and_the_newest_seals() {
        // CR-05
        let (before, rotated) = (sealer(&[1]), sealer(&[2, 1]));
        let sealed = before.seal("row", b"secret").unwrap();
        assert!(before.is_current(&sealed) && !rotated.is_current(&sealed));
        assert_eq!(rotated.open("row", &sealed).unwrap().as_slice(), b"secret");
        let again = rotated.seal("row", b"secret").unwrap();
        assert!(rotated.is_current(&again));
        let after = sealer(&[2]);
        assert!(after.open("row", &again).is_ok());
        let error = after.open("row", &sealed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    /// Sealed by OpenSSL, through `crypto.createCipheriv("aes-256-gcm", …)` of Node.js 20.
    #[test]
    fn value_of_another_implementation_opens() {
        let own = sealer(&[1]);
        let sealed = "AeCiOxvuFGG_BwcHBwcHBwcHBwcH_paJ1mramLp5E4hbAldD4Ef7pyDAUQ";
        assert_eq!(own.open("row", sealed).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn lists_of_keys_are_checked() {
        assert!(SealingKeys::new(Vec::new()).is_err());
        let twice = [[1; KEY_LEN], [1; KEY_LEN]].map(SealingKey::from_bytes);
        assert!(SealingKeys::new(twice.into()).is_err());
    }

    #[test]
    fn keys_are_parsed_from_both_alphabets() {
        let bytes = [0xfb; KEY_LEN];
        let own = SealingKey::from_bytes(bytes).id;
        let texts = [
            base64::engine::general_purpose::STANDARD.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
            format!("{}\n", BASE64.encode(bytes)),
        ];
        for text in texts {
            assert_eq!(text.parse::<SealingKey>().unwrap().id, own, "{text}");
        }
        for text in ["", "AAAA", &URL_SAFE_NO_PAD.encode([1; 31]), "=".repeat(44).as_str()] {
            assert_eq!(text.parse::<SealingKey>().unwrap_err(), InvalidSealingKey, "{text}");
        }
    }
}
