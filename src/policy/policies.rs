//! The policies of an application.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use cedar_policy::{Authorizer, Decision, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use thiserror::Error;

use super::{Answer, Ask, terms};
use crate::model::Subject;

/// Why policies were not taken.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text is not Cedar.
    #[error("these are no Cedar policies: {0}")]
    Syntax(String),
    /// The schema is not one.
    #[error("this is no Cedar schema: {0}")]
    Schema(String),
    /// The policies do not fit their schema.
    #[error("these policies do not fit their schema: {0}")]
    Invalid(String),
}

/// A set of Cedar policies: a cheap handle, cloned at will, reloaded while it is in use.
#[derive(Clone)]
pub struct Policies {
    current: Arc<RwLock<Arc<PolicySet>>>,
    schema: Option<Arc<Schema>>,
}

impl Policies {
    /// Policies in Cedar's language.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::checked(text, None)
    }

    /// Policies that must fit a schema, as must every question: a name that is misspelt is an
    /// error here instead of a rule that never matches. The schema has to declare the types
    /// of subjects that it uses: `User`, `Service`, `Anonymous`, `Role`, `Tenant`.
    ///
    /// # Errors
    ///
    /// Each kind of [`PolicyError`].
    pub fn with_schema(text: &str, schema: &str) -> Result<Self, PolicyError> {
        let (schema, _warnings) = Schema::from_cedarschema_str(schema)
            .map_err(|error| PolicyError::Schema(error.to_string()))?;
        Self::checked(text, Some(Arc::new(schema)))
    }

    fn checked(text: &str, schema: Option<Arc<Schema>>) -> Result<Self, PolicyError> {
        let set = read(text, schema.as_deref())?;
        Ok(Self { current: Arc::new(RwLock::new(Arc::new(set))), schema })
    }

    /// Puts other policies in the place of these, for every handle at once. What was asked
    /// before is answered by the old ones to its end.
    ///
    /// # Errors
    ///
    /// [`PolicyError`]; then the old policies stay.
    pub fn reload(&self, text: &str) -> Result<(), PolicyError> {
        let set = Arc::new(read(text, self.schema.as_deref())?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = set;
        Ok(())
    }

    /// Whether a subject may. Where anything goes wrong the answer is no.
    /// For an API key, its user must be allowed to do the same with all of their roles and scopes.
    pub fn ask(&self, subject: &Subject, ask: &Ask) -> Answer {
        let set = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        match &subject.owner {
            Some(owner) => match self.judge(&set, owner, ask) {
                answer if answer.allowed => self.judge(&set, subject, ask),
                refusal => refusal,
            },
            None => self.judge(&set, subject, ask),
        }
    }

    fn judge(&self, set: &PolicySet, subject: &Subject, ask: &Ask) -> Answer {
        let (request, entities) = match terms::question(subject, ask, self.schema.as_deref()) {
            Ok(question) => question,
            Err(failure) => return Answer::failed(failure),
        };
        let response = Authorizer::new().is_authorized(&request, set, &entities);
        let said = response.diagnostics();
        let mut policies: Vec<_> = said.reason().map(|id| name(set, id)).collect();
        policies.sort_unstable();
        let errors: Vec<_> = said.errors().map(ToString::to_string).collect();
        let allowed = response.decision() == Decision::Allow && errors.is_empty();
        Answer { allowed, policies, errors }
    }
}

fn read(text: &str, schema: Option<&Schema>) -> Result<PolicySet, PolicyError> {
    let set: PolicySet = text.parse().map_err(|error| PolicyError::Syntax(format!("{error}")))?;
    if let Some(schema) = schema {
        let outcome = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        if !outcome.validation_passed() {
            let errors: Vec<_> = outcome.validation_errors().map(ToString::to_string).collect();
            return Err(PolicyError::Invalid(errors.join("; ")));
        }
    }
    Ok(set)
}

fn name(set: &PolicySet, id: &PolicyId) -> String {
    set.annotation(id, "id").map_or_else(|| id.to_string(), ToOwned::to_owned)
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").finish_non_exhaustive()
    }
}
