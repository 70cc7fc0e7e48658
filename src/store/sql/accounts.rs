//! Account transitions in SQL.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::{
    Db, MAX_ATTEMPTS, SqlStore, challenges, credentials,
    db::{AfterSteps, Arg, LockedRead, Statement, TransactionOutcome},
    failure::is_deadlock,
    keys, mails,
    pool::Access,
    session_limit::Trim,
    session_steps,
    standing::{self, DELETE_SESSIONS, standing},
    user_row::args,
};
use crate::{
    model::{User, UserId, UserStatus},
    store::{
        AccountWrites, Applied, CreatedUser, Decide, Field, Remaining, Remove, Requirement,
        SessionWrite, StoreError, Unmet,
    },
};

/// The result of a transition, and the statements that apply it.
struct Decision {
    applied: Applied,
    steps: Option<Vec<Statement>>,
    /// The limit on the sessions of the user, if a session is inserted.
    trim: Option<Trim>,
    /// The user for hooks, if the transition creates one.
    created: Option<CreatedUser>,
    /// The user who must still pass a rule.
    remaining: Option<Remaining>,
}

/// The decision of a transition without its steps.
struct Decided {
    applied: Result<Applied, StoreError>,
    trim: Option<Trim>,
    created: Option<CreatedUser>,
    remaining: Option<Remaining>,
    /// Whether the user who must remain does not pass the rule.
    none_remains: bool,
}

