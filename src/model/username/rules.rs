//! The rules for usernames that users choose.

use std::{collections::HashSet, sync::Arc};

use super::{
    Username,
    name::{InvalidUsername, skeleton_of},
};
use crate::model::User;

/// The names that users cannot choose. Names that look like one of them are reserved too.
const RESERVED: [&str; 16] = [
    "admin",
    "administrator",
    "root",
    "system",
    "support",
    "security",
    "help",
    "abuse",
    "postmaster",
    "webmaster",
    "hostmaster",
    "noreply",
    "anonymous",
    "me",
    "null",
    "undefined",
];

/// Whether there are usernames, and which of them are reserved.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsernameRules {
    is_enabled: bool,
    /// Skeletons.
    reserved: Arc<HashSet<String>>,
}

impl UsernameRules {
    /// Creates the rules, with names that are reserved in addition to those of this crate.
    pub(crate) fn new(is_enabled: bool, additional: &[String]) -> Self {
        let all = RESERVED.into_iter().chain(additional.iter().map(String::as_str));
        let reserved = all.map(|name| match Username::parse(name) {
            Ok(name) => name.skeleton().to_owned(),
            Err(InvalidUsername) => skeleton_of(&name.to_lowercase()),
        });
        Self { is_enabled, reserved: Arc::new(reserved.collect()) }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Returns whether a user can choose this username.
    pub(crate) fn allow(&self, name: &Username) -> bool {
        self.is_enabled && !self.reserved.contains(name.skeleton())
    }

    /// Parses a username that a user chose.
    ///
    /// # Errors
    ///
    /// [`InvalidUsername`], also for a reserved name and if there are no usernames.
    pub(crate) fn choose(&self, text: &str) -> Result<Username, InvalidUsername> {
        Username::parse(text).ok().filter(|name| self.allow(name)).ok_or(InvalidUsername)
    }

    /// Converts the username that the application gave a user to its normalized form. The
    /// application can assign reserved names.
    ///
    /// # Errors
    ///
    /// [`InvalidUsername`] if there are usernames and it is not one.
    pub(crate) fn normalize(&self, user: &mut User) -> Result<(), InvalidUsername> {
        if self.is_enabled
            && let Some(text) = &mut user.username
        {
            let name = Username::parse(text)?;
            name.as_str().clone_into(text);
        }
        Ok(())
    }

    /// Returns the username of a user, if there are usernames and it is a valid one.
    pub(crate) fn of(&self, user: &User) -> Option<Username> {
        let text = user.username.as_deref().filter(|_| self.is_enabled)?;
        Username::parse(text).ok()
    }
}

#[cfg(all(test, feature = "usernames"))]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_and_names_that_look_like_them_are_rejected() {
        let rules = UsernameRules::new(true, &["Billing".to_owned()]);
        for text in RESERVED.into_iter().chain([
            "Admin",
            "\u{430}dmin",
            "adrnin",
            "R00T",
            "he1p",
            "billing",
            "BILLING",
            "bi11ing",
        ]) {
            assert_eq!(rules.choose(text), Err(InvalidUsername), "{text}");
        }
        for text in ["ada", "admins", "support2", "rooter"] {
            assert!(rules.choose(text).is_ok(), "{text}");
        }
        assert!(UsernameRules::new(true, &[]).choose("billing").is_ok());
        assert_eq!(UsernameRules::new(false, &[]).choose("ada"), Err(InvalidUsername));
    }
}
