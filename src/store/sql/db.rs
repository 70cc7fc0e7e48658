//! The waist: all that the store asks of an engine.

use async_trait::async_trait;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Database, Error, Pool, SqlSafeStr, SqlStr};

/// A value to bind. Both engines take the same two types.
#[derive(Clone, Debug)]
pub enum Arg {
    /// For a `TEXT` column.
    Text(Option<String>),
    /// For a `BIGINT` column.
    Int(Option<i64>),
    /// The first column, a text, of the row that the transaction answers with.
    Answered,
}

/// The text of a statement.
#[derive(Clone, Debug)]
pub enum Sql {
    /// Ours.
    Ours(&'static str),
    /// Rendered at build for a table of the application, whose names were checked.
    Rendered(Arc<str>),
}

/// One statement of a transaction.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) sql: Sql,
    pub(super) args: Vec<Arg>,
    pub(super) must_change: bool,
    pub(super) answers: bool,
}

/// How a transaction ended: taken back, or committed, with the row of the step that answers.
#[derive(Debug)]
pub enum Ended<Row> {
    /// Nothing has changed.
    TakenBack,
    /// All has changed.
    Committed(Option<Row>),
}

/// Decides what is to be done to a row that was read under a lock; nothing, with `None`.
pub(crate) type Decide<'a, Row> = &'a mut (dyn FnMut(&Row) -> Option<Vec<Step>> + Send);

/// An SQL engine; implemented for `sqlx::Sqlite` and `sqlx::Postgres`, and sealed.
#[async_trait]
pub trait Db: Database + sealed::Sealed {
    /// The name, for messages.
    const ENGINE: &'static str;

    #[doc(hidden)]
    fn pick(sqlite: &'static str, postgres: &'static str) -> &'static str;
    #[doc(hidden)]
    const IS_POSTGRES: bool;

    #[doc(hidden)]
    async fn execute(pool: &Pool<Self>, sql: Sql, args: Vec<Arg>) -> Result<u64, Error>;
    #[doc(hidden)]
    async fn fetch_optional(
        pool: &Pool<Self>,
        sql: Sql,
        args: Vec<Arg>,
    ) -> Result<Option<Self::Row>, Error>;
    #[doc(hidden)]
    async fn fetch_all(
        pool: &Pool<Self>,
        sql: Sql,
        args: Vec<Arg>,
    ) -> Result<Vec<Self::Row>, Error>;
    #[doc(hidden)]
    async fn transact(pool: &Pool<Self>, steps: Vec<Step>) -> Result<Ended<Self::Row>, Error>;
    /// Runs each group of steps or none of it, all in one transaction; answers with the row of
    /// each group that was run.
    #[doc(hidden)]
    async fn transact_each(
        pool: &Pool<Self>,
        groups: Vec<Vec<Step>>,
    ) -> Result<Vec<Option<Self::Row>>, Error>;
    #[doc(hidden)]
    async fn edit(
        pool: &Pool<Self>,
        sql: Sql,
        args: Vec<Arg>,
        decide: Decide<'_, Self::Row>,
    ) -> Result<bool, Error>;
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
    pub(super) fn new(sql: impl Into<Sql>, args: Vec<Arg>) -> Self {
        Self { sql: sql.into(), args, must_change: false, answers: false }
    }

    /// A statement that takes everything back when it changes no row.
    pub(super) fn must(sql: impl Into<Sql>, args: Vec<Arg>) -> Self {
        Self { must_change: true, ..Self::new(sql, args) }
    }

    /// A statement whose row is the answer, and which takes everything back without one.
    pub(super) fn answers(sql: impl Into<Sql>, args: Vec<Arg>) -> Self {
        Self { answers: true, ..Self::new(sql, args) }
    }
}

