//! The keys that seal secrets at rest.

use super::AuthBuilder;
use crate::crypto::seal::SealingKey;

impl AuthBuilder {
    /// Sets the keys that seal secrets that must be stored as they are: those of authenticator
    /// apps, and the private keys that sign tokens for other services. The first key seals, all of
    /// them open.
    ///
    /// To replace a key, add the new one in front: `.sealing_keys([new, old])`. A secret is sealed
    /// with the new key when it is used next. Remove the old key when nothing is sealed with it
    /// any more; what still is cannot be used then, and the log says so. Secrets that were stored
    /// before there were keys can be used, and are sealed when they are used next.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use authlayer::{Auth, Password, SealingKey, SqliteStore, Totp};
    ///
    /// let key: SealingKey = std::env::var("SEALING_KEY")?.parse()?;
    /// let auth = Auth::builder(SqliteStore::open("app.db").await?)
    ///     .origin("https://app.example.com")
    ///     .sealing_keys([key])
    ///     .flow(Password::new())
    ///     .flow(Totp::new("Example"))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// With keys, a copy of the database contains nothing that computes codes. Store the keys
    /// elsewhere. The keys protect against an attacker who can read the database, not against one
    /// who can write to it: a secret that is not sealed, as they were stored before there were keys,
    /// is still accepted, so such an attacker can replace a sealed secret by a known one.
    ///
    /// A sign-in whose second factor is sealed with a key that is missing is answered with 503 and
    /// never completes without it.
    pub fn sealing_keys<K: Into<SealingKey>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.sealing_keys = Some(keys.into_iter().map(Into::into).collect());
        self
    }
}
