//! How a session was authenticated, in the terms of tokens for other services.

use jiff::Timestamp;

use super::{Factor, Session};

impl Session {
    /// Returns the methods of the session (RFC 8176 §2), each once. A factor that has no name there
    /// is left out.
    pub(crate) fn amr(&self) -> Vec<&'static str> {
        let mut all = Vec::new();
        // A registration verifies nothing.
        for proof in self.factors.iter().filter(|own| own.is_of(own.method)) {
            let name = match proof.method {
                Factor::Password => "pwd",
                Factor::Passkey | Factor::SecurityKey => "hwk",
                Factor::Totp | Factor::EmailCode | Factor::EmailLink | Factor::RecoveryCode => {
                    "otp"
                }
                _ => continue,
            };
            if !all.contains(&name) {
                all.push(name);
            }
        }
        if self.has_two_factors() {
            all.push("mfa");
        }
        all
    }

    /// Returns the time at which the user last verified a factor (OpenID Connect Core §2).
    pub(crate) fn auth_time(&self) -> Timestamp {
        self.factors.iter().map(|proof| proof.at).max().unwrap_or(self.created_at)
    }
}