impl Sql {
    pub(super) fn text(self) -> SqlStr {
        match self {
            Self::Ours(text) => text.into_sql_str(),
            Self::Rendered(text) => AssertSqlSafe(text).into_sql_str(),
        }
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::Ours(text)
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self::Rendered(text.into())
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
            sql: $crate::store::sql::db::Sql,
            args: Vec<$crate::store::sql::db::Arg>,
        ) -> sqlx::query::Query<'static, $engine, <$engine as sqlx::Database>::Arguments> {
            args.into_iter().fold(sqlx::query(sql.text()), |query, arg| match arg {
                $crate::store::sql::db::Arg::Text(text) => query.bind(text),
                $crate::store::sql::db::Arg::Int(number) => query.bind(number),
                $crate::store::sql::db::Arg::Answered => query.bind(None::<String>),
            })
        }

        /// Runs steps in a transaction that is under way; `None` where one of them wants
        /// all of it taken back.
        async fn run(
            transaction: &mut sqlx::Transaction<'_, $engine>,
            steps: Vec<$crate::store::sql::db::Step>,
        ) -> Result<Option<Option<<$engine as sqlx::Database>::Row>>, sqlx::Error> {
            use $crate::store::sql::db::{Arg, Db as _};

            let mut answer = None;
            for mut step in steps {
                if let Some(row) = &answer {
                    for arg in &mut step.args {
                        if matches!(arg, Arg::Answered) {
                            *arg = Arg::Text(<$engine>::text(row, 0)?);
                        }
                    }
                }
                let query = bound(step.sql, step.args);
                if step.answers {
                    answer = query.fetch_optional(&mut **transaction).await?;
                    if answer.is_none() {
                        return Ok(None);
                    }
                } else {
                    let changed = query.execute(&mut **transaction).await?.rows_affected();
                    if step.must_change && changed == 0 {
                        return Ok(None);
                    }
                }
            }
            Ok(Some(answer))
        }

        impl $crate::store::sql::db::sealed::Sealed for $engine {}

        #[async_trait::async_trait]
        impl $crate::store::sql::db::Db for $engine {
            const ENGINE: &'static str = $name;
            const IS_POSTGRES: bool = !matches!($name.as_bytes(), b"SQLite");

            fn pick($sqlite: &'static str, $postgres: &'static str) -> &'static str {
                $pick
            }

            async fn execute(
                pool: &sqlx::Pool<Self>,
                sql: $crate::store::sql::db::Sql,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<u64, sqlx::Error> {
                Ok(bound(sql, args).execute(pool).await?.rows_affected())
            }

            async fn fetch_optional(
                pool: &sqlx::Pool<Self>,
                sql: $crate::store::sql::db::Sql,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<Option<Self::Row>, sqlx::Error> {
                bound(sql, args).fetch_optional(pool).await
            }

            async fn fetch_all(
                pool: &sqlx::Pool<Self>,
                sql: $crate::store::sql::db::Sql,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<Vec<Self::Row>, sqlx::Error> {
                bound(sql, args).fetch_all(pool).await
            }

            async fn transact(
                pool: &sqlx::Pool<Self>,
                steps: Vec<$crate::store::sql::db::Step>,
            ) -> Result<$crate::store::sql::db::Ended<Self::Row>, sqlx::Error> {
                let mut transaction = pool.begin_with($begin).await?;
                match run(&mut transaction, steps).await? {
                    Some(answer) => {
                        transaction.commit().await?;
                        Ok($crate::store::sql::db::Ended::Committed(answer))
                    }
                    None => {
                        transaction.rollback().await?;
                        Ok($crate::store::sql::db::Ended::TakenBack)
                    }
                }
            }

            async fn transact_each(
                pool: &sqlx::Pool<Self>,
                groups: Vec<Vec<$crate::store::sql::db::Step>>,
            ) -> Result<Vec<Option<Self::Row>>, sqlx::Error> {
                use sqlx::Connection as _;

                let mut transaction = pool.begin_with($begin).await?;
                let mut rows = Vec::with_capacity(groups.len());
                for steps in groups {
                    let mut part = transaction.begin().await?;
                    match run(&mut part, steps).await {
                        Ok(Some(row)) => {
                            part.commit().await?;
                            rows.push(row);
                        }
                        Ok(None) => {
                            part.rollback().await?;
                            rows.push(None);
                        }
                        // What the table refuses is refused alone.
                        Err(sqlx::Error::Database(error))
                            if !matches!(error.kind(), sqlx::error::ErrorKind::Other) =>
                        {
                            part.rollback().await?;
                            rows.push(None);
                        }
                        Err(error) => return Err(error),
                    }
                }
                transaction.commit().await?;
                Ok(rows)
            }

            async fn edit(
                pool: &sqlx::Pool<Self>,
                sql: $crate::store::sql::db::Sql,
                args: Vec<$crate::store::sql::db::Arg>,
                decide: $crate::store::sql::db::Decide<'_, Self::Row>,
            ) -> Result<bool, sqlx::Error> {
                let mut transaction = pool.begin_with($begin).await?;
                let row = bound(sql, args).fetch_optional(&mut *transaction).await?;
                let steps = row.as_ref().and_then(|row| decide(row));
                drop(row);
                if let Some(steps) = steps
                    && run(&mut transaction, steps).await?.is_some()
                {
                    transaction.commit().await?;
                    return Ok(true);
                }
                transaction.rollback().await?;
                Ok(false)
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
                    bound(migrate::NOTE.into(), args).execute(&mut *transaction).await?;
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
