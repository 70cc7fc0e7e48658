//! Who may pass.

use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc, time::Duration};

use axum::{extract::FromRequestParts, response::Response};
use http::request::Parts;

use super::{context::Context, user::AuthUser};
use crate::{
    auth::Auth,
    error::AuthError,
    model::{AvailableFactors, Factor, Rule},
    services::Core,
};

/// A guard for routes: `auth: "user"`, and what else a user must bring.
///
/// Conditions add up; a refusal names all that is missing. It resolves the user of the
/// request once, together with the extractors behind it.
///
/// # Errors
///
/// 401 `unauthenticated` (or 303 to [`or_redirect`](Self::or_redirect) for a page), 403
/// `step_up_required` with `required` and `methods`, 403 `forbidden` with `missing`
/// (`["session"]` for an API key that it does not [accept](Self::allow_api_keys)), and what
/// [`AuthUser`] answers.
#[derive(Clone, Debug)]
#[must_use]
pub struct RequireUser {
    guard: Arc<Guard>,
}

#[derive(Clone)]
pub(super) struct Guard {
    rule: Rule,
    within: Option<Duration>,
    factor: Option<Factor>,
    pub(super) api_keys: bool,
    pub(super) redirect: Option<String>,
    pub(super) refuse: Option<Refuse>,
}

pub(super) type Refuse = Arc<dyn Fn(&AuthError, &Parts) -> Option<Response> + Send + Sync>;

impl RequireUser {
    /// Any user who is signed in.
    pub fn new() -> Self {
        let guard = Guard {
            rule: Rule::anyone(),
            within: None,
            factor: None,
            api_keys: false,
            redirect: None,
            refuse: None,
        };
        Self { guard: Arc::new(guard) }
    }

    /// Who also passes this rule.
    pub fn rule(self, rule: Rule) -> Self {
        self.with(|guard| {
            let own = std::mem::replace(&mut guard.rule, Rule::anyone());
            guard.rule = own.and(rule);
        })
    }

    /// Who also has this role.
    pub fn role(self, role: impl Into<String>) -> Self {
        self.rule(Rule::role(role))
    }

    /// Who also has one of these roles.
    pub fn any_role(self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rule(Rule::any_role(roles))
    }

    /// Who has none of these roles.
    pub fn no_role(self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rule(Rule::no_role(roles))
    }

    /// Who also has this scope.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.rule(Rule::scope(scope))
    }

    /// Who also has one of these scopes.
    pub fn any_scope(self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rule(Rule::any_scope(scopes))
    }

    /// Who also works in this tenant.
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        self.rule(Rule::tenant(tenant))
    }

    /// Whose address was also proved.
    pub fn verified_email(self) -> Self {
        self.rule(Rule::verified_email())
    }

    /// Who is not anonymous.
    pub fn known(self) -> Self {
        self.rule(Rule::known())
    }

    /// Requires that the user authenticated on this session within the last `age`, with the
    /// strongest factor they have; together with [`factor`](Self::factor), with that factor.
    ///
    /// An email code counts only for users who have nothing stronger.
    pub fn max_auth_age(self, age: Duration) -> Self {
        self.with(|guard| guard.within = Some(age))
    }

    /// The same as [`max_auth_age`](Self::max_auth_age).
    pub fn within(self, age: Duration) -> Self {
        self.max_auth_age(age)
    }

    /// Who proved this factor on this session.
    pub fn factor(self, factor: Factor) -> Self {
        self.with(|guard| guard.factor = Some(factor))
    }

    /// Accepts API keys whatever scopes they have, if they pass the rule.
    ///
    /// Without it, a guard accepts an API key only if the key passes by a scope that the rule
    /// requires: `RequireUser::new()` and `RequireUser::new().role("admin")` accept none.
    /// A key has the scopes it was created with, as far as its user still has them, and no roles;
    /// [`no_role`](Self::no_role) and [`Rule::not`] look at the roles and scopes of its user.
    pub fn allow_api_keys(self) -> Self {
        self.with(|guard| guard.api_keys = true)
    }

    /// Sends a browser that asks for a page and is not signed in to `page` by 303, with
    /// the path it came for as `return_to`. Other clients get the 401.
    pub fn or_redirect(self, page: impl Into<String>) -> Self {
        self.with(|guard| guard.redirect = Some(page.into()))
    }

    /// Answers a refusal in the application's own way; `None` leaves it as it is.
    ///
    /// # Security
    ///
    /// Whatever it answers, the route behind the guard is not called.
    pub fn refuse_with(
        self,
        answer: impl Fn(&AuthError, &Parts) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        self.with(|guard| guard.refuse = Some(Arc::new(answer)))
    }

    /// The rule of all conditions together, and how a refusal is answered.
    pub(super) fn finished(&self) -> (Rule, Guard) {
        let guard = Guard::clone(&self.guard);
        let rule = guard.rule.clone();
        let rule = match (guard.factor, guard.within) {
            (None, None) => rule,
            (Some(factor), Some(age)) => rule.and(Rule::factor_within(factor, age)),
            (Some(factor), None) => rule.and(Rule::factor(factor)),
            (None, Some(age)) => rule.and(Rule::max_auth_age(age)),
        };
        (rule, guard)
    }

    fn with(mut self, change: impl FnOnce(&mut Guard)) -> Self {
        change(Arc::make_mut(&mut self.guard));
        self
    }
}

