//! `authlayer users`.

use authlayer::{
    Email, NewUser, User, UserStatus,
    clock::{Clock, SystemClock},
    jiff::Timestamp,
    store::EventQuery,
    users::UserQuery,
};
use serde_json::{Value, json};

use crate::{
    app::{App, described},
    args,
    args::{Global, Status, Users},
    ask::{confirm, new_password},
    failure::{Failure, print_error},
    output::Output,
    table::Table,
    text::shorten,
};

const COLUMNS: &[&str] = &["ID", "EMAIL", "NAME", "ROLES", "STATUS", "CREATED"];
const PAGE: u64 = 200;
/// The maximum number of columns of a display name.
const NAME: usize = 32;
/// The events that explain why a user cannot sign in.
const FAILURES: &[&str] = &[
    "sign_in_failed",
    "account_locked",
    "limit_reached",
    "proof_refused",
    "passkey_refused",
    "provider_refused",
    "password_hash_unusable",
    "mail_failed",
    "refresh_reused",
];
/// The number of events of a user that are searched for failures, and that are shown.
const SEARCHED: u32 = 200;
const SHOWN: usize = 10;

pub(crate) async fn run(
    global: &Global,
    command: Users,
    output: &mut Output,
) -> Result<(), Failure> {
    let app = App::open(global).await?;
    let done = act(global, &app, command, output).await;
    let closed = app.close(output).await;
    done.and(closed)
}

async fn act(
    global: &Global,
    app: &App,
    command: Users,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        Users::List(options) => list(app, &options, output).await,
        Users::Show(own) => show(app, &app.find(&own.user).await?, output).await,
        Users::Create(options) => create(app, options, output).await,
        Users::Invite(options) => {
            app.require_origin()?;
            let user = app.users().invite(new_user(options, false)?).await?;
            changed(app, "invited", &user, output).await
        }
        Users::SendReset(own) => {
            app.require_origin()?;
            let user = app.find(&own.user).await?;
            if user.email.is_none() || !user.is_active() {
                let problem = "the user is disabled or has no email address: nothing was sent";
                return Err(Failure::failed("not_sent", problem));
            }
            app.users().send_password_reset(&user.id).await?;
            changed(
                app,
                "sent a link, unless one was sent within the last minute, to",
                &user,
                output,
            )
            .await
        }
        Users::SetPassword(options) => {
            let user = app.find(&options.user.user).await?;
            let password = new_password(options.password_stdin)?;
            app.users().set_password(&user.id, &password).await?;
            changed(app, "set the password of", &user, output).await
        }
        Users::Roles(options) => roles(app, &options, output).await,
        Users::Disable(own) => {
            let user = app.find(&own.user).await?;
            confirm(global, &format!("Disable {}", described(&user)))?;
            let user = app.users().disable(&user.id).await?;
            changed(app, "disabled", &user, output).await
        }
        Users::Enable(own) => {
            let user = app.users().enable(&app.find(&own.user).await?.id).await?;
            changed(app, "enabled", &user, output).await
        }
        Users::Delete(own) => {
            let user = app.find(&own.user).await?;
            confirm(
                global,
                &format!("Delete {} with all sessions and credentials", described(&user)),
            )?;
            app.users().delete(&user.id).await?;
            let text = format!("deleted {}", described(&user));
            output.result(&text, &json!({ "deleted": user.id }))
        }
    }
}

/// Prints a user after a change.
async fn changed(app: &App, what: &str, user: &User, output: &mut Output) -> Result<(), Failure> {
    output.say(&format!("{what} {}", described(user)))?;
    if output.is_json() {
        output.document(&app.auth.users().details(&user.id).await?)?;
    }
    Ok(())
}

async fn list(app: &App, options: &args::ListUsers, output: &mut Output) -> Result<(), Failure> {
    let mut query = UserQuery::new().search(options.search.as_deref().unwrap_or_default());
    if let Some(role) = &options.role {
        query = query.role(role);
    }
    if let Some(status) = options.status {
        query = query.status(match status {
            Status::Active => UserStatus::Active,
            Status::Disabled => UserStatus::Disabled,
        });
    }
    let mut left = if options.all { u64::MAX } else { options.limit };
    let mut table = Table::new(COLUMNS);
    let mut is_empty = true;
    while left > 0 {
        let limit = u32::try_from(left.min(PAGE)).unwrap_or(u32::MAX);
        let page = app.auth.users().list(&query.clone().limit(limit)).await?;
        left = left.saturating_sub(page.users.len().try_into().unwrap_or(u64::MAX));
        is_empty &= page.users.is_empty();
        output.rows(&mut table, page.users.iter().map(row).collect())?;
        output.flush()?;
        let Some(cursor) = page.next_cursor else { break };
        query = query.cursor(cursor);
        if left == 0 && !output.is_json() {
            print_error("authlayer: there are more users: pass --limit or --all\n");
        }
    }
    if is_empty && !output.is_json() {
        print_error("authlayer: no user matches\n");
    }
    Ok(())
}

