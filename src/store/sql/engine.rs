//! The implementation of [`Db`](super::Db), shared by both engines.

/// Runs a single statement. Between preparing and executing it, a pooler may change the session of
/// the server, unless both are in a transaction.
macro_rules! single {
    ($on:ident, $sql:ident, $args:ident, $method:ident) => {{
        let mut connection = $on.connection().await?;
        match $on.begin_single() {
            None => {
                let done = $on.run(bound($sql, $args, true).$method(&mut **connection)).await;
                connection.settle(done)
            }
            Some(begin) => {
                use $crate::store::sql::connections::TransactionEnd;

                let ended = $on.run(async {
                    let mut transaction =
                        sqlx::Connection::begin_with(&mut **connection, begin).await?;
                    let done = bound($sql, $args, false).$method(&mut *transaction).await;
                    match &done {
                        Ok(_) => transaction.commit().await?,
                        Err(sqlx::Error::Database(_)) if transaction.rollback().await.is_ok() => {}
                        Err(_) => return done.map(TransactionEnd::Completed),
                    }
                    Ok(TransactionEnd::from(done))
                });
                let ended = ended.await;
                connection.settle_transaction(ended)
            }
        }
    }};
}

/// Implements [`Db`](super::Db) for an engine: the bodies are the same text, but the types differ.
macro_rules! engine {
    ($engine:ty, $name:literal, $begin:literal, $spawn_poll:path, $server:path, $probe:path, |$sqlite:ident, $postgres:ident| $pick:ident) => {
        fn bound(
            sql: $crate::store::sql::db::Sql,
            args: Vec<$crate::store::sql::db::Arg>,
            is_named: bool,
        ) -> sqlx::query::Query<'static, $engine, <$engine as sqlx::Database>::Arguments> {
            let query = sqlx::query(sql.text()).persistent(is_named);
            args.into_iter().fold(query, |query, arg| match arg {
                $crate::store::sql::db::Arg::Text(text) => query.bind(text),
                $crate::store::sql::db::Arg::Int(number) => query.bind(number),
                $crate::store::sql::db::Arg::Answered => query.bind(None::<String>),
            })
        }

        /// Runs steps in an open transaction, and the hooks after them; the caller commits or rolls
        /// back.
        async fn run(
            transaction: &mut sqlx::Transaction<'_, $engine>,
            steps: Vec<$crate::store::sql::db::Statement>,
            after: Option<$crate::store::sql::db::AfterSteps<'_, $engine>>,
            is_named: bool,
        ) -> Result<
            $crate::store::sql::db::TransactionOutcome<<$engine as sqlx::Database>::Row>,
            sqlx::Error,
        > {
            use $crate::store::sql::db::{Arg, Db as _, TransactionOutcome};

            let mut answer = None;
            for mut step in steps {
                if let Some(row) = &answer {
                    for arg in &mut step.args {
                        if matches!(arg, Arg::Answered) {
                            *arg = Arg::Text(<$engine>::text(row, 0)?.map(str::to_owned));
                        }
                    }
                }
                let query = bound(step.sql, step.args, is_named);
                if let Some((at_least, collected)) = step.collects {
                    let number = match &answer {
                        Some(row) => <$engine>::int(row, 0)?,
                        None => None,
                    };
                    let rows = match number.is_some_and(|number| number >= at_least) {
                        true => query.fetch_all(&mut **transaction).await?,
                        false => Vec::new(),
                    };
                    let texts = rows.iter().filter_map(|row| {
                        <$engine>::text(row, 0).ok().flatten().map(str::to_owned)
                    });
                    let texts = texts.collect();
                    if let Ok(mut collected) = collected.lock() {
                        *collected = texts;
                    }
                } else if step.answers {
                    answer = query.fetch_optional(&mut **transaction).await?;
                    if answer.is_none() {
                        return Ok(TransactionOutcome::TakenBack(step.unmet));
                    }
                } else {
                    let changed = query.execute(&mut **transaction).await?.rows_affected();
                    if step.must_change && changed == 0 {
                        return Ok(TransactionOutcome::TakenBack(step.unmet));
                    }
                }
            }
            let ended = TransactionOutcome::Committed(answer);
            match after {
                Some(after) => after.finish(&mut **transaction, ended).await,
                None => Ok(ended),
            }
        }

        /// Runs the steps that are decided for a row read under a lock.
        async fn edit(
            transaction: &mut sqlx::Transaction<'_, $engine>,
            read: $crate::store::sql::db::LockedRead,
            decide: $crate::store::sql::db::DecideRow<'_, <$engine as sqlx::Database>::Row>,
            after: Option<$crate::store::sql::db::AfterSteps<'_, $engine>>,
            is_named: bool,
        ) -> Result<
            $crate::store::sql::db::TransactionOutcome<<$engine as sqlx::Database>::Row>,
            sqlx::Error,
        > {
            if let Some(lock) = read.lock {
                bound(lock, read.args.clone(), is_named).execute(&mut **transaction).await?;
            }
            let row = match read.read {
                Some(sql) => {
                    bound(sql, read.args, is_named).fetch_optional(&mut **transaction).await?
                }
                None => None,
            };
            let steps = decide(row.as_ref());
            drop(row);
            match steps {
                Some(steps) => run(transaction, steps, after, is_named).await,
                None => Ok($crate::store::sql::db::TransactionOutcome::TakenBack(None)),
            }
        }

        /// Commits, or rolls back after a failed step or statement.
        async fn end<Row>(
            transaction: sqlx::Transaction<'_, $engine>,
            ended: Result<$crate::store::sql::db::TransactionOutcome<Row>, sqlx::Error>,
        ) -> Result<
            $crate::store::sql::connections::TransactionEnd<
                $crate::store::sql::db::TransactionOutcome<Row>,
            >,
            sqlx::Error,
        > {
            use $crate::store::sql::{connections::TransactionEnd, db::TransactionOutcome};

            match &ended {
                Ok(TransactionOutcome::Committed(_)) => transaction.commit().await?,
                Ok(TransactionOutcome::TakenBack(_) | TransactionOutcome::Rejected(_)) => {
                    transaction.rollback().await?
                }
                Err(sqlx::Error::Database(_)) if transaction.rollback().await.is_ok() => {}
                Err(_) => return ended.map(TransactionEnd::Completed),
            }
            Ok(ended.into())
        }

        /// Runs steps under a savepoint. Returns `None` if they changed nothing.
        async fn run_part(
            transaction: &mut sqlx::Transaction<'_, $engine>,
            steps: Vec<$crate::store::sql::db::Statement>,
            after: Option<$crate::store::sql::db::AfterSteps<'_, $engine>>,
            is_named: bool,
        ) -> Result<Option<<$engine as sqlx::Database>::Row>, sqlx::Error> {
            use sqlx::Connection as _;

            let mut part = transaction.begin().await?;
            match run(&mut part, steps, after, is_named).await {
                Ok($crate::store::sql::db::TransactionOutcome::Committed(row)) => {
                    part.commit().await?;
                    Ok(row)
                }
                Ok($crate::store::sql::db::TransactionOutcome::TakenBack(_)) => {
                    part.rollback().await?;
                    Ok(None)
                }
                Ok($crate::store::sql::db::TransactionOutcome::Rejected(error)) => {
                    tracing::warn!(?error, "a user was not imported: its hook failed");
                    part.rollback().await?;
                    Ok(None)
                }
                // A constraint violation fails only this group.
                Err(sqlx::Error::Database(error))
                    if !matches!(error.kind(), sqlx::error::ErrorKind::Other) =>
                {
                    part.rollback().await?;
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        }

        impl $crate::store::sql::db::sealed::Sealed for $engine {}

        #[async_trait::async_trait]
        impl $crate::store::sql::db::Db for $engine {
            const ENGINE: &'static str = $name;
            const IS_POSTGRES: bool = !matches!($name.as_bytes(), b"SQLite");

            fn pick($sqlite: &'static str, $postgres: &'static str) -> &'static str {
                $pick
            }

            fn spawn_poll(
                changes: &std::sync::Arc<$crate::store::InvalidationClock>,
                writer: $crate::store::sql::pool::Access<'_, Self>,
                is_beside: bool,
            ) {
                $spawn_poll(changes, writer, is_beside);
            }

            fn server(pool: &sqlx::Pool<Self>) -> String {
                $server(pool)
            }

            async fn probe(pool: &sqlx::Pool<Self>) -> Result<(), sqlx::Error> {
                $probe(pool).await
            }

            async fn execute(
                on: $crate::store::sql::pool::Access<'_, Self>,
                sql: $crate::store::sql::db::Sql,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<u64, sqlx::Error> {
                let done = $crate::store::sql::engine::single!(on, sql, args, execute)?;
                Ok(done.rows_affected())
            }

            async fn fetch_optional(
                on: $crate::store::sql::pool::Access<'_, Self>,
                sql: $crate::store::sql::db::Sql,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<Option<Self::Row>, sqlx::Error> {
                $crate::store::sql::engine::single!(on, sql, args, fetch_optional)
            }

            async fn fetch_all(
                on: $crate::store::sql::pool::Access<'_, Self>,
                sql: $crate::store::sql::db::Sql,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<Vec<Self::Row>, sqlx::Error> {
                $crate::store::sql::engine::single!(on, sql, args, fetch_all)
            }

            async fn transact(
                on: $crate::store::sql::pool::Access<'_, Self>,
                steps: Vec<$crate::store::sql::db::Statement>,
                after: Option<$crate::store::sql::db::AfterSteps<'_, Self>>,
            ) -> Result<$crate::store::sql::db::TransactionOutcome<Self::Row>, sqlx::Error> {
                use sqlx::Connection as _;

                let mut connection = on.connection().await?;
                let ended = on.run(async {
                    let mut transaction = connection.begin_with(on.begin($begin)).await?;
                    let ended = run(&mut transaction, steps, after, on.prepares()).await;
                    end(transaction, ended).await
                });
                let ended = ended.await;
                connection.settle_transaction(ended)
            }

            async fn transact_each(
                on: $crate::store::sql::pool::Access<'_, Self>,
                groups: Vec<(
                    Vec<$crate::store::sql::db::Statement>,
                    Option<$crate::store::sql::db::AfterSteps<'_, Self>>,
                )>,
            ) -> Result<Vec<Option<Self::Row>>, sqlx::Error> {
                use sqlx::Connection as _;

                let mut connection = on.connection().await?;
                let rows = async {
                    let mut transaction = on.run(connection.begin_with(on.begin($begin))).await?;
                    let mut rows = Vec::with_capacity(groups.len());
                    for (steps, after) in groups {
                        // Each group has its own time limit, so that the total is not limited.
                        let part = run_part(&mut transaction, steps, after, on.prepares());
                        rows.push(on.renewed().run(part).await?);
                    }
                    on.renewed().run(transaction.commit()).await?;
                    Ok($crate::store::sql::connections::TransactionEnd::Completed(rows))
                };
                let rows = rows.await;
                connection.settle_transaction(rows)
            }

            async fn edit(
                on: $crate::store::sql::pool::Access<'_, Self>,
                read: $crate::store::sql::db::LockedRead,
                decide: $crate::store::sql::db::DecideRow<'_, Self::Row>,
                after: Option<$crate::store::sql::db::AfterSteps<'_, Self>>,
            ) -> Result<$crate::store::sql::db::TransactionOutcome<Self::Row>, sqlx::Error> {
                use sqlx::Connection as _;

                let mut connection = on.connection().await?;
                let ended = on.run(async {
                    let mut transaction = connection.begin_with(on.begin($begin)).await?;
                    let ended = edit(&mut transaction, read, decide, after, on.prepares()).await;
                    end(transaction, ended).await
                });
                let ended = ended.await;
                connection.settle_transaction(ended)
            }

            async fn begin(
                connection: &mut Self::Connection,
            ) -> Result<sqlx::Transaction<'_, Self>, sqlx::Error> {
                sqlx::Connection::begin_with(connection, $begin).await
            }

            async fn batch(
                connection: &mut Self::Connection,
                sql: String,
            ) -> Result<u64, sqlx::Error> {
                let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
                Ok(sql.execute(connection).await?.rows_affected())
            }

            async fn rows(
                connection: &mut Self::Connection,
                sql: $crate::store::sql::db::Sql,
                args: Vec<$crate::store::sql::db::Arg>,
            ) -> Result<Vec<Self::Row>, sqlx::Error> {
                bound(sql, args, false).fetch_all(connection).await
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

pub(super) use {engine, single};