impl Default for RequireUser {
    fn default() -> Self {
        Self::new()
    }
}

impl Auth {
    /// Checks in a handler whether a user satisfies a rule. For an API key, which an earlier guard
    /// has accepted, it checks the scopes of the key; [`Rule::not`] looks at the roles and scopes
    /// of its user.
    ///
    /// A rule with [`max_auth_age`](Rule::max_auth_age) reads the credentials of the user, because
    /// the strongest of them decides; other rules wait for nothing unless they ask for a step-up.
    ///
    /// # Errors
    ///
    /// As [`RequireUser`]: [`ErrorKind::Forbidden`](crate::ErrorKind::Forbidden) or
    /// [`ErrorKind::StepUpRequired`](crate::ErrorKind::StepUpRequired), and
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn check(&self, user: &AuthUser, rule: &Rule) -> Result<(), AuthError> {
        match user.owner() {
            None => permit(&self.core, rule, user).await,
            Some(owner) => {
                let now = self.core.clock.now();
                Ok(rule.check_key(user.user(), user.session(), now, owner)?)
            }
        }
    }
}

/// Checks a rule; the credentials of the user are read only if they decide or have to be named.
async fn permit(core: &Core, rule: &Rule, auth: &AuthUser) -> Result<(), AuthError> {
    let now = core.clock.now();
    let check = |available| rule.check(auth.user(), auth.session(), available, now);
    if !rule.wants_freshness() {
        match check(AvailableFactors::default()) {
            Ok(()) => return Ok(()),
            Err(denial) if denial.step_up.is_none() => return Err(denial.into()),
            Err(_) => {}
        }
    }
    Ok(check(core.available_factors(auth.user(), auth.session()).await?)?)
}

/// Checks a rule at the door of a route, and accepts an API key for the request if it passes by
/// a scope, or if the route accepts any key.
pub(super) async fn admit(
    context: &Context,
    user: &AuthUser,
    rule: &Rule,
    api_keys: bool,
) -> Result<(), AuthError> {
    let now = context.core().clock.now();
    let Some(owner) = user.owner() else {
        return permit(context.core(), rule, user).await;
    };
    let (user, session) = (user.user(), user.session());
    if api_keys {
        match rule.check_key(user, session, now, owner) {
            Ok(()) => {}
            // A key cannot prove anything.
            Err(denial) if denial.step_up.is_some() => return Err(Core::not_by_key()),
            Err(denial) => return Err(denial.into()),
        }
    } else if !rule.admits_key(user, session, now, owner) {
        return Err(Core::not_by_key());
    }
    context.accept_key();
    Ok(())
}

/// A rule by a name of its own, for [`Require`].
pub trait Requirement: Send + Sync + 'static {
    /// The rule.
    fn rule() -> Rule;

    /// Returns whether API keys are accepted whatever scopes they have; see
    /// [`RequireUser::allow_api_keys`].
    fn allow_api_keys() -> bool {
        false
    }
}

/// The user who is signed in and passes a rule: [`RequireUser`] as an extractor.
///
/// ```
/// use authlayer::{Require, Requirement, Rule};
///
/// struct Editor;
/// impl Requirement for Editor {
///     fn rule() -> Rule {
///         Rule::role("editor")
///     }
/// }
///
/// async fn edit(user: Require<Editor>) -> String {
///     format!("{} edits", user.id)
/// }
/// ```
pub struct Require<R>(AuthUser, PhantomData<fn() -> R>);

impl<R> Require<R> {
    /// The user.
    pub fn into_user(self) -> AuthUser {
        self.0
    }
}

impl<R> Deref for Require<R> {
    type Target = AuthUser;

    fn deref(&self) -> &AuthUser {
        &self.0
    }
}

impl<R> fmt::Debug for Require<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Require").field(&self.0).finish()
    }
}

impl<R: Requirement, S: Send + Sync> FromRequestParts<S> for Require<R> {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        let context = Context::of(parts)?;
        let rule = R::rule();
        let user = context.caller(rule.wants_proof()).await?;
        admit(context, &user, &rule, R::allow_api_keys()).await?;
        Ok(Self(user, PhantomData))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.rule)
    }
}
