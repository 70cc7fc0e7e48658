//! The waist for an engine, written once.

/// Implements [`Db`] for an engine; the bodies are the same text.
macro_rules! engine {
    ($engine:ty, $name:literal, $begin:literal, $lock:expr, $hear:path, |$sqlite:ident, $postgres:ident| $pick:ident) => {
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

        /// Runs steps in a transaction that is under way; the caller commits or rolls back.
        async fn run(
            transaction: &mut sqlx::Transaction<'_, $engine>,
            steps: Vec<$crate::store::sql::db::Step>,
        ) -> Result<$crate::store::sql::db::Ended<<$engine as sqlx::Database>::Row>, sqlx::Error> {
            use $crate::store::sql::db::{Arg, Db as _, Ended};

            let mut answer = None;
            for mut step in steps {
                if let Some(row) = &answer {
                    for arg in &mut step.args {
                        if matches!(arg, Arg::Answered) {
                            *arg = Arg::Text(<$engine>::text(row, 0)?.map(str::to_owned));
                        }
                    }
                }
                let query = bound(step.sql, step.args);
                if step.answers {
                    answer = query.fetch_optional(&mut **transaction).await?;
                    if answer.is_none() {
                        return Ok(Ended::TakenBack(step.unmet));
                    }
                } else {
                    let changed = query.execute(&mut **transaction).await?.rows_affected();
                    if step.must_change && changed == 0 {
                        return Ok(Ended::TakenBack(step.unmet));
                    }
                }
            }
            Ok(Ended::Committed(answer))
        }

        /// In a task of its own, which goes on when nobody waits any more: a transaction whose
        /// beginning is not waited for is none to sqlx, which hands the connection on with it
        /// open, to be written into by others and never committed.
        async fn begin(
            pool: &sqlx::Pool<$engine>,
        ) -> Result<sqlx::Transaction<'static, $engine>, sqlx::Error> {
            let pool = pool.clone();
            let begun = tokio::spawn(async move { pool.begin_with($begin).await });
            begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
        }

        impl $crate::store::sql::db::sealed::Sealed for $engine {}

        #[async_trait::async_trait]
        impl $crate::store::sql::db::Db for $engine {
            const ENGINE: &'static str = $name;
            const IS_POSTGRES: bool = !matches!($name.as_bytes(), b"SQLite");

            fn pick($sqlite: &'static str, $postgres: &'static str) -> &'static str {
                $pick
            }

            fn hear(store: &$crate::store::sql::SqlStore<Self>) {
                $hear(store);
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
                let mut transaction = begin(pool).await?;
                let ended = run(&mut transaction, steps).await?;
                match ended {
                    $crate::store::sql::db::Ended::Committed(_) => transaction.commit().await?,
                    $crate::store::sql::db::Ended::TakenBack(_) => transaction.rollback().await?,
                }
                Ok(ended)
            }

            async fn transact_each(
                pool: &sqlx::Pool<Self>,
                groups: Vec<Vec<$crate::store::sql::db::Step>>,
            ) -> Result<Vec<Option<Self::Row>>, sqlx::Error> {
                use sqlx::Connection as _;

                let mut transaction = begin(pool).await?;
                let mut rows = Vec::with_capacity(groups.len());
                for steps in groups {
                    let mut part = transaction.begin().await?;
                    match run(&mut part, steps).await {
                        Ok($crate::store::sql::db::Ended::Committed(row)) => {
                            part.commit().await?;
                            rows.push(row);
                        }
                        Ok($crate::store::sql::db::Ended::TakenBack(_)) => {
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
                read: $crate::store::sql::db::LockedRead,
                decide: $crate::store::sql::db::DecideRow<'_, Self::Row>,
            ) -> Result<$crate::store::sql::db::Ended<Self::Row>, sqlx::Error> {
                let mut transaction = begin(pool).await?;
                if let Some(lock) = read.lock {
                    bound(lock, read.args.clone()).execute(&mut *transaction).await?;
                }
                let row = match read.read {
                    Some(sql) => bound(sql, read.args).fetch_optional(&mut *transaction).await?,
                    None => None,
                };
                let steps = decide(row.as_ref());
                drop(row);
                let ended = match steps {
                    Some(steps) => run(&mut transaction, steps).await?,
                    None => $crate::store::sql::db::Ended::TakenBack(None),
                };
                match ended {
                    $crate::store::sql::db::Ended::Committed(_) => transaction.commit().await?,
                    $crate::store::sql::db::Ended::TakenBack(_) => transaction.rollback().await?,
                }
                Ok(ended)
            }

            async fn migrate(
                pool: &sqlx::Pool<Self>,
                now: i64,
            ) -> Result<(), $crate::store::sql::migrate::MigrateError> {
                use sqlx::Row as _;
                use $crate::store::sql::migrate::{self, Plan};

                let lock: Option<&'static str> = $lock;
                let mut transaction = begin(pool).await?;
                if let Some(lock) = lock {
                    sqlx::query(lock).execute(&mut *transaction).await?;
                }
                sqlx::query(migrate::TABLE).execute(&mut *transaction).await?;
                let mut applied = Vec::new();
                for row in sqlx::query(migrate::APPLIED).fetch_all(&mut *transaction).await? {
                    applied.push((row.try_get(0)?, row.try_get(1)?));
                }
                let engine = usize::from(Self::IS_POSTGRES);
                for Plan { name, text, checksum } in migrate::pending(&applied, engine)? {
                    sqlx::raw_sql(text).execute(&mut *transaction).await?;
                    let args = vec![name.into(), checksum.into(), now.into()];
                    bound(migrate::NOTE.into(), args).execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                Ok(())
            }

            fn text(row: &Self::Row, column: usize) -> Result<Option<&str>, sqlx::Error> {
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
