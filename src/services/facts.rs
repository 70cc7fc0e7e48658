//! The sign-in methods of an account, as numbers.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Account, Core};
use crate::{
    error::AuthError,
    model::User,
    store::{Credential, CredentialKind},
};

/// The sign-in methods of a user, without the credentials themselves.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccountFacts {
    has_password: bool,
    two_step: bool,
    passkeys: usize,
    security_keys: usize,
    totp: usize,
    recovery_codes_left: usize,
    identities: usize,
    /// The facts that flows registered.
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// The members of `GET /account` that flows outside this crate cannot register.
pub(crate) const RESERVED_FACTS: &[&str] = &[
    "user",
    "has_password",
    "two_step",
    "passkeys",
    "security_keys",
    "totp",
    "recovery_codes_left",
    "identities",
];

type Fact = Box<dyn Fn(&Account) -> Value + Send + Sync>;

/// The facts that flows registered, by their names.
#[derive(Default)]
pub(crate) struct Facts(pub(crate) Vec<(&'static str, Fact)>);

impl Core {
    /// Returns whether a user has a password. If the application stores passwords, its store
    /// decides; if that does not know, a password exists from its first use on.
    pub(crate) async fn has_password(
        &self,
        user: &User,
        credentials: &[Credential],
    ) -> Result<bool, AuthError> {
        let said = match self.users.keeps_passwords() {
            true => self.users.has_password(user).await?,
            false => None,
        };
        let is_password = |own: &Credential| own.kind == CredentialKind::Password;
        Ok(said.unwrap_or_else(|| credentials.iter().any(is_password)))
    }

    /// Returns the sign-in methods of a user.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable).
    pub(crate) async fn account_facts(&self, user: &User) -> Result<AccountFacts, AuthError> {
        self.facts_of(&self.account(user).await?).await
    }

    /// Returns the sign-in methods of a user whose credentials were read.
    pub(super) async fn facts_of(&self, account: &Account) -> Result<AccountFacts, AuthError> {
        let count = |kind| account.of_kind(kind).count();
        let keys = || account.of_kind(CredentialKind::Passkey);
        let codes = account.of_kind(CredentialKind::RecoveryCodes);
        let codes = codes.filter_map(|own| own.data.get("hashes").and_then(Value::as_array));
        Ok(AccountFacts {
            has_password: self.has_password(account.user(), account.all()).await?,
            two_step: self.has_two_step(account),
            passkeys: keys().filter(|own| own.is_passkey()).count(),
            security_keys: keys().filter(|own| Credential::is_security_key(own)).count(),
            totp: count(CredentialKind::Totp),
            recovery_codes_left: codes.map(Vec::len).sum(),
            identities: count(CredentialKind::Identity),
            more: self.more_facts(account),
        })
    }

    fn more_facts(&self, account: &Account) -> Map<String, Value> {
        let facts = self.offered::<Facts>().map(|facts| &*facts.0).unwrap_or_default();
        facts.iter().map(|(name, fact)| ((*name).to_owned(), fact(account))).collect()
    }
}