/// The error of one attempt at a transition.
enum Failure {
    /// The error of a statement, after which the transition may be repeated.
    Database(sqlx::Error),
    Store(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl<DB: Db> SqlStore<DB> {
    /// Applies a transition in one transaction. It locks the row of the user first, as does every
    /// transaction that writes several rows of one user.
    pub(super) async fn transition(
        &self,
        id: &UserId,
        decide: Decide<'_>,
    ) -> Result<Applied, StoreError> {
        let (on, mut attempt) = (self.writer.access(), 1);
        let keeps_name = AtomicBool::new(false);
        let decide = |before: &User| {
            let writes = decide(before);
            let is_kept = |writes: &AccountWrites| {
                before.username.is_some()
                    && (&before.username, &before.email)
                        == (&writes.user.username, &writes.user.email)
            };
            keeps_name.store(writes.as_ref().is_some_and(is_kept), Ordering::Relaxed);
            writes
        };
        // Another transaction may have taken the skeleton of an unchanged username, which the next
        // attempt does not write.
        let is_transient = |error: &sqlx::Error| {
            is_deadlock(error) || (is_unique_violation(error) && keeps_name.load(Ordering::Relaxed))
        };
        loop {
            match self.try_transition(on, id, &decide).await {
                Err(Failure::Database(error)) if attempt < MAX_ATTEMPTS && is_transient(&error) => {
                    attempt += 1;
                }
                Err(Failure::Database(error)) if is_unique_violation(&error) => {
                    return Ok(Applied::Taken);
                }
                Err(Failure::Database(error)) => return Err(StoreError::new(error)),
                Err(Failure::Store(error)) => return Err(error),
                Ok(applied) => return Ok(applied),
            }
        }
    }

    async fn try_transition(
        &self,
        on: Access<'_, DB>,
        id: &UserId,
        decide: Decide<'_>,
    ) -> Result<Applied, Failure> {
        let nothing = || Decided {
            applied: Ok(Applied::Unknown),
            trim: None,
            created: None,
            remaining: None,
            none_remains: false,
        };
        let outcome = Mutex::new(nothing());
        self.count(2);
        let mut decide_row = |row: Option<&DB::Row>| {
            let (decided, steps) = match self.decide(id, row, decide) {
                Ok(Decision { applied, steps, trim, created, remaining }) => {
                    (Decided { applied: Ok(applied), trim, created, remaining, ..nothing() }, steps)
                }
                Err(error) => (Decided { applied: Err(error), ..nothing() }, None),
            };
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = decided;
            steps
        };
        let created = |row: Option<&DB::Row>| {
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(remaining) = outcome.remaining.take() {
                self.still_passes(&remaining, row, &mut outcome.none_remains)?;
            }
            Ok(outcome.created.take().filter(|_| !self.hooks.is_empty()))
        };
        let after = Some(AfterSteps { hooks: &self.hooks, created: &created });
        let read = LockedRead { args: vec![id.as_str().into()], ..self.users.read_locked.clone() };
        let edit = DB::edit(on, read, &mut decide_row, after);
        let ended = self.changes.begin_user_change(id).run(edit).await?;
        let decided = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let (Some(trim), TransactionOutcome::Committed(_)) = (decided.trim, &ended) {
            // The transition reports a change of the user.
            trim.take();
        }
        if let Ok(Applied::Done(user)) = &decided.applied {
            self.changes.invalidate_user(&user.id);
        }
        match (ended, decided.applied) {
            (TransactionOutcome::Rejected(_), _) if decided.none_remains => {
                Ok(Applied::Unmet(Unmet::Administrator))
            }
            (TransactionOutcome::Committed(_), decided) => decided.map_err(Failure::Store),
            (TransactionOutcome::Rejected(error), _) => {
                Err(Failure::Store(StoreError::of_hook(error.into_auth_error())))
            }
            (TransactionOutcome::TakenBack(Some(unmet)), Ok(Applied::Done(_))) => {
                Ok(Applied::Unmet(unmet))
            }
            // The row of the user is locked, so its update fails only because of a rule of the
            // application.
            (TransactionOutcome::TakenBack(None), Ok(Applied::Done(_))) => Ok(Applied::Unknown),
            (TransactionOutcome::TakenBack(_), decided) => decided.map_err(Failure::Store),
        }
    }

    fn decide(
        &self,
        id: &UserId,
        row: Option<&DB::Row>,
        decide: Decide<'_>,
    ) -> Result<Decision, StoreError> {
        let nothing = |applied| {
            Ok(Decision { applied, steps: None, trim: None, created: None, remaining: None })
        };
        let before = match row {
            Some(row) => self.user(row)?,
            None if self.users.is_elsewhere => {
                Some(User::new(id.clone(), jiff::Timestamp::UNIX_EPOCH))
            }
            None => None,
        };
        let Some(before) = before else { return nothing(Applied::Unknown) };
        let Some(writes) = decide(&before) else { return nothing(Applied::Declined) };
        if let Some(field) = self.unsupported(&before, &writes.user) {
            return nothing(Applied::Unsupported(field.name()));
        }
        let mut steps = self.steps(&before, &writes)?;
        let trim = match &writes.session {
            Some(SessionWrite::Insert(row, Some(limit))) => Some(Trim::after(row, limit)),
            _ => None,
        };
        steps.extend(trim.as_ref().map(Trim::step));
        // Users in another store are not read here.
        let remaining = writes.remaining.filter(|_| !self.users.is_elsewhere);
        steps.extend(remaining.iter().flat_map(|remaining| self.remains(remaining)));
        let created =
            writes.created.map(|creation| CreatedUser::new(writes.user.clone(), creation));
        let applied = Applied::Done(Box::new(writes.user));
        Ok(Decision { applied, steps: Some(steps), trim, created, remaining })
    }

    /// Returns a field that changes but cannot be stored here.
    fn unsupported(&self, before: &User, after: &User) -> Option<Field> {
        if self.users.is_elsewhere {
            return None;
        }
        let lost = Field::changes(before, after).into_iter().find(|field| {
            let kept = field.is_standing() || *field == Field::UpdatedAt;
            !kept && self.users.unmapped.contains(field)
        });
        let no_email = self.users.needs_email && after.email.is_none();
        lost.or_else(|| no_email.then_some(Field::Email))
    }

    /// Returns the statements of a transition, in the order in which all transitions lock rows.
    fn steps(&self, before: &User, writes: &AccountWrites) -> Result<Vec<Statement>, StoreError> {
        let id = Arg::from(writes.user.id.as_str());
        let mut steps = Vec::new();
        for requirement in &writes.requires {
            steps.push(match requirement {
                Requirement::Challenge(challenge, now) => challenges::spend(challenge, *now),
                Requirement::ChallengeStands(challenge, now) => challenges::stands(challenge, *now),
                Requirement::Session(session, renewals) => {
                    session_steps::stands(*session, &id, *renewals)
                }
                Requirement::Credential(own, since) => credentials::stands(own, &id, *since),
                Requirement::NoPassword => credentials::no_password(&id),
                Requirement::AccountFlags(kept) => standing::unchanged(&id, kept),
            });
        }
        self.write_user(before, writes, &mut steps)?;
        if let Some(using) = &writes.using {
            steps.push(credentials::use_step(using)?);
        }
        match &writes.remove {
            Remove::Nothing => {}
            Remove::One { kind, id: own, sign_in } => {
                steps.push(credentials::remove::<DB>(&id, *kind, own, sign_in)?);
            }
            Remove::AllBut { credentials, keys } => {
                steps.push(credentials::remove_all_but::<DB>(&id, credentials)?);
                steps.push(keys::remove_all_but::<DB>(&id, keys)?);
            }
        }
        if !writes.end_credential_kinds.is_empty() {
            steps.push(credentials::end_kinds(&id, &writes.end_credential_kinds));
        }
        for own in &writes.dependents {
            steps.push(credentials::remove_dependents::<DB>(&id, own)?);
        }
        // Before sessions are deleted: a concurrent sign-in with the old password waits for this
        // row before it verifies the password again.
        if let Some(password) = &writes.password {
            steps.push(credentials::upsert(password)?);
        }
        if let Some(credential) = &writes.add {
            steps.push(credentials::insert_of(credential, &id)?);
            if let Some(at_most) = writes.add_at_most {
                steps.push(credentials::within(credential, &id, at_most));
            }
        }
        for credential in &writes.put {
            steps.push(credentials::put(credential)?);
        }
        if let Some(new) = &writes.key {
            steps.push(keys::insert(&new.key, &new.hash)?);
            steps.push(keys::within(&new.key, &id, new.at_most));
        }
        steps.extend(session_steps::end(&id, &writes.end, writes.ended.as_ref()));
        match &writes.session {
            None => {}
            Some(SessionWrite::Renew { from, to }) => steps.push(session_steps::renew(from, to)?),
            Some(SessionWrite::Insert(row, at_most)) => {
                let sql = self.users.insert_session.clone();
                steps.push(session_steps::inserted(sql, row, at_most.as_ref())?);
            }
        }
        if writes.end_challenges {
            steps.push(challenges::end_all(&id, &writes.surviving_challenges));
        }
        if let Some(kind) = writes.end_challenges_of {
            steps.push(challenges::end_kind(&id, kind));
        }
        if !writes.end_challenge_kinds.is_empty() {
            steps.push(challenges::end_kinds(&id, &writes.end_challenge_kinds));
        }
        if let Some(from) = writes.end_undo_links {
            steps.push(challenges::end_undo_links(&id, from));
        }
        let end_recoveries = writes.end_challenges.then_some(u32::MAX).or(writes.end_recoveries);
        if let Some(rank) = end_recoveries {
            steps.push(challenges::end_recoveries(&id, rank));
        }
        for challenge in &writes.challenges {
            steps.push(challenges::insert(challenge)?);
        }
        for mail in &writes.mails {
            steps.push(mails::insert(mail)?);
        }
        Ok(steps)
    }

    fn write_user(
        &self,
        before: &User,
        writes: &AccountWrites,
        steps: &mut Vec<Statement>,
    ) -> Result<(), StoreError> {
        let (after, id) = (&writes.user, Arg::from(writes.user.id.as_str()));
        if self.users.is_elsewhere {
            if let Some(kept) = &writes.standing {
                steps.push(standing(&id, kept));
            }
        } else if !Field::changes(before, after).is_empty() {
            let update = &self.users.update;
            steps.push(Statement::must(update.sql.clone(), args(update, after, self.usernames)?));
            if self.users.keeps_standing() {
                steps.push(standing(&id, &after.into()));
            }
        }
        let status = match &writes.standing {
            Some(kept) if self.users.is_elsewhere => kept.status,
            _ => after.status,
        };
        if status == UserStatus::Disabled {
            steps.push(Statement::new(DELETE_SESSIONS, vec![id]));
        }
        Ok(())
    }
}

pub(super) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
