//! Hooks of the application in the transactions that create users.

use std::sync::Arc;

use super::{
    Db, SqlStore,
    db::{AfterSteps, CreatedBy, TransactionOutcome},
    failure::is_deadlock,
};
use crate::{hook::HookError, store::CreatedUser};

/// A hook that runs in the transaction that creates a user, registered with
/// [`SqlStore::on_user_created`].
///
/// Each `async fn(&mut DB::Connection, &CreatedUser) -> Result<(), HookError>` is a hook; a type
/// with state implements the trait.
///
/// ```
/// # #[cfg(feature = "sqlite")] mod doc {
/// use authlayer::{HookError, SqliteStore, sqlx::{self, SqliteConnection}, store::CreatedUser};
///
/// async fn create_workspace(
///     conn: &mut SqliteConnection,
///     created: &CreatedUser,
/// ) -> Result<(), HookError> {
///     sqlx::query("INSERT INTO workspaces (owner_id, name) VALUES ($1, $2)")
///         .bind(created.user().id.as_str())
///         .bind(created.kept::<String>("company"))
///         .execute(conn)
///         .await?;
///     Ok(())
/// }
///
/// # pub async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let store = SqliteStore::open("app.db").await?.on_user_created(create_workspace);
/// # Ok(()) }
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not run in a transaction of this store",
    note = "write `async fn hook(conn: &mut SqliteConnection, created: &CreatedUser) -> Result<(), HookError>`; on a `PgStore` the connection is a `PgConnection`",
    note = "a hook with state is a type that implements `UserCreatedHook`"
)]
pub trait UserCreatedHook<DB: Db>: Send + Sync + 'static {
    /// Runs before the transaction commits. An error rolls the transaction back: a rejection is
    /// returned to the client, and every other error becomes 503.
    ///
    /// If the database ends the transaction to resolve a deadlock, the transaction is repeated, and
    /// the hook runs again: its effects outside of `conn` must be repeatable.
    fn user_created(
        &self,
        conn: &mut DB::Connection,
        created: &CreatedUser,
    ) -> impl Future<Output = Result<(), HookError>> + Send;
}

impl<DB: Db, F> UserCreatedHook<DB> for F
where
    F: for<'a> HookFn<'a, DB::Connection> + Send + Sync + 'static,
{
    async fn user_created(
        &self,
        conn: &mut DB::Connection,
        created: &CreatedUser,
    ) -> Result<(), HookError> {
        self.run(conn, created).await
    }
}

/// The `async fn` form of a hook.
pub trait HookFn<'a, C: 'a> {
    /// The future of the function.
    type Future: Future<Output = Result<(), HookError>> + Send + 'a;

    /// Calls the function.
    fn run(&self, conn: &'a mut C, created: &'a CreatedUser) -> Self::Future;
}

impl<'a, C: 'a, F, Fut> HookFn<'a, C> for F
where
    F: Fn(&'a mut C, &'a CreatedUser) -> Fut,
    Fut: Future<Output = Result<(), HookError>> + Send + 'a,
{
    type Future = Fut;

    fn run(&self, conn: &'a mut C, created: &'a CreatedUser) -> Fut {
        self(conn, created)
    }
}

impl<DB: Db> SqlStore<DB> {
    /// Runs `hook` in each transaction that creates a user, on every path: sign-ups, anonymous
    /// users, [`Users::create`](crate::Users::create), imports, and an account that gets another
    /// owner ([`UserOrigin`](crate::store::UserOrigin)). An error rolls the transaction back. Hooks
    /// run in the order in which they were registered.
    ///
    /// Use only the connection that the hook receives, and never the pool: the pool may wait for
    /// the transaction, which waits for the hook. The transaction holds the write lock of SQLite, or
    /// locks on the rows of the user, and its time limit includes the hook: send email and call
    /// other services elsewhere.
    ///
    /// A failed hook fails the request with 503, or with the rejection of [`HookError::reject`]. In
    /// an import, it rejects the line of the user.
    ///
    /// Register hooks before [`UserStorage::mapped`](crate::UserStorage::mapped). With
    /// [`UserStorage::custom`](crate::UserStorage::custom) and
    /// [`UserStorage::external`](crate::UserStorage::external) the application creates the user
    /// itself, and a registered hook is a [`ConfigError`](crate::ConfigError).
    #[must_use]
    pub fn on_user_created(mut self, hook: impl UserCreatedHook<DB>) -> Self {
        let hook = Arc::new(hook);
        self.hooks.push(Arc::new(move |conn, created| {
            let hook = Arc::clone(&hook);
            Box::pin(async move { hook.user_created(conn, created).await })
        }));
        self
    }

    /// Returns the hooks to run after the steps that create a user; `None` without hooks.
    pub(super) fn after<'a>(&'a self, created: CreatedBy<'a, DB>) -> Option<AfterSteps<'a, DB>> {
        (!self.hooks.is_empty()).then_some(AfterSteps { hooks: &self.hooks, created })
    }
}

impl<DB: Db> AfterSteps<'_, DB> {
    /// Runs the hooks, unless the steps failed or created no user.
    pub(super) async fn finish(
        self,
        conn: &mut DB::Connection,
        ended: TransactionOutcome<DB::Row>,
    ) -> Result<TransactionOutcome<DB::Row>, sqlx::Error> {
        let TransactionOutcome::Committed(row) = &ended else { return Ok(ended) };
        let created = match (self.created)(row.as_ref()) {
            Ok(Some(created)) => created,
            Ok(None) => return Ok(ended),
            Err(error) => return Ok(TransactionOutcome::Rejected(error.into())),
        };
        for hook in self.hooks {
            if let Err(error) = hook(&mut *conn, &created).await {
                return match error.into_cause::<sqlx::Error>() {
                    Ok(error) if is_deadlock(&error) => Err(error),
                    Ok(error) => Ok(TransactionOutcome::Rejected(error.into())),
                    Err(error) => Ok(TransactionOutcome::Rejected(error)),
                };
            }
        }
        // PostgreSQL rolls back at `COMMIT`, without an error, if a hook ignored the error of a
        // statement.
        if DB::IS_POSTGRES
            && let Err(error) = DB::batch(conn, "SELECT 1".to_owned()).await
        {
            return Ok(TransactionOutcome::Rejected(error.into()));
        }
        Ok(ended)
    }
}
