//! Second factors that users have and no registered flow verifies.
//!
//! Several processes may share a database, and a flow may be removed from the configuration. A
//! factor does not cease to protect its user then: a sign-in that it would be required for is
//! rejected, it counts for recent authentication, and two-step verification remains on.

use super::{Account, Core, CredentialKinds, credentials};
use crate::{
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{ClientInfo, Factor, Strength, User},
    store::{Credential, CredentialKind},
};

const NO_FLOW: &str = "no_flow_for_second_factor";

/// A second factor that no registered flow verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unverifiable {
    /// The name of the factor or, for one of a flow outside this crate, of the kind of credential.
    name: &'static str,
    pub(crate) strength: Strength,
}

impl Core {
    /// Returns the second factors of a user that no registered flow verifies. Passkeys are among
    /// them if the user has turned two-step verification on, or the application requires it.
    pub(crate) fn unverifiable(&self, account: &Account) -> Vec<Unverifiable> {
        let is_required = self.second_factors.is_required(account.user(), self.clock.now());
        self.missing(account, is_required || has_turned_on(account))
    }

    /// Returns `true` if a second factor that no registered flow verifies turns two-step
    /// verification on. A requirement of the application does not turn it on.
    pub(super) fn has_two_step_elsewhere(&self, account: &Account) -> bool {
        !self.missing(account, has_turned_on(account)).is_empty()
    }

    fn missing(&self, account: &Account, counts_passkeys: bool) -> Vec<Unverifiable> {
        let own = |factor: Factor, strength| {
            let is_missing = self.factor(factor.as_str()).is_none();
            is_missing.then_some(Unverifiable { name: factor.as_str(), strength })
        };
        let mut found = Vec::new();
        for row in account.all() {
            let missing = match row.kind {
                CredentialKind::Totp => own(Factor::Totp, Strength::OneTimeCode),
                CredentialKind::Passkey if row.is_security_key() => {
                    own(Factor::SecurityKey, Strength::PhishingResistant)
                }
                CredentialKind::Passkey if counts_passkeys => {
                    own(Factor::Passkey, Strength::PhishingResistant)
                }
                CredentialKind::Custom(_) | CredentialKind::Other => self.of_missing_flow(row),
                _ => None,
            };
            found.extend(missing.filter(|own| !found.contains(own)));
        }
        found
    }

    /// Returns the factor of a credential that a flow outside this crate has stored, if that flow is
    /// not registered here.
    fn of_missing_flow(&self, row: &Credential) -> Option<Unverifiable> {
        let name = row.kind.as_str();
        let kinds = self.offered::<CredentialKinds>();
        let is_registered = kinds.is_some_and(|kinds| kinds.0.contains_key(name));
        let is_factor = !is_registered && credentials::is_second_factor(&row.data);
        // Its strength is not known, except that it is enough for a second factor.
        is_factor.then_some(Unverifiable { name, strength: Strength::OneTimeCode })
    }

    /// Returns the error of a sign-in that none of the registered flows can complete.
    pub(super) fn no_flow_for(
        &self,
        missing: &[Unverifiable],
        user: &User,
        client: &ClientInfo,
    ) -> AuthError {
        let event = self.event(EventKind::SignInFailed).user(&user.id);
        self.events.record(event.ip(client.ip.as_deref()).reason(NO_FLOW));
        // Clients repeat the sign-in; the event of each has the user.
        let new = self.logged.factors(missing.iter().map(|own| own.name));
        if !new.is_empty() {
            tracing::error!(
                factors = new.join(", "),
                user = %user.id,
                "sign-ins are rejected: users have second factors that no registered flow \
                 verifies; add the flow with .flow(…), or remove the factors of these users"
            );
        }
        AuthError::new(ErrorKind::Unavailable).logged()
    }
}

/// Returns `true` if the user turned two-step verification on with passkeys.
fn has_turned_on(account: &Account) -> bool {
    account.of_kind(CredentialKind::TwoStep).next().is_some()
}
