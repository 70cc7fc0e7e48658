//! Guards for routes.

use std::{fmt, sync::Arc, time::Duration};

use axum::response::Response;
use http::request::Parts;

use crate::{
    error::AuthError,
    model::{Factor, Rule},
};

/// A guard for routes that requires an authenticated user and further conditions.
///
/// All conditions must hold; an error names all that are missing. The user of the request is
/// resolved once, together with the extractors behind the guard.
///
/// ```
/// use std::time::Duration;
///
/// use authlayer::RequireUser;
/// use axum::{Router, routing::get};
///
/// let admin = RequireUser::new().role("admin").max_auth_age(Duration::from_secs(600));
/// let app: Router = Router::new().route("/admin", get(async || "admin")).route_layer(admin);
/// ```
///
/// # Errors
///
/// 401 `unauthenticated` (or 303 to [`or_redirect`](Self::or_redirect) for a page), 403
/// `step_up_required` with `required` and `methods`, 403 `forbidden` with `missing` (`["session"]`
/// for an API key that it does not [accept](Self::allow_api_keys)), and the errors of
/// [`AuthUser`](crate::AuthUser).
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
    /// Requires any authenticated user.
    pub fn new() -> Self {
        let guard = Guard {
            rule: Rule::authenticated(),
            within: None,
            factor: None,
            api_keys: false,
            redirect: None,
            refuse: None,
        };
        Self { guard: Arc::new(guard) }
    }

    /// Requires that the user also satisfies this rule.
    pub fn rule(self, rule: Rule) -> Self {
        self.with(|guard| {
            let own = std::mem::replace(&mut guard.rule, Rule::authenticated());
            guard.rule = own.and(rule);
        })
    }

    /// Requires this role.
    pub fn role(self, role: impl Into<String>) -> Self {
        self.rule(Rule::role(role))
    }

    /// Requires one of these roles.
    pub fn any_role(self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rule(Rule::any_role(roles))
    }

    /// Rejects users with one of these roles.
    pub fn without_role(self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rule(Rule::without_role(roles))
    }

    /// Requires this scope.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.rule(Rule::scope(scope))
    }

    /// Requires one of these scopes.
    pub fn any_scope(self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rule(Rule::any_scope(scopes))
    }

    /// Requires that this is the tenant of the user.
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        self.rule(Rule::tenant(tenant))
    }

    /// Requires a verified email address.
    pub fn verified_email(self) -> Self {
        self.rule(Rule::verified_email())
    }

    /// Requires a user who is not anonymous.
    pub fn registered(self) -> Self {
        self.rule(Rule::registered())
    }

    /// Requires that the user authenticated on this session within the last `age`, with the
    /// strongest factor they have; together with [`factor`](Self::factor), with that factor.
    ///
    /// An email code counts only for users who have nothing stronger.
    pub fn max_auth_age(self, age: Duration) -> Self {
        self.with(|guard| guard.within = Some(age))
    }

    /// Requires that this factor was verified on the session.
    pub fn factor(self, factor: Factor) -> Self {
        factor.register();
        self.with(|guard| guard.factor = Some(factor))
    }

    /// Requires two factors on this session; see [`Rule::two_factor`].
    ///
    /// A user who has a second factor is answered 403 `step_up_required` with `methods`, and any
    /// other 403 `setup_required` with `setup`, the factors that can be added.
    pub fn two_factor(self) -> Self {
        self.rule(Rule::two_factor())
    }

    /// Requires a session that is bound to a key of its device; see [`Rule::device_bound`]. Any other
    /// is answered 403 `forbidden` with `"missing": ["device"]`.
    ///
    /// ```
    /// use authlayer::RequireUser;
    ///
    /// let guard = RequireUser::new().role("admin").device_bound();
    /// # drop(guard);
    /// ```
    pub fn device_bound(self) -> Self {
        self.rule(Rule::device_bound())
    }

    /// Accepts API keys whatever scopes they have, if they pass the rule.
    ///
    /// Without it, a guard accepts an API key only if the key passes by a scope that the rule
    /// requires: `RequireUser::new()` and `RequireUser::new().role("admin")` accept none. A key has
    /// the scopes it was created with, as far as its user still has them, and no roles;
    /// [`without_role`](Self::without_role) and [`Rule::not`] check the roles and scopes of its user.
    pub fn allow_api_keys(self) -> Self {
        self.with(|guard| guard.api_keys = true)
    }

    /// Redirects a browser that requests a page without a valid session to `page` by 303, with the
    /// requested path as `return_to`. Other clients receive the 401.
    pub fn or_redirect(self, page: impl Into<String>) -> Self {
        self.with(|guard| guard.redirect = Some(page.into()))
    }

    /// Replaces the response to a rejected request; with `None` it is unchanged.
    ///
    /// # Security
    ///
    /// The route behind the guard is not called, whatever the response.
    pub fn on_rejection(
        self,
        answer: impl Fn(&AuthError, &Parts) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        self.with(|guard| guard.refuse = Some(Arc::new(answer)))
    }

    /// Returns the rule that combines all conditions, and the other options.
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

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.rule)
    }
}
