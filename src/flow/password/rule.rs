//! Rules of the application for new passwords.

use std::{fmt, sync::Arc};

use crate::{
    crypto::password::WeakPasswordReason,
    model::{Email, User},
};

/// The user of a new password, for a [rule](super::Password::rule) of the application. At a sign-up
/// it is the user that would be created.
///
/// ```
/// use authlayer::PasswordContext;
///
/// fn not_the_domain(password: &str, about: &PasswordContext<'_>) -> Result<(), &'static str> {
///     let domain = about.email.and_then(|email| email.as_str().split_once('@'));
///     match domain {
///         Some((_, domain)) if password.contains(domain) => Err("contains_domain"),
///         _ => Ok(()),
///     }
/// }
/// let flow = authlayer::Password::new().rule(not_the_domain);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PasswordContext<'a> {
    /// The email address.
    pub email: Option<&'a Email>,
    /// The username.
    pub username: Option<&'a str>,
    /// The display name.
    pub display_name: Option<&'a str>,
}

impl<'a> PasswordContext<'a> {
    fn of(user: &'a User) -> Self {
        let (username, display_name) = (user.username.as_deref(), user.display_name.as_deref());
        Self { email: user.email.as_ref(), username, display_name }
    }
}

type Rule = dyn Fn(&str, &PasswordContext<'_>) -> Result<(), &'static str> + Send + Sync;

/// The rules of the application.
#[derive(Clone, Default)]
pub(super) struct Rules(Vec<Arc<Rule>>);

impl Rules {
    pub(super) fn add(
        &mut self,
        rule: impl Fn(&str, &PasswordContext<'_>) -> Result<(), &'static str> + Send + Sync + 'static,
    ) {
        self.0.push(Arc::new(rule));
    }

    /// Returns the reasons of the rules that reject a password.
    pub(super) fn reasons(&self, password: &str, user: &User) -> Vec<WeakPasswordReason> {
        let about = PasswordContext::of(user);
        let rejected = self.0.iter().filter_map(|rule| rule(password, &about).err());
        rejected.map(WeakPasswordReason::Custom).collect()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rules").field(&self.0.len()).finish()
    }
}
