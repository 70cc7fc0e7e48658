//! Credentials as values, and changes that are not security-relevant.

use serde::{Serialize, de::DeserializeOwned};

use super::{Core, Credential, Credentials};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    model::UserId,
    session::AuthUser,
    store::StoreError,
};

/// Maximum attempts if concurrent changes succeed first.
const MAX_RACES: usize = 5;

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Credentials<T> {
    /// Creates a credential as a value. Nothing is stored until it is part of a sign-in, see
    /// [`VerifiedFactor::adding`](super::VerifiedFactor::adding).
    ///
    /// ```
    /// use authlayer::{AuthError, UserId, services::{Credential, Credentials}};
    ///
    /// fn link(
    ///     partners: &Credentials<()>,
    ///     user: &UserId,
    ///     subject: &str,
    /// ) -> Result<Credential<()>, AuthError> {
    ///     partners.draft(user, subject, ())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for data that cannot be written as JSON;
    /// [`ErrorKind::Unavailable`].
    pub fn draft(&self, user: &UserId, lookup: &str, data: T) -> Result<Credential<T>, AuthError> {
        let row = self.new_row(user, lookup, data)?;
        Credential::read(&row).ok_or_else(|| ErrorKind::Misconfigured.into())
    }

    /// Changes the data of a credential of the user that are not security-relevant, such as a name.
    /// No event is recorded and no message is sent. The change is repeated if the data were changed
    /// in the meantime.
    ///
    /// ```
    /// use authlayer::{AuthError, AuthUser, services::Credentials};
    ///
    /// #[derive(serde::Deserialize, serde::Serialize)]
    /// struct Card {
    ///     name: String,
    /// }
    ///
    /// async fn rename(
    ///     cards: &Credentials<Card>,
    ///     (user, id): (&AuthUser, &str),
    ///     name: &str,
    /// ) -> Result<(), AuthError> {
    ///     cards.edit(user, id, |card| card.name = name.to_owned()).await.map(drop)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`], also for a credential of another user; [`ErrorKind::Forbidden`] for
    /// an API key; [`ErrorKind::Unavailable`].
    pub async fn edit(
        &self,
        user: &AuthUser,
        id: &str,
        change: impl Fn(&mut T) + Send + Sync,
    ) -> Result<Credential<T>, AuthError> {
        let core = self.services.core()?;
        if user.api_key().is_some() {
            return Err(Core::not_by_key());
        }
        for _ in 0..MAX_RACES {
            let all = self.list(&user.user().id).await?;
            let found = all.into_iter().find(|own| own.id == id);
            let mut own = found.ok_or(ErrorKind::NotFound)?;
            change(&mut own.data);
            let (now, data) = (whole_millis(core.clock.now()), self.stored(&own.data)?);
            if core.credentials.replace_credential(id, own.stored(), &data, now).await? {
                return Ok(own.with_stored(data));
            }
        }
        Err(StoreError::new("a credential is being changed by other requests").into())
    }
}
