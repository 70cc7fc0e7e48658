//! Authentication factors, and the verified factors of a session.

use std::{borrow::Cow, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::name::{self, is_name};

/// An authentication factor.
///
/// ```
/// use authlayer::{Factor, RequireUser};
///
/// let guard = RequireUser::new().factor(Factor::Passkey);
/// # drop(guard);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Factor {
    /// A password.
    Password,
    /// A code that was sent to the verified email address of the user. It shows control of the
    /// mailbox (NIST SP 800-63B-4 §3.1.3.1), so it counts as recent authentication only for users
    /// who have nothing stronger.
    EmailCode,
    /// A link that was sent to the email address of the user. It shows control of the mailbox, as
    /// [`EmailCode`](Self::EmailCode) does.
    EmailLink,
    /// A passkey: possession of a device and, by user verification, of a PIN or a biometric.
    Passkey,
    /// A security key: possession of a device, without user verification.
    SecurityKey,
    /// A one-time code of an authenticator app (RFC 6238).
    Totp,
    /// A recovery code. It stands for one lost factor and is no recent authentication.
    RecoveryCode,
    /// A sign-in at an identity provider.
    Provider,
    /// The approval of a program by the user, on another session (RFC 8628). It is no recent
    /// authentication, and no rule that names a factor accepts it.
    DeviceGrant,
    /// A factor that a flow outside this crate defines: [`Factor::custom`].
    Custom(&'static str),
    /// A factor that no flow of this process defines, or only a newer version knows. It verifies
    /// nothing, and no rule accepts it.
    Other,
}

impl Factor {
    /// All factors, strongest first.
    pub const BY_STRENGTH: [Self; 9] = [
        Self::Passkey,
        Self::SecurityKey,
        Self::Totp,
        Self::Password,
        Self::Provider,
        Self::EmailCode,
        Self::EmailLink,
        Self::RecoveryCode,
        Self::DeviceGrant,
    ];

    /// Defines a factor for a flow by its name: 1 to 32 lowercase letters, digits and `_`. In a
    /// `const`, a malformed name is a compile error:
    ///
    /// ```
    /// use authlayer::Factor;
    /// const SMS: Factor = Factor::custom("sms");
    /// assert_eq!(SMS.as_str(), "sms");
    /// ```
    ///
    /// ```compile_fail
    /// use authlayer::Factor;
    /// const SMS: Factor = Factor::custom("My factor");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the name is malformed.
    pub const fn custom(name: &'static str) -> Self {
        assert!(is_name(name), "a factor name is lower-case letters, digits and `_`");
        Self::Custom(name)
    }

    /// Returns the factor of a name, or [`Other`](Self::Other) for a name that nothing in this
    /// process has defined.
    pub fn from_name(name: &str) -> Self {
        let built_in = Self::BY_STRENGTH.into_iter().find(|factor| factor.as_str() == name);
        let custom = || name::registered(name).map(Self::Custom);
        built_in.or_else(custom).unwrap_or(Self::Other)
    }

    /// Registers a custom factor, so that a stored [`FactorProof`] of it can be read.
    pub(crate) fn register(self) {
        if let Self::Custom(name) = self {
            name::register(name);
        }
    }

    /// Returns `true` if this is a second factor beside any other: an email code beside a password
    /// is none.
    pub(crate) const fn is_second_factor(self) -> bool {
        matches!(
            self,
            Self::Passkey | Self::SecurityKey | Self::Totp | Self::RecoveryCode | Self::Custom(_)
        )
    }

    /// Returns `true` if this shows control of the mailbox.
    pub(crate) const fn is_mailbox(self) -> bool {
        matches!(self, Self::EmailCode | Self::EmailLink)
    }

    /// Returns the name of the factor on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::EmailCode => "email_code",
            Self::EmailLink => "email_link",
            Self::Passkey => "passkey",
            Self::SecurityKey => "security_key",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::Provider => "provider",
            Self::DeviceGrant => "device_grant",
            Self::Custom(name) => name,
            Self::Other => "other",
        }
    }
}

impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_name(&Cow::<str>::deserialize(deserializer)?))
    }
}

/// Identifies the credential of a [`FactorProof`], so that its removal can end the sessions that were
/// begun with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CredentialTag(u64);

