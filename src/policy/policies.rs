//! Sets of Cedar policies.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use cedar_policy::{Authorizer, Decision, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use thiserror::Error;

use super::{PolicyDecision, PolicyRequest, terms};
use crate::model::Subject;

/// The error for policies that were not loaded.
///
/// ```
/// use authlayer::{Policies, PolicyError};
///
/// assert!(matches!(Policies::parse("permit"), Err(PolicyError::Syntax(_))));
/// ```
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text is not valid Cedar.
    #[error("invalid Cedar policies: {0}")]
    Syntax(String),
    /// The schema is not valid.
    #[error("invalid Cedar schema: {0}")]
    Schema(String),
    /// The policies do not conform to the schema.
    #[error("the policies do not conform to the schema: {0}")]
    Invalid(String),
}

/// A set of Cedar policies. Clones are cheap and share the set, which can be reloaded while in use.
///
/// ```
/// use authlayer::{Policies, PolicyRequest, Subject};
///
/// let policies = Policies::parse(r#"permit(principal, action == Action::"read", resource);"#)?;
/// let read = PolicyRequest::new("read", "File", "a.txt");
/// assert!(policies.is_authorized(&Subject::service("search"), &read).is_allowed());
/// # Ok::<_, authlayer::PolicyError>(())
/// ```
#[derive(Clone)]
pub struct Policies {
    current: Arc<RwLock<Arc<PolicySet>>>,
    schema: Option<Arc<Schema>>,
}

impl Policies {
    /// Parses policies in the Cedar language.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::checked(text, None)
    }

    /// Parses policies that must conform to a schema, as must every request: a misspelled name is
    /// an error instead of a policy that never matches. The schema must declare the types of
    /// subjects that it uses: `User`, `Service`, `Anonymous`, `Role`, `Tenant`.
    ///
    /// # Errors
    ///
    /// All variants of [`PolicyError`].
    pub fn with_schema(text: &str, schema: &str) -> Result<Self, PolicyError> {
        let (schema, _warnings) = Schema::from_cedarschema_str(schema)
            .map_err(|error| PolicyError::Schema(error.to_string()))?;
        Self::checked(text, Some(Arc::new(schema)))
    }

    fn checked(text: &str, schema: Option<Arc<Schema>>) -> Result<Self, PolicyError> {
        let set = read(text, schema.as_deref())?;
        Ok(Self { current: Arc::new(RwLock::new(Arc::new(set))), schema })
    }

    /// Replaces the policies in all clones at once. Requests in progress are decided by the old
    /// ones.
    ///
    /// # Errors
    ///
    /// [`PolicyError`]; the old policies are retained.
    pub fn reload(&self, text: &str) -> Result<(), PolicyError> {
        let set = Arc::new(read(text, self.schema.as_deref())?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = set;
        Ok(())
    }

    /// Decides a request of a subject. Any error denies it. For an API key, the request must also
    /// be allowed for its owner with all roles and scopes.
    pub fn is_authorized(&self, subject: &Subject, ask: &PolicyRequest) -> PolicyDecision {
        let set = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        match &subject.owner {
            Some(owner) => match self.judge(&set, owner, ask) {
                answer if answer.allowed => self.judge(&set, subject, ask),
                refusal => refusal,
            },
            None => self.judge(&set, subject, ask),
        }
    }

    fn judge(&self, set: &PolicySet, subject: &Subject, ask: &PolicyRequest) -> PolicyDecision {
        let (request, entities) = match terms::question(subject, ask, self.schema.as_deref()) {
            Ok(question) => question,
            Err(failure) => return PolicyDecision::failed(failure),
        };
        let response = Authorizer::new().is_authorized(&request, set, &entities);
        let said = response.diagnostics();
        let mut policies: Vec<_> = said.reason().map(|id| name(set, id)).collect();
        policies.sort_unstable();
        let errors: Vec<_> = said.errors().map(ToString::to_string).collect();
        let allowed = response.decision() == Decision::Allow && errors.is_empty();
        PolicyDecision { allowed, policies, errors }
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
