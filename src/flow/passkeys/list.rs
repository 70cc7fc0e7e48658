//! Passkeys of a user: list and names.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PasskeyService, options, service::Kept};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    model::User,
    store::Credential,
};

impl PasskeyService {
    /// Returns the passkeys of a user as JSON, oldest first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn list(&self, user: &User) -> Result<Vec<Value>, AuthError> {
        let own = self.passkeys(&user.id).await?;
        Ok(own.iter().map(|(own, kept)| view(own, kept)).collect())
    }

    /// Returns the argument of the browser's `signalAllAcceptedCredentials` (WebAuthn Level 3
    /// §5.1.10.3), with an empty list for a user without passkeys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn signal_accepted_credentials(&self, user: &User) -> Result<Value, AuthError> {
        let own = self.passkeys(&user.id).await?;
        let handle = options::handle(&user.id, &own);
        let ids: Vec<&str> = own.iter().map(|(own, _)| own.lookup.as_str()).collect();
        Ok(json!({
            "rpId": &*self.relying_party()?.rp_id,
            "userId": URL_SAFE_NO_PAD.encode(handle.as_bytes()),
            "allAcceptedCredentialIds": ids,
        }))
    }

    /// Renames a passkey.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the user has no such passkey; [`ErrorKind::Unavailable`] if the
    /// store fails or the passkey was changed at the same time.
    pub async fn rename(&self, user: &User, id: &str, name: String) -> Result<Value, AuthError> {
        let own = self.passkeys(&user.id).await?.into_iter().find(|(own, _)| own.id == id);
        let (own, mut kept) = own.ok_or(ErrorKind::NotFound)?;
        kept.name = name;
        let data = serde_json::to_value(&kept).map_err(AuthError::misconfigured)?;
        let now = whole_millis(self.core.clock.now());
        if !self.core.credentials.replace_credential(&own.id, &own.data, &data, now).await? {
            return Err(ErrorKind::Unavailable.into());
        }
        Ok(view(&own, &kept))
    }
}

pub(super) fn view_of(credential: &Credential) -> Value {
    let kept = Kept::deserialize(&credential.data);
    kept.map(|kept| view(credential, &kept)).unwrap_or_default()
}

pub(super) fn view(credential: &Credential, kept: &Kept) -> Value {
    json!({
        "id": credential.id,
        "name": kept.name,
        "aaguid": kept.aaguid,
        "transports": kept.transports,
        "backed_up": kept.backed_up,
        "user_verified": !kept.second_factor && !kept.unverified,
        "created_at": credential.created_at,
        "last_used_at": credential.last_used_at,
    })
}