fn status(user: &User) -> String {
    serde_json::to_value(user.status)
        .ok()
        .and_then(|own| own.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn row(user: &User) -> (Value, Vec<String>) {
    let cells = vec![
        user.id.to_string(),
        user.email.as_ref().map(ToString::to_string).unwrap_or_default(),
        shorten(&crate::text::clean(user.display_name.as_deref().unwrap_or_default()), NAME),
        user.roles.join(","),
        status(user),
        user.created_at.strftime("%Y-%m-%d").to_string(),
    ];
    (json!(user), cells)
}

async fn show(app: &App, user: &User, output: &mut Output) -> Result<(), Failure> {
    let mut details = app.auth.users().details(&user.id).await?;
    let sessions = app.auth.sessions().list(&user.id).await?;
    let failures = failures(app, user).await?;
    if let Value::Object(members) = &mut details {
        members.insert("sessions".to_owned(), json!(sessions.len()));
        members.insert("failures".to_owned(), json!(failures));
    }
    if output.is_json() {
        return output.document(&details);
    }
    let time = |at: Option<Timestamp>| at.map_or_else(|| "no".to_owned(), |at| at.to_string());
    let own = |name: &str| match details.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "no".to_owned(),
        Some(value) => value.to_string(),
    };
    let none = || "none".to_owned();
    let lines = [
        ("id", user.id.to_string()),
        ("email", user.email.as_ref().map_or_else(none, ToString::to_string)),
        ("email verified", time(user.email_verified_at)),
        ("username", user.username.clone().unwrap_or_else(none)),
        ("name", user.display_name.clone().unwrap_or_else(none)),
        ("status", status(user)),
        ("roles", if user.roles.is_empty() { none() } else { user.roles.join(", ") }),
        ("created", user.created_at.to_string()),
        ("last seen", own("last_seen_at")),
        ("password", own("has_password")),
        ("passkeys", own("passkeys")),
        ("security keys", own("security_keys")),
        ("authenticator apps", own("totp")),
        ("recovery codes", own("recovery_codes_left")),
        ("two-step", own("two_step")),
        ("identities", identities(&details)),
        ("sessions", sessions.len().to_string()),
    ];
    for (name, value) in lines {
        output.say(&format!("{name:<20}{value}"))?;
    }
    for failure in &failures {
        let part = |name: &str| failure.get(name).and_then(Value::as_str).unwrap_or_default();
        let reason = failure.pointer("/detail/reason").and_then(Value::as_str).unwrap_or_default();
        output.say(&format!("{:<20}{} {} {reason}", "failure", part("at"), part("kind")))?;
    }
    Ok(())
}

fn identities(details: &Value) -> String {
    let all = details.get("identities").and_then(Value::as_array).cloned().unwrap_or_default();
    let names = all.iter().filter_map(|own| own.get("provider").and_then(Value::as_str));
    let names = Vec::from_iter(names);
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Returns the latest failures of a user in the audit log.
async fn failures(app: &App, user: &User) -> Result<Vec<Value>, Failure> {
    let Some(log) = app.auth.audit_log() else { return Ok(Vec::new()) };
    let stored = log.query(&EventQuery::default().user(user.id.clone()), SEARCHED).await?;
    let failures = stored.iter().filter(|own| FAILURES.contains(&own.event.kind.as_str()));
    Ok(failures.take(SHOWN).map(|own| json!(own)).collect())
}

fn new_user(options: args::NewUser, is_verified: bool) -> Result<NewUser, Failure> {
    let email = Email::parse(&options.email)
        .map_err(|_| Failure::usage(format!("{:?} is not an email address", options.email)))?;
    let mut user = NewUser::with_email(email);
    if is_verified {
        user = user.email_verified(SystemClock.now());
    }
    if let Some(name) = options.name {
        user = user.display_name(name);
    }
    if let Some(name) = options.username {
        user = user.username(name);
    }
    Ok(options.roles.into_iter().fold(user, NewUser::role))
}

async fn create(app: &App, options: args::CreateUser, output: &mut Output) -> Result<(), Failure> {
    let user = new_user(options.user, options.verified)?;
    let user = if options.password || options.password_stdin {
        let password = new_password(options.password_stdin)?;
        app.users().create_with_password(user, &password).await?
    } else {
        app.users().create(user).await?
    };
    changed(app, "created", &user, output).await
}

async fn roles(app: &App, options: &args::Roles, output: &mut Output) -> Result<(), Failure> {
    let user = app.find(&options.user.user).await?;
    let user = if options.add.is_empty() && options.remove.is_empty() {
        user
    } else {
        let edit = |user: &mut User| {
            user.roles.retain(|role| !options.remove.contains(role));
            for role in &options.add {
                if !user.roles.contains(role) {
                    user.roles.push(role.clone());
                }
            }
        };
        app.users().edit(&user.id, edit).await?
    };
    output.result(&user.roles.join("\n"), &json!({ "id": user.id, "roles": user.roles }))
}
