//! The strength of factors.

use super::Factor;

/// The strength of a factor, for the order of `methods` and for recent authentication. Later
/// variants are stronger.
///
/// ```
/// use authlayer::{Factor, Strength};
///
/// assert_eq!(Factor::Totp.strength(), Some(Strength::OneTimeCode));
/// assert!(Strength::PhishingResistant > Strength::OneTimeCode);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Strength {
    /// A recovery code. It is no step-up.
    Recovery,
    /// A code or a link that is sent to a mailbox.
    Mailbox,
    /// A code that is sent out of band, such as by SMS.
    OutOfBand,
    /// A sign-in at an identity provider that reports the time of authentication.
    Provider,
    /// A password.
    Password,
    /// A one-time code that a device generates.
    OneTimeCode,
    /// A key that is resistant to phishing.
    PhishingResistant,
}

impl Strength {
    /// Returns the number of this strength in storage. A stronger factor has a higher one.
    pub(crate) const fn rank(self) -> u32 {
        match self {
            Self::Recovery => 10,
            Self::Mailbox => 20,
            Self::OutOfBand => 30,
            Self::Provider => 40,
            Self::Password => 50,
            Self::OneTimeCode => 60,
            Self::PhishingResistant => 70,
        }
    }
}

impl Factor {
    /// Returns the strength of a factor of this crate. A flow outside this crate specifies the
    /// strength of its factor.
    pub const fn strength(self) -> Option<Strength> {
        match self {
            Self::Passkey | Self::SecurityKey => Some(Strength::PhishingResistant),
            Self::Totp => Some(Strength::OneTimeCode),
            Self::Password => Some(Strength::Password),
            Self::Provider => Some(Strength::Provider),
            Self::EmailCode | Self::EmailLink => Some(Strength::Mailbox),
            Self::RecoveryCode => Some(Strength::Recovery),
            Self::DeviceGrant | Self::Custom(_) | Self::Other => None,
        }
    }
}
