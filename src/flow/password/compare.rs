//! Verification of a password, here or in the store that has the passwords.

use serde_json::{Value, json};

use super::PasswordService;
use crate::{
    clock::whole_millis,
    crypto::password::{NormalizedPassword, Verification},
    error::AuthError,
    model::{User, UserId},
    services::{new_user_id, password_credential},
    store::{AccountWrites, Credential, CredentialKind, Remove, Requirement},
};

impl PasswordService {
    /// Verifies a password, here or in the store of the application. It computes one hash and
    /// executes the same statements whether or not the user and the password exist.
    pub(super) async fn check(
        &self,
        user: Option<&User>,
        whose: &str,
        password: &str,
        text: NormalizedPassword,
    ) -> Result<(Verification, Option<Credential>, Vec<Credential>), AuthError> {
        let nobody = UserId::new("");
        let id = user.map_or(&nobody, |user| &user.id);
        let all = self.core.credentials.list_credentials(id).await?;
        let credential = all.iter().find(|own| own.kind == CredentialKind::Password).cloned();
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
            return Ok((Verification { matches, rehash: false, unusable: false }, credential, all));
        }
        let stored = credential.as_ref().and_then(stored_hash);
        Ok((self.pool.verify(whose, text, stored).await?, credential, all))
    }

    /// Handles the first verification of a password in another store: from then on, a credential
    /// without a hash represents it, and the caller depends on that credential.
    ///
    /// The password may have been changed before the credential existed, so it is verified again
    /// after the credential was read: a later change modifies the credential. If the password does
    /// not match, the credential is deleted, unless a change made it the credential of a new
    /// password.
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

    /// Takes the time of a verification in the store of the application: it verifies the password
    /// of a user that does not exist, and ignores the result.
    async fn compare_elsewhere(&self, password: &str) -> Result<(), AuthError> {
        let now = whole_millis(self.core.clock.now());
        let nobody = User::new(new_user_id(now)?, now);
        if let Err(cause) = self.core.users.verify_password(&nobody, password).await {
            tracing::debug!(%cause, "password verification for an unknown user failed");
        }
        Ok(())
    }
}

fn stored_hash(credential: &Credential) -> Option<String> {
    credential.data.get("hash").and_then(Value::as_str).map(ToOwned::to_owned)
}
