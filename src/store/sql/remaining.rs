//! Changes on the condition that another user still passes a rule, and deletions.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    Db, SqlStore,
    db::{AfterSteps, Arg, Statement, TransactionOutcome},
    standing::forget,
};
use crate::{
    model::UserId,
    store::{DeleteOutcome, Remaining, StoreError, Unmet},
};

impl<DB: Db> SqlStore<DB> {
    pub(super) async fn delete_keeping(
        &self,
        user: &UserId,
        remaining: Option<&Remaining>,
    ) -> Result<DeleteOutcome, StoreError> {
        let mut steps =
            vec![Statement::answers(self.users.delete.clone(), vec![user.as_str().into()])];
        steps.extend(forget(&Arg::Answered));
        let Some(remaining) = remaining else {
            let done = self.changes.begin_user_change(user).run(self.answer(steps, None)).await?;
            let TransactionOutcome::Committed(row) = done else {
                return Ok(DeleteOutcome::Unknown);
            };
            self.report(row.as_ref());
            return Ok(DeleteOutcome::Deleted);
        };
        steps.extend(self.remains(remaining));
        let failed = AtomicBool::new(false);
        let check = |row: Option<&DB::Row>| {
            let mut none_remains = false;
            let passes = self.still_passes(remaining, row, &mut none_remains);
            failed.store(none_remains, Ordering::Relaxed);
            passes.map(|()| None)
        };
        let after = AfterSteps { hooks: &[], created: &check };
        let done =
            self.changes.begin_user_change(user).run(self.answer(steps, Some(after))).await?;
        Ok(match done {
            TransactionOutcome::Committed(_) => {
                // The last row is that of the other user.
                self.changes.invalidate_all();
                DeleteOutcome::Deleted
            }
            TransactionOutcome::TakenBack(None) => DeleteOutcome::Unknown,
            TransactionOutcome::TakenBack(Some(_)) => DeleteOutcome::NoneRemains,
            TransactionOutcome::Rejected(_) if failed.into_inner() => DeleteOutcome::NoneRemains,
            TransactionOutcome::Rejected(error) => {
                return Err(StoreError::of_hook(error.into_auth_error()));
            }
        })
    }

    /// Returns the steps that end a transaction in which another user must still pass a rule.
    ///
    /// On PostgreSQL such transactions wait for each other, so of two in which each relies on the
    /// user of the other one fails.
    pub(super) fn remains(&self, remaining: &Remaining) -> Vec<Statement> {
        let lock = DB::IS_POSTGRES.then(|| Statement::new(LOCK_REMAINING, Vec::new()));
        let args = vec![remaining.user.as_str().into()];
        let read = Statement {
            unmet: Some(Unmet::Administrator),
            ..Statement::answers(self.users.find.clone(), args)
        };
        lock.into_iter().chain([read]).collect()
    }

    /// Requires that the user of a row passes a rule, and sets `none_remains` otherwise.
    pub(super) fn still_passes(
        &self,
        remaining: &Remaining,
        row: Option<&DB::Row>,
        none_remains: &mut bool,
    ) -> Result<(), StoreError> {
        let user = row.map_or(Ok(None), |row| self.user(row))?;
        *none_remains = !user.is_some_and(|user| (remaining.passes)(&user));
        match none_remains {
            true => Err(StoreError::new("the remaining user has changed")),
            false => Ok(()),
        }
    }
}

const LOCK_REMAINING: &str = "SELECT pg_advisory_xact_lock(hashtextextended('remaining', 7))";
