//! The configuration of authlayer with which the command acts.

use std::time::Duration;

use authlayer::{
    Admin, Auth, Password, PasswordReset, Rule, User, UserId, Users, mail::DefaultTemplates,
    session::Sessions,
};

use crate::{
    args::Global,
    failure::{Failure, print_error},
    log,
    mailer::{CommandMailer, MailOutcome},
    output::Output,
    target::{Database, Target, option},
    text::clean,
};

/// The origin of links if none is given. Commands that send links require one.
const NO_ORIGIN: &str = "https://localhost";
/// The command deletes no events, so this is not used.
const RETENTION: Duration = Duration::from_secs(365 * 24 * 3600);
/// The time for the delivery of messages before the command ends.
const DELIVERY: Duration = Duration::from_secs(30);

const HAS_SKELETONS: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM
    (SELECT 1 AS one FROM auth_users WHERE username_skeleton IS NOT NULL LIMIT 1) AS found";
/// Whether credentials or sessions exist without any user.
const HAS_OTHER_USERS: &str = "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM auth_users) THEN 0
    WHEN EXISTS (SELECT 1 FROM auth_credentials) OR EXISTS (SELECT 1 FROM auth_sessions) THEN 1
    ELSE 0 END AS BIGINT)";

/// The users of an application.
pub(crate) struct App {
    pub(crate) auth: Auth,
    database: Database,
    actor: Option<UserId>,
    protects: bool,
    has_origin: bool,
    mail: MailOutcome,
}

impl App {
    /// Opens the database of the options, which must have the users.
    pub(crate) async fn open(global: &Global) -> Result<Self, Failure> {
        let database = Target::of(global)?.open().await?;
        if database.number(HAS_OTHER_USERS).await? != 0 {
            return Err(Failure::failed(
                "other_users",
                "the users of this application are not in the table of authlayer (UserStorage::managed): \
                they are mapped, or in a store of the application. Administer them with a command of the \
                application, as examples/admin_cli.rs does",
            ));
        }
        Self::with_database(global, database).await
    }

    /// The same with an open database, and without a check of the users.
    pub(crate) async fn with_database(
        global: &Global,
        database: Database,
    ) -> Result<Self, Failure> {
        let origin = option(global.origin.as_ref(), "AUTHLAYER_ORIGIN");
        let admin_role = option(global.admin_role.as_ref(), "AUTHLAYER_ADMIN_ROLE");
        let smtp = option(global.smtp.as_ref(), "SMTP_URL");
        let (mailer, mail) = CommandMailer::new(smtp.as_deref())?;
        let usernames = global.usernames || database.number(HAS_SKELETONS).await? != 0;
        let builder = match database.clone() {
            Database::Sqlite(store) => Auth::builder(store),
            Database::Postgres(store) => Auth::builder(store),
        };
        let builder = builder
            .origin(origin.as_deref().unwrap_or(NO_ORIGIN))
            .mailer(mailer)
            .templates(DefaultTemplates::default())
            .audit_log(RETENTION)
            .usernames(usernames)
            .flow(Password::new())
            .flow(PasswordReset::new().reset_page(&global.reset_page))
            // The processes that serve requests do this work.
            .cleanup_interval(None)
            .max_clock_skew(None)
            .deliver_stored_mails(false);
        let builder = match &admin_role {
            Some(role) => builder.flow(Admin::new(Rule::role(role))),
            None => builder,
        };
        let mut app = Self {
            auth: builder.build()?,
            database,
            actor: None,
            protects: admin_role.is_some(),
            has_origin: origin.is_some(),
            mail,
        };
        if let Some(actor) = &global.actor {
            let user = app.find(actor).await?;
            if !user.is_active() || admin_role.is_some_and(|role| !user.has_role(&role)) {
                let problem = format!("--as: {actor} is not an active administrator");
                return Err(Failure::failed("forbidden", problem));
            }
            app.actor = Some(user.id);
        }
        Ok(app)
    }

    /// Returns the users, for changes.
    pub(crate) fn users(&self) -> Users {
        let users = self.auth.users();
        let users = self.actor.as_ref().map_or_else(|| users.clone(), |actor| users.by(actor));
        if self.protects { users.protect_last_admin() } else { users }
    }

    /// Returns the sessions, for changes.
    pub(crate) fn sessions(&self) -> Sessions {
        let sessions = self.auth.sessions();
        self.actor.as_ref().map_or_else(|| sessions.clone(), |actor| sessions.by(actor))
    }

    /// Returns the user with an id, an email address or a username.
    pub(crate) async fn find(&self, name: &str) -> Result<User, Failure> {
        let users = self.auth.users();
        let by_id = users.find(&UserId::new(name)).await?;
        let by_email = users.find_by_email(name).await?;
        let by_name = users.find_by_username(name).await?;
        let mut found = by_id.into_iter().chain(by_email).chain(by_name);
        let Some(user) = found.next() else {
            let problem = format!("no user has the id, the email address or the username {name:?}");
            return Err(Failure::failed("not_found", problem));
        };
        match found.find(|other| other.id != user.id) {
            Some(other) => {
                let problem = format!(
                    "{name:?} is the id of the user {} and the address or username of {}: use the id",
                    user.id, other.id
                );
                Err(Failure::failed("ambiguous", problem))
            }
            None => Ok(user),
        }
    }

    /// Rejects a command that sends a link without an origin.
    pub(crate) fn require_origin(&self) -> Result<(), Failure> {
        match self.has_origin {
            true => Ok(()),
            false => Err(Failure::usage(
                "the link needs the origin of the application: pass --origin https://app.example.com or \
                set AUTHLAYER_ORIGIN",
            )),
        }
    }

    /// Prints the output, delivers messages and writes events.
    pub(crate) async fn close(self, output: &mut Output) -> Result<(), Failure> {
        let flushed = output.flush();
        self.auth.shutdown(DELIVERY).await;
        let lost = self.auth.audit_log().map_or(0, |log| log.dropped_events());
        log::silence();
        self.database.close().await;
        if let (Some(notice), false) = (self.mail.notice()?, output.is_json()) {
            print_error(&format!("authlayer: {}\n", clean(&notice)));
        }
        match lost {
            0 => flushed,
            _ => Err(Failure::unavailable(
                "events_lost",
                "the change was made, but its event was not written to the audit log",
            )),
        }
    }
}

/// Returns a user as one line of text.
pub(crate) fn described(user: &User) -> String {
    match user.email.as_ref().map(ToString::to_string).or_else(|| user.username.clone()) {
        Some(name) => format!("{name} ({})", user.id),
        None => user.id.to_string(),
    }
}
