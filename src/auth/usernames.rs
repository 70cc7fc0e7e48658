//! The options of usernames.

use super::AuthBuilder;

impl AuthBuilder {
    /// Sets whether users can have a username and sign in with it; off by default. A user chooses it
    /// at sign-up or by `PATCH /account`, and it identifies the account like the email address does.
    /// A username that looks like that of another user is taken, and some are
    /// [reserved](Self::reserved_usernames).
    ///
    /// ```
    /// # use authlayer::{AuthBuilder, Password};
    /// # fn doc(builder: AuthBuilder) -> AuthBuilder {
    /// builder.usernames(true).reserved_usernames(["billing", "press"]).flow(Password::new())
    /// # }
    /// ```
    ///
    /// Users in a table of the application need the columns
    /// [`username`](crate::UserTable::username) and
    /// [`username_skeleton`](crate::UserTable::username_skeleton), and a
    /// [`UserStore`](crate::UserStore) the methods `find_by_username` and `find_by_skeleton`. If
    /// users have usernames already, run
    /// [`Users::index_usernames`](crate::Users::index_usernames) once.
    ///
    /// # Security
    ///
    /// A sign-up reveals whether a username is taken, but not to which email address it belongs.
    /// Failed sign-ins with a username and with the email address of its account have one counter,
    /// so that both together have the attempts of one account. A client that knows both can detect
    /// that they belong to the same account: failures with one of them delay a sign-in with the
    /// other. If that must not be known, do not use usernames.
    pub fn usernames(mut self, usernames: bool) -> Self {
        self.usernames = usernames;
        self
    }

    /// Adds usernames that users cannot choose, nor any that look like them. `admin`,
    /// `administrator`, `root`, `system`, `support`, `security`, `help`, `abuse`, `postmaster`,
    /// `webmaster`, `hostmaster`, `noreply`, `anonymous`, `me`, `null` and `undefined` are always
    /// reserved. The application can assign a reserved name with
    /// [`Users::edit`](crate::Users::edit).
    pub fn reserved_usernames<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.reserved_usernames.extend(names.into_iter().map(Into::into));
        self
    }
}