impl CredentialTag {
    /// Returns the tag of a credential id: its FNV-1a hash.
    pub(crate) fn of(id: &str) -> Self {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(id.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    /// Returns the tag as it is stored.
    pub(crate) fn to_text(self) -> String {
        format!("{:016x}", self.0)
    }
}

impl Serialize for CredentialTag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

/// The meaning of the time of a [`FactorProof`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// The user authenticated with the factor at that time.
    #[default]
    Verified,
    /// The factor was registered at that time. This is recent authentication, but it does not
    /// satisfy a guard that names the factor.
    Enrolled,
    /// The sign-in took place at that time, but the provider did not report when the user
    /// authenticated there: it may have been a silent sign-in.
    Untimed,
}

impl Basis {
    fn is_verified(&self) -> bool {
        *self == Self::Verified
    }
}

/// A factor with which the user authenticated on a session, and the time.
///
/// ```
/// use authlayer::{Factor, Session};
///
/// fn has_passkey(session: &Session) -> bool {
///     session.factors.iter().any(|proof| proof.method == Factor::Passkey)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredProof")]
#[non_exhaustive]
pub struct FactorProof {
    /// The factor.
    pub method: Factor,
    /// The time of the authentication.
    pub at: Timestamp,
    /// The meaning of that time.
    #[serde(default, skip_serializing_if = "Basis::is_verified")]
    pub basis: Basis,
    /// The credential that was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<CredentialTag>,
    /// Whether a trusted provider verified several factors.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_multi_factor: bool,
}

/// The stored form of a [`FactorProof`], which may be from a newer version.
#[derive(Deserialize)]
struct StoredProof {
    method: Factor,
    at: Timestamp,
    #[serde(default)]
    basis: StoredBasis,
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    is_multi_factor: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredBasis {
    #[default]
    Verified,
    Enrolled,
    Untimed,
    #[serde(other)]
    Other,
}

/// Converts a [`FactorProof`] with an unknown basis to [`Factor::Other`], which verifies nothing.
impl From<StoredProof> for FactorProof {
    fn from(StoredProof { method, at, basis, by, is_multi_factor }: StoredProof) -> Self {
        let proof = match basis {
            StoredBasis::Verified => Self::new(method, at),
            StoredBasis::Enrolled => Self::new(method, at).on(Basis::Enrolled),
            StoredBasis::Untimed => Self::new(method, at).on(Basis::Untimed),
            StoredBasis::Other => Self::new(Factor::Other, at),
        };
        let by = by.and_then(|text| u64::from_str_radix(&text, 16).ok());
        Self { by: by.map(CredentialTag), is_multi_factor, ..proof }
    }
}

impl FactorProof {
    /// Creates a record that a factor was verified at a time.
    pub const fn new(method: Factor, at: Timestamp) -> Self {
        Self { method, at, basis: Basis::Verified, by: None, is_multi_factor: false }
    }

    /// Returns the same record with another basis.
    #[must_use]
    pub const fn on(self, basis: Basis) -> Self {
        Self { basis, ..self }
    }

    /// Returns the same proof with whether a trusted provider verified several factors.
    #[must_use]
    pub(crate) const fn multi_factor(self, is_multi_factor: bool) -> Self {
        Self { is_multi_factor, ..self }
    }

    /// Returns the same proof with the credential that was verified.
    #[must_use]
    pub(crate) fn by(self, credential: &str) -> Self {
        Self { by: Some(CredentialTag::of(credential)), ..self }
    }

    /// Returns `true` if this is a proof of `factor` itself, and not of its registration.
    pub(crate) fn is_of(&self, factor: Factor) -> bool {
        self.is_authentication() && self.method == factor && self.basis != Basis::Enrolled
    }

    /// Returns `true` if the record is younger than `age`. A time after `now`, because the clock
    /// was set back, does not count.
    pub(crate) fn is_within(&self, age: Duration, now: Timestamp) -> bool {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        self.at > oldest && self.at <= now
    }

    /// Returns `true` if the user authenticated with a factor that this process knows. The approval
    /// of a program is no authentication on its session.
    pub(super) fn is_authentication(&self) -> bool {
        !matches!(self.method, Factor::Other | Factor::DeviceGrant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn verified_factors_are_stored_by_name_and_basis() {
        let proof = FactorProof::new(Factor::Passkey, at(0));
        let text = |proof| serde_json::to_string(&proof).unwrap();
        assert_eq!(text(proof), r#"{"method":"passkey","at":"1970-01-01T00:00:00Z"}"#);
        for newer in [
            r#"{"method":"hologram","at":"1970-01-01T00:00:00Z","serial":7}"#,
            r#"{"method":"passkey","at":"1970-01-01T00:00:00Z","basis":"hearsay"}"#,
        ] {
            let read: FactorProof = serde_json::from_str(newer).unwrap();
            assert_eq!(read, FactorProof::new(Factor::Other, at(0)));
            assert!(!read.is_of(Factor::Other) && !read.is_of(Factor::Passkey));
        }
        let enrolled = proof.on(Basis::Enrolled);
        assert_eq!(serde_json::from_str::<FactorProof>(&text(enrolled)).unwrap(), enrolled);
        for factor in Factor::BY_STRENGTH {
            assert_eq!(serde_json::to_value(factor).unwrap(), factor.as_str());
        }
    }
}
