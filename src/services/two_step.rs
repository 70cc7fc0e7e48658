//! The decision about second factors. All sign-in methods pass it: password, email code, provider,
//! exchange, passkey, email sign-in, flows outside this crate, and each answer to a pending sign-in.
//!
//! The decision depends on the factors of the user, on the requirements of the application, and on
//! what the attempt has verified:
//!
//! 1. A second factor, if two-step verification is on: because of a factor, because the user turned
//!    it on with passkeys alone, or because the application requires it of the user and the user
//!    has one. An email code is not offered then.
//! 2. The verification of the email address, if it was never verified.
//! 3. An email code or a stronger factor, if the application requires a code at each sign-in.
//!
//! If a second factor is required and no registered flow verifies one, the sign-in is rejected.
//!
//! A passkey is two factors by itself. A remembered device replaces the second factor after a
//! password.

use super::{
    Account, Core, FactorUse, device::is_remembered, factor::AnyFactor, sign_in::SignInAttempt,
    unverifiable::Unverifiable,
};
use crate::{
    error::AuthError,
    model::{Factor, FactorProof, Strength},
    store::CredentialKind,
};

const EMAIL: &str = Factor::EmailCode.as_str();

/// The second factors of a sign-in.
struct Owed {
    is_required: bool,
    /// The names of those that it offers, strongest first.
    offered: Vec<&'static str>,
    /// Those that no registered flow verifies.
    missing: Vec<Unverifiable>,
}

impl Core {
    /// Returns the methods of which a sign-in requires one, strongest first; none if it is
    /// complete.
    pub(super) async fn owed(
        &self,
        attempt: &SignInAttempt,
    ) -> Result<Vec<&'static str>, AuthError> {
        let SignInAttempt { user, proofs, .. } = attempt;
        let by_email = |proof: &FactorProof| proof.method.is_mailbox();
        let (first, later) = (proofs.first(), proofs.get(1..).unwrap_or_default());
        let is_unverified = user.email.is_some() && user.email_verified_at.is_none();
        if is_unverified && attempt.mailbox.is_some() {
            // This claims the account, and deletes the factors of before.
            return Ok(Vec::new());
        }
        let policy = self.codes();
        let wants_address = is_unverified
            && policy.is_some_and(|policy| policy.sign_up)
            && !proofs.iter().any(by_email);
        let address = || if wants_address { vec![EMAIL] } else { Vec::new() };
        let is_exempt = attempt.is_multi_factor
            || (first.is_some_and(|proof| proof.method == Factor::Password)
                && is_remembered(user, attempt.device.as_ref()));
        if is_exempt {
            return Ok(address());
        }
        let Owed { is_required, mut offered, missing } = self.second_factors_of(attempt).await?;
        // A passkey without user verification is a security key: another one adds no factor.
        let is_other = |proof: &FactorProof| first.is_none_or(|first| first.method != proof.method);
        let is_met = later.iter().any(|proof| !by_email(proof) && is_other(proof));
        if is_required && !is_met && !offered.is_empty() {
            return Ok(offered);
        }
        if !is_met && !missing.is_empty() {
            return Err(self.no_flow_for(&missing, user, &attempt.client));
        }
        if wants_address {
            return Ok(address());
        }
        let wants_code = policy.is_some_and(|policy| policy.sign_in)
            && user.email.is_some()
            && proofs.len() == 1
            && !first.is_some_and(by_email);
        if !wants_code {
            return Ok(Vec::new());
        }
        offered.push(EMAIL);
        Ok(offered)
    }

    /// Returns what a sign-in requires of second factors.
    async fn second_factors_of(&self, attempt: &SignInAttempt) -> Result<Owed, AuthError> {
        let verified = &attempt.proofs;
        let account = match &attempt.credentials {
            Some(all) => Account::new(attempt.user.clone(), all.clone()),
            None => self.account(&attempt.user).await?,
        };
        let at_sign_in = FactorUse::SignIn { verified };
        let is_new = |own: Factor| !verified.iter().any(|proof| proof.method == own);
        let offered = self.factors().iter().filter(|own| own.is_offered(&account, at_sign_in));
        let offered = offered.map(|own| own.factor()).filter(|own| is_new(*own));
        let offered = offered.map(Factor::as_str).collect();
        let is_required = self.factors().iter().any(|own| own.is_required(&account, verified))
            || self.has_two_step(&account)
            || self.second_factors.is_required(&attempt.user, self.clock.now());
        Ok(Owed { is_required, offered, missing: self.unverifiable(&account) })
    }

    /// Returns `true` if two-step verification of a user is on.
    pub(crate) fn has_two_step(&self, account: &Account) -> bool {
        self.turns_on_two_step(account)
            || (account.of_kind(CredentialKind::TwoStep).next().is_some()
                && self.has_second_factor(account))
    }

    /// Returns `true` if the sign-ins of a user require a second factor beside a password.
    #[cfg_attr(not(feature = "password"), expect(dead_code, reason = "passwords ask for it"))]
    pub(crate) async fn asks_second_factor(
        &self,
        user: &crate::model::User,
    ) -> Result<bool, AuthError> {
        let account = self.account(user).await?;
        let is_required = || self.second_factors.is_required(user, self.clock.now());
        Ok(self.has_two_step(&account) || (is_required() && self.has_second_factor(&account)))
    }

    /// Returns `true` if a factor of the user turns two-step verification on by itself.
    pub(crate) fn turns_on_two_step(&self, account: &Account) -> bool {
        self.factors().iter().any(|own| own.turns_on_two_step(account))
            || self.has_two_step_elsewhere(account)
    }

    /// Returns `true` if the user has a factor that can be a second one, a passkey included.
    pub(crate) fn has_second_factor(&self, account: &Account) -> bool {
        let is_enough = |own: &dyn AnyFactor| own.strength() >= Strength::OneTimeCode;
        self.factors().iter().any(|own| is_enough(&**own) && own.is_enrolled(account))
    }

    /// Returns the factors that a user can set up for two-step verification, strongest first.
    pub(crate) fn setup_factors(&self) -> Vec<&'static str> {
        let enough = self.factors().iter().filter(|own| own.strength() >= Strength::OneTimeCode);
        // Passkeys are the better choice for whatever holds a security key.
        let factors = enough.map(|own| own.factor()).filter(|own| *own != Factor::SecurityKey);
        factors.map(Factor::as_str).collect()
    }
}
