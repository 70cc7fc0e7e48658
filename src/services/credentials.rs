//! Credentials of a flow outside this crate.

use std::{collections::HashMap, fmt, marker::PhantomData};

use http::StatusCode;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Core, CredentialOptions, Services, new_user_id};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::MessageKind,
    model::{Factor, UserId},
    store::{self, Credential as Row, CredentialKind},
};

pub(super) const TAKEN: ErrorKind =
    ErrorKind::custom(StatusCode::CONFLICT, "credential_taken", "This is in use already");
pub(super) const TOO_MANY: ErrorKind =
    ErrorKind::custom(StatusCode::CONFLICT, "too_many_credentials", "Remove another one first");
pub(super) const ADDED: EventKind = EventKind::custom("credential_added");
pub(super) const REMOVED: EventKind = EventKind::custom("credential_removed");

/// The members of the data of a second factor: the mark, and the data of the flow.
const MARK: &str = "$second_factor";
const DATA: &str = "$data";

/// Returns whether the data are those of a second factor.
pub(super) fn is_second_factor(data: &Value) -> bool {
    data.get(MARK) == Some(&Value::Bool(true))
}

/// The registered kinds.
#[derive(Default)]
pub(crate) struct CredentialKinds(pub(crate) HashMap<&'static str, CredentialOptions>);

impl Core {
    /// Returns whether a kind of a flow outside this crate is a sign-in method. A kind that no flow
    /// of this process registered counts as one, because it may be registered in another process.
    pub(crate) fn kind_signs_in(&self, name: &str) -> bool {
        let kinds = self.offered::<CredentialKinds>();
        kinds.and_then(|kinds| kinds.0.get(name)).is_none_or(|options| options.signs_in)
    }
}

/// A stored credential.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Credential<T> {
    /// The id.
    pub id: String,
    /// The user.
    pub user_id: UserId,
    /// The lookup key, unique within its kind.
    pub lookup: String,
    /// The data of the flow.
    pub data: T,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the last sign-in with it.
    pub last_used_at: Option<Timestamp>,
    stored: Value,
}

impl<T: DeserializeOwned> Credential<T> {
    /// Reads a row, or returns `None` if its data has another form.
    pub(super) fn read(row: &Row) -> Option<Self> {
        let data = match is_second_factor(&row.data) {
            true => row.data.get(DATA).cloned().unwrap_or_default(),
            false => row.data.clone(),
        };
        let data = match serde_json::from_value(data) {
            Ok(data) => data,
            Err(error) => {
                tracing::warn!(credential = row.id, cause = %error, "a credential cannot be read");
                return None;
            }
        };
        Some(Self {
            id: row.id.clone(),
            user_id: row.user_id.clone(),
            lookup: row.lookup.clone(),
            data,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            stored: row.data.clone(),
        })
    }
}

impl<T> Credential<T> {
    /// Returns the data as they are stored.
    pub(super) fn stored(&self) -> &Value {
        &self.stored
    }

    /// Returns the credential after its data were stored.
    pub(super) fn with_stored(self, stored: Value) -> Self {
        Self { stored, ..self }
    }

    /// Describes a use without new data.
    pub fn used(&self) -> CredentialUse {
        CredentialUse {
            user_id: self.user_id.clone(),
            id: self.id.clone(),
            expected: self.stored.clone(),
            data: Some(self.stored.clone()),
            last_used_at: self.last_used_at,
            report: None,
        }
    }
}

/// A use of a credential. It is recorded together with the new session, and only if the stored data
/// are unchanged: of two concurrent uses of the same state, one succeeds.
#[derive(Clone)]
#[must_use]
pub struct CredentialUse {
    pub(super) user_id: UserId,
    id: String,
    expected: Value,
    /// The new data, or `None` if they cannot be written as JSON.
    data: Option<Value>,
    last_used_at: Option<Timestamp>,
    report: Option<Box<(EventKind, MessageKind)>>,
}

impl CredentialUse {
    /// Describes a use of a credential of this crate.
    pub(crate) fn of(row: &Row, data: Value) -> Self {
        let (user_id, id) = (row.user_id.clone(), row.id.clone());
        let (expected, last_used_at) = (row.data.clone(), row.last_used_at);
        Self { user_id, id, expected, data: Some(data), last_used_at, report: None }
    }

    /// Records an event and notifies the user once the use is recorded.
    pub(crate) fn reported(self, event: EventKind, notice: MessageKind) -> Self {
        Self { report: Some(Box::new((event, notice))), ..self }
    }

    /// Returns the id of the credential.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the time of the use before this one.
    pub(super) fn last_used_at(&self) -> Option<Timestamp> {
        self.last_used_at
    }

    /// Returns the event and the notice of the use.
    pub(super) fn report(&self) -> Option<(EventKind, MessageKind)> {
        self.report.as_deref().copied()
    }

    /// Returns whether the credential belongs to a user.
    pub(super) fn is_of(&self, user: &UserId) -> bool {
        self.user_id == *user
    }

    /// Returns the update of the credential.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for data that cannot be written as JSON.
    pub(super) fn at(self, at: Timestamp) -> Result<store::CredentialUpdate, AuthError> {
        let Self { id: credential, expected, data, .. } = self;
        let data = data.ok_or(ErrorKind::Misconfigured)?;
        Ok(store::CredentialUpdate { credential, expected, data, at })
    }
}

