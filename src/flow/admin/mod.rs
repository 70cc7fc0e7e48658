//! Administration of users over HTTP.
//!
//! | option | default | reason |
//! |---|---|---|
//! | `rule` of [`Admin::new`](Admin::new) | none | the application decides who administers |
//! | [`notify_impersonated`](Admin::notify_impersonated) | true | users learn who acts in their account |
//!
//! | route | response |
//! |---|---|
//! | `GET /admin/users` | a page of users; `query`, `status`, `role`, `limit`, `cursor` |
//! | `POST /admin/users` | creates a user, with a password or an invitation |
//! | `GET`, `PATCH`, `DELETE /admin/users/{id}` | reads, changes (RFC 7396) or deletes a user |
//! | `GET`, `DELETE /admin/users/{id}/sessions`, `DELETE …/sessions/{session}` | lists or revokes sessions |
//! | `GET /admin/users/{id}/factors`, `DELETE …/factors/{factor}` | lists or removes passkeys, security keys and authenticator apps |
//! | `POST /admin/users/{id}/impersonate` | begins a session as the user, with a `reason` |
//! | `POST /impersonation/end` | ends it, and returns to the session of the administrator |
//! | `POST /admin/users/{id}/password-reset` | mails a link to set a password |
//! | `GET /admin/events` | the events in the [audit log](crate::AuthBuilder::audit_log); `user_id`, `kind`, `since`, `until`, `limit`, `cursor` |
//!
//! - Every route requires the rule; routes that write also require recent authentication. API keys
//!   are rejected.
//! - Every act is an event with the `actor_id`. The user of the account sees that an administrator
//!   acted, but neither who nor from where.
//! - No act leaves the application without an active user who passes the rule (409 `last_admin`), and
//!   neither does `DELETE /account`. Only conditions on the user count, such as roles. With users in
//!   our tables or in a mapped table this is checked in the transaction of the act; in other storage
//!   modes two concurrent acts can break it.
//! - An impersonation ends with the session, the role or the account of its administrator. It changes
//!   no credential, email address or account (403 `impersonating`) and never passes the rule, and
//!   administrators cannot be impersonated. With cookies the refresh token of the administrator waits
//!   in a cookie of its own until the impersonation ends.
//! - A storage mode that cannot do something responds 501 `unsupported` with `operation`.

mod events;
mod impersonation;
mod members;
mod of_user;
mod requests;
mod routes;
mod service;

use std::sync::Arc;

use self::routes::Routes;
use super::Flow;
use crate::{
    config::ConfigError,
    model::{Rule, User},
    registry::Registry,
};
pub use service::AdminService;

/// The options of the flow for administration.
///
/// ```
/// use authlayer::{Admin, AuthBuilder, Rule};
///
/// fn configure(builder: AuthBuilder) -> AuthBuilder {
///     builder.flow(Admin::new(Rule::role("admin").and(Rule::two_factor())))
/// }
/// ```
///
/// # Security
///
/// A user who passes the rule can take over every account, also that of another administrator: by
/// a change of the email address and a password reset. Require two factors.
#[derive(Clone, Debug)]
#[must_use]
pub struct Admin {
    rule: Rule,
    notifies_impersonated: bool,
}

impl Admin {
    /// Creates the flow with the rule of administrators.
    pub fn new(rule: Rule) -> Self {
        Self { rule, notifies_impersonated: true }
    }

    /// Sets whether a user is notified by email that an administrator acts in their account. Default:
    /// `true`. The event `impersonation_began` is recorded in any case.
    ///
    /// ```
    /// # use authlayer::{Admin, Rule};
    /// Admin::new(Rule::role("admin")).notify_impersonated(false);
    /// ```
    pub fn notify_impersonated(mut self, notify: bool) -> Self {
        self.notifies_impersonated = notify;
        self
    }
}

impl Flow for Admin {
    type Service = AdminService;

    fn name(&self) -> &str {
        "admin"
    }

    fn register(self, registry: &mut Registry) -> Result<AdminService, ConfigError> {
        let core = registry.core();
        if self.rule == Rule::authenticated() {
            let problem = "rule admits every user: require a role, such as Rule::role(\"admin\")";
            return Err(ConfigError::flow("admin", problem));
        }
        core.directory.set_administrators(&self.rule);
        let rule = self.rule.clone();
        core.sessions.set_impersonators(Arc::new(move |user: &User| rule.can_admit(user)));
        let service = AdminService::new(core, self.rule, self.notifies_impersonated);
        let routes = Routes::new(&service);
        routes::register(registry, &routes);
        of_user::register(registry, &routes);
        impersonation::register(registry, &routes);
        Ok(service)
    }
}
