//! The waist: all that the store asks of an engine.

use async_trait::async_trait;
use sqlx::{Database, Error, Pool};

/// A value to bind. Both engines take the same two types.
#[derive(Clone, Debug)]
pub enum Arg {
    /// For a `TEXT` column.
    Text(Option<String>),
    /// For a `BIGINT` column.
    Int(Option<i64>),
}

/// One statement of a transaction.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) sql: &'static str,
    pub(super) args: Vec<Arg>,
    pub(super) must_change: bool,
}

/// An SQL engine; implemented for `sqlx::Sqlite` and `sqlx::Postgres`, and sealed.
#[async_trait]
pub trait Db: Database + sealed::Sealed {
    /// The name, for messages.
    const ENGINE: &'static str;

    #[doc(hidden)]
    fn pick(sqlite: &'static str, postgres: &'static str) -> &'static str;
    #[doc(hidden)]
    async fn execute(pool: &Pool<Self>, sql: &'static str, args: Vec<Arg>) -> Result<u64, Error>;
    #[doc(hidden)]
    async fn fetch_optional(
        pool: &Pool<Self>,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Option<Self::Row>, Error>;
    #[doc(hidden)]
    async fn fetch_all(
        pool: &Pool<Self>,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Vec<Self::Row>, Error>;
    #[doc(hidden)]
    async fn transact(pool: &Pool<Self>, steps: Vec<Step>) -> Result<bool, Error>;
    #[doc(hidden)]
    async fn migrate(pool: &Pool<Self>, now: i64) -> Result<(), super::migrate::MigrateError>;
    #[doc(hidden)]
    fn text(row: &Self::Row, column: usize) -> Result<Option<String>, Error>;
    #[doc(hidden)]
    fn int(row: &Self::Row, column: usize) -> Result<Option<i64>, Error>;
    #[doc(hidden)]
    fn name(row: &Self::Row, column: usize) -> &str;
}

pub(super) mod sealed {
    pub trait Sealed {}
}

impl Step {
    pub(super) fn new(sql: &'static str, args: Vec<Arg>) -> Self {
        Self { sql, args, must_change: false }
    }

    /// A statement that takes everything back when it changes no row.
    pub(super) fn must(sql: &'static str, args: Vec<Arg>) -> Self {
        Self { sql, args, must_change: true }
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<jiff::Timestamp> for Arg {
    fn from(moment: jiff::Timestamp) -> Self {
        Self::Int(Some(moment.as_millisecond()))
    }
}

impl From<Option<jiff::Timestamp>> for Arg {
    fn from(moment: Option<jiff::Timestamp>) -> Self {
        Self::Int(moment.map(|moment| moment.as_millisecond()))
    }
}

/// Implements [`Db`] for an engine; the bodies are the same text.
macro_rules! engine {
    ($engine:ty, $name:literal, $begin:literal, $lock:expr, |$sqlite:ident, $postgres:ident| $pick:ident) => {
        fn bound(
            sql: &'static str,
            args: Vec<$crate::store::sql::db::Arg>,
        ) -> sqlx::query::Query<'static, $engine, <$engine as sqlx::Database>::Arguments> {
            args.into_iter().fold(sqlx::query(sql), |query, arg| match arg {
                $crate::store::sql::db::Arg::Text(text) => query.bind(text),
                $crate::store::sql::db::Arg::Int(number) => query.bind(number),
            })
        }

        impl $crate::store::sql::db::sealed::Sealed for $engine {}

        #[async_trait::async_trait]
        impl $crate::store::sql::db::Db for $engine {
            const ENGINE: &'static str = $name;

            fn pick($sqlite: &'static str, $postgres: &'static str) -> &'static str {
                $pick
            }

            async fn execute(
                pool: &sqlx::Pool<Self>,
                sql: &'static str,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<u64, sqlx::Error> {
                Ok(bound(sql, args).execute(pool).await?.rows_affected())
            }

            async fn fetch_optional(
                pool: &sqlx::Pool<Self>,
                sql: &'static str,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<Option<Self::Row>, sqlx::Error> {
                bound(sql, args).fetch_optional(pool).await
            }

            async fn fetch_all(
                pool: &sqlx::Pool<Self>,
                sql: &'static str,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<Vec<Self::Row>, sqlx::Error> {
                bound(sql, args).fetch_all(pool).await
            }

            async fn transact(
                pool: &sqlx::Pool<Self>,
                steps: Vec<$crate::store::sql::db::Step>,
            ) -> Result<bool, sqlx::Error> {
                let mut transaction = pool.begin_with($begin).await?;
                for step in steps {
                    let changed = bound(step.sql, step.args)
                        .execute(&mut *transaction)
                        .await?
                        .rows_affected();
                    if step.must_change && changed == 0 {
                        transaction.rollback().await?;
                        return Ok(false);
                    }
                }
                transaction.commit().await?;
                Ok(true)
            }

            async fn migrate(
                pool: &sqlx::Pool<Self>,
                now: i64,
            ) -> Result<(), $crate::store::sql::migrate::MigrateError> {
                use sqlx::Row as _;
                use $crate::store::sql::migrate::{self, Plan};

                let lock: Option<&'static str> = $lock;
                let mut transaction = pool.begin_with($begin).await?;
                if let Some(lock) = lock {
                    sqlx::query(lock).execute(&mut *transaction).await?;
                }
                sqlx::query(migrate::TABLE).execute(&mut *transaction).await?;
                let mut applied = Vec::new();
                for row in sqlx::query(migrate::APPLIED).fetch_all(&mut *transaction).await? {
                    applied.push((row.try_get(0)?, row.try_get(1)?));
                }
                for Plan { name, text, checksum } in migrate::pending(&applied)? {
                    sqlx::raw_sql(text).execute(&mut *transaction).await?;
                    let args = vec![name.into(), checksum.into(), now.into()];
                    bound(migrate::NOTE, args).execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                Ok(())
            }

            fn text(row: &Self::Row, column: usize) -> Result<Option<String>, sqlx::Error> {
                sqlx::Row::try_get(row, column)
            }

            fn int(row: &Self::Row, column: usize) -> Result<Option<i64>, sqlx::Error> {
                sqlx::Row::try_get(row, column)
            }

            fn name(row: &Self::Row, column: usize) -> &str {
                sqlx::Row::columns(row).get(column).map_or("?", sqlx::Column::name)
            }
        }
    };
}

pub(super) use engine;