/// Redacted: the data may be secret.
impl fmt::Debug for CredentialUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialUse").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Credentials of one kind.
pub struct Credentials<T> {
    pub(super) services: Services,
    name: &'static str,
    options: CredentialOptions,
    data: PhantomData<fn(T) -> T>,
}

impl<T> Credentials<T> {
    pub(crate) fn new(services: Services, name: &'static str, options: CredentialOptions) -> Self {
        Self { services, name, options, data: PhantomData }
    }

    pub(super) fn kind(&self) -> CredentialKind {
        CredentialKind::Custom(self.name)
    }

    pub(super) fn options(&self) -> &CredentialOptions {
        &self.options
    }

    pub(super) fn factor(&self) -> Option<Factor> {
        self.options.factor
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Credentials<T> {
    /// Returns the credential that `lookup` identifies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn find(&self, lookup: &str) -> Result<Option<Credential<T>>, AuthError> {
        let core = self.services.core()?;
        let found = core.credentials.find_credential(self.kind(), lookup).await?;
        Ok(found.as_ref().and_then(Credential::read))
    }

    /// Returns the credentials of a user, oldest first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn list(&self, user: &UserId) -> Result<Vec<Credential<T>>, AuthError> {
        let core = self.services.core()?;
        let all = core.credentials.list_credentials(user).await?;
        Ok(all.iter().filter(|own| own.kind == self.kind()).filter_map(Credential::read).collect())
    }

    /// Returns the oldest credential of a user, for a kind of which a user has one.
    ///
    /// ```
    /// use authlayer::{AuthError, UserId, services::Credentials};
    ///
    /// async fn has_pin(pins: &Credentials<String>, user: &UserId) -> Result<bool, AuthError> {
    ///     Ok(pins.of_user(user).await?.is_some())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn of_user(&self, user: &UserId) -> Result<Option<Credential<T>>, AuthError> {
        Ok(self.list(user).await?.into_iter().next())
    }

    /// Replaces the data of a credential without a session, for administration, if they are as they
    /// were read. Returns whether they were replaced. No message is sent.
    ///
    /// ```
    /// use authlayer::{AuthError, services::{Credential, Credentials}};
    ///
    /// async fn block(cards: &Credentials<bool>, card: &Credential<bool>) -> Result<bool, AuthError> {
    ///     cards.replace(card, false).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn replace(&self, credential: &Credential<T>, data: T) -> Result<bool, AuthError> {
        let core = self.services.core()?;
        let (now, data) = (whole_millis(core.clock.now()), self.stored(&data)?);
        let (id, before) = (&credential.id, &credential.stored);
        Ok(core.credentials.replace_credential(id, before, &data, now).await?)
    }

    /// Returns the row of a new credential.
    pub(super) fn new_row(&self, user: &UserId, lookup: &str, data: T) -> Result<Row, AuthError> {
        self.row(&*self.services.core()?, user, lookup, data)
    }

    /// Adds a credential without a session, for administration and import. No message is sent.
    ///
    /// # Errors
    ///
    /// `credential_taken` (409) if the lookup is in use or the user does not exist;
    /// [`ErrorKind::Unavailable`].
    pub async fn assign(
        &self,
        user: &UserId,
        lookup: &str,
        data: T,
    ) -> Result<Credential<T>, AuthError> {
        let core = self.services.core()?;
        let row = self.row(&core, user, lookup, data)?;
        if !core.credentials.insert_credential(&row).await? {
            return Err(TAKEN.into());
        }
        Credential::read(&row).ok_or_else(|| ErrorKind::Misconfigured.into())
    }

    /// Describes a use that replaces the data, if they are unchanged until then. With data that
    /// cannot be written as JSON, the sign-in fails with [`ErrorKind::Misconfigured`].
    ///
    /// ```
    /// use authlayer::services::{Credential, CredentialUse, Credentials};
    ///
    /// fn count(keys: &Credentials<u64>, key: &Credential<u64>) -> CredentialUse {
    ///     keys.replacing(key, key.data + 1)
    /// }
    /// ```
    pub fn replacing(&self, credential: &Credential<T>, data: T) -> CredentialUse {
        let data = self.stored(&data).inspect_err(|error| {
            tracing::error!(kind = self.name, cause = %error, "a credential cannot be written");
        });
        CredentialUse { data: data.ok(), ..credential.used() }
    }

    /// Returns the stored form of the data.
    pub(super) fn stored(&self, data: &T) -> Result<Value, AuthError> {
        let data = serde_json::to_value(data).map_err(AuthError::misconfigured)?;
        Ok(match self.options.second_factor {
            true => json!({ MARK: true, DATA: data }),
            false => data,
        })
    }

    fn row(&self, core: &Core, user: &UserId, lookup: &str, data: T) -> Result<Row, AuthError> {
        let now = whole_millis(core.clock.now());
        Ok(Row {
            id: new_user_id(now)?.as_str().to_owned(),
            user_id: user.clone(),
            kind: self.kind(),
            lookup: lookup.to_owned(),
            data: self.stored(&data)?,
            created_at: now,
            updated_at: now,
            last_used_at: None,
        })
    }
}

impl<T> Clone for Credentials<T> {
    fn clone(&self) -> Self {
        let (services, options) = (self.services.clone(), self.options.clone());
        Self { services, name: self.name, options, data: PhantomData }
    }
}

impl<T> fmt::Debug for Credentials<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}
