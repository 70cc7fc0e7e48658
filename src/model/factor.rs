//! What a person proved, and when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A way of proving who one is, by its name in the `amr` registry (RFC 8176 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Factor {
    /// A password.
    #[serde(rename = "pwd")]
    Password,
    /// A code that was sent to the address of the user. It proves the mailbox, and never
    /// counts as fresh or as strong (NIST SP 800-63B-4 §3.1.3.1).
    #[serde(rename = "otp")]
    EmailCode,
    /// A passkey, which is proof of possession and, by user verification, of the person.
    #[serde(rename = "hwk")]
    Passkey,
    /// A sign-in at a provider. The registry has no value for it; this is the one that
    /// identity providers use among themselves.
    #[serde(rename = "fed")]
    Provider,
}

impl Factor {
    /// The name by which an answer asks for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::EmailCode => "email_code",
            Self::Passkey => "passkey",
            Self::Provider => "provider",
        }
    }
}

/// A factor with the moment at which it was proved on a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The factor.
    pub method: Factor,
    /// When it was proved.
    pub at: Timestamp,
}
