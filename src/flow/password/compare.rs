//! The comparison of a password, here or in the store that has the passwords.

use serde_json::{Value, json};

use super::PasswordService;
use crate::{
    clock::whole_millis,
    crypto::password::{PasswordText, Verified},
    error::AuthError,
    model::{User, UserId},
    services::{new_user_id, password_credential},
    store::{AccountWrites, Credential, CredentialKind, Remove, Requirement},
};

impl PasswordService {
    /// Compares a password, here or where the application keeps it. One hash, and the same
    /// statements, whether or not there is a user and a password.
    pub(super) async fn check(
        &self,
        user: Option<&User>,
        whose: &str,
        password: &str,
        text: PasswordText,
    ) -> Result<(Verified, Option<Credential>), AuthError> {
        let nobody = UserId::new("");
        let credential = self.password_of(user.map_or(&nobody, |user| &user.id)).await?;
        if self.core.users.keeps_passwords() {
            let matches = match user {
                Some(user) => self.core.users.verify_password(user, password).await?,
                None => {
                    self.compare_elsewhere(password).await?;
                    false
                }
            };
            let (matches, credential) = match (user, credential) {
                (Some(user), None) if matches => self.first_use(user, password).await?,
                (_, credential) => (matches, credential),
            };
            return Ok((Verified { matches, rehash: false, unusable: false }, credential));
        }
        let stored = credential.as_ref().and_then(stored_hash);
        Ok((self.pool.verify(whose, text, stored).await?, credential))
    }

    /// The first verification of a password that another store has: a credential without a hash
    /// represents it from then on, and the caller depends on that credential.
    ///
    /// The password may have been changed before the credential existed, so it is verified once
    /// more, after the credential was read: a later change modifies the credential. It is removed
    /// if the password does not match, unless a change made it the credential of a new password.
    async fn first_use(
        &self,
        user: &User,
        password: &str,
    ) -> Result<(bool, Option<Credential>), AuthError> {
        let now = whole_millis(self.core.clock.now());
        let own = Credential { data: json!({}), ..password_credential(&user.id, "", now)? };
        let inserted = self.core.credentials.insert_credential(&own).await?;
        let credential = match inserted {
            true => Some(own.clone()),
            false => self.password_of(&user.id).await?,
        };
        let matches = self.core.users.verify_password(user, password).await?;
        if inserted && !matches {
            let (kind, sign_in) = (CredentialKind::Password, Vec::new());
            let remove = |user: &User| {
                let id = own.id.clone();
                Some(AccountWrites {
                    requires: vec![Requirement::Credential(id.clone(), Some(own.updated_at))],
                    remove: Remove::One { kind, id, sign_in: sign_in.clone() },
                    ..AccountWrites::new(user.clone())
                })
            };
            self.core.users.apply(&user.id, &remove).await?;
        }
        Ok((matches && credential.is_some(), credential))
    }

    /// Costs what a comparison costs where the application keeps passwords: it is asked about a
    /// user that does not exist, and what it answers does not matter.
    async fn compare_elsewhere(&self, password: &str) -> Result<(), AuthError> {
        let now = whole_millis(self.core.clock.now());
        let nobody = User::new(new_user_id(now)?, now);
        if let Err(cause) = self.core.users.verify_password(&nobody, password).await {
            tracing::debug!(%cause, "no password was compared for an unknown address");
        }
        Ok(())
    }
}

fn stored_hash(credential: &Credential) -> Option<String> {
    credential.data.get("hash").and_then(Value::as_str).map(ToOwned::to_owned)
}
