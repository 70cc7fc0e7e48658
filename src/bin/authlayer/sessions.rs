//! `authlayer sessions` and `authlayer factors`.

use authlayer::{
    Session,
    jiff::Timestamp,
    model::{Basis, FactorProof},
};
use serde_json::{Value, json};

use crate::{
    app::{App, described},
    args::{Factors, Global, RemoveFactor, RevokeSessions, Sessions},
    ask::confirm,
    failure::{Failure, print_error},
    output::Output,
    table::Table,
    text::{clean, shorten},
};

const SESSIONS: &[&str] = &["ID", "CREATED", "LAST SEEN", "EXPIRES", "FACTORS", "IP", "USER AGENT"];
const FACTORS: &[&str] = &["ID", "KIND", "NAME", "CREATED", "LAST USED"];
/// The maximum number of columns of a user agent or a name.
const LONG: usize = 48;

pub(crate) async fn run(
    global: &Global,
    command: Sessions,
    output: &mut Output,
) -> Result<(), Failure> {
    let app = App::open(global).await?;
    let done = match command {
        Sessions::List(own) => list(&app, &own.user, output).await,
        Sessions::Revoke(options) => revoke(global, &app, options, output).await,
    };
    let closed = app.close(output).await;
    done.and(closed)
}

async fn list(app: &App, name: &str, output: &mut Output) -> Result<(), Failure> {
    let user = app.find(name).await?;
    let mut table = Table::new(SESSIONS);
    let mut page = app.auth.sessions().list(&user.id).await?;
    if page.is_empty() && !output.is_json() {
        print_error("authlayer: the user has no session\n");
    }
    while let Some(last) = page.last() {
        let next = app.auth.sessions().list_after(last).await?;
        output.rows(&mut table, page.iter().map(|own| (document(own), cells(own))).collect())?;
        page = next;
    }
    Ok(())
}

/// Returns a session in the form of `GET /auth/admin/users/{id}/sessions`.
fn document(session: &Session) -> Value {
    let factors = verified(session).map(|own| json!({ "method": own.method, "at": own.at }));
    json!({
        "id": session.id,
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "expires_at": session.expires_at,
        "access_expires_at": session.access_expires_at,
        "factors": Vec::from_iter(factors),
        "ip": session.client.ip,
        "user_agent": session.client.user_agent,
        "transport": session.transport,
        "impersonator": session.impersonator,
        "bound": session.bound(),
    })
}

/// Returns the factors that were verified on a session, without those that were added to it.
fn verified(session: &Session) -> impl Iterator<Item = &FactorProof> {
    session.factors.iter().filter(|own| own.basis != Basis::Enrolled)
}

fn cells(session: &Session) -> Vec<String> {
    let factors = verified(session).map(|own| own.method.as_str().to_owned());
    let client = &session.client;
    vec![
        session.id.to_string(),
        minute(session.created_at),
        minute(session.last_seen_at),
        minute(session.expires_at),
        Vec::from_iter(factors).join(","),
        client.ip.clone().unwrap_or_default(),
        shorten(&clean(client.user_agent.as_deref().unwrap_or_default()), LONG),
    ]
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

async fn revoke(
    global: &Global,
    app: &App,
    options: RevokeSessions,
    output: &mut Output,
) -> Result<(), Failure> {
    let user = app.find(&options.user.user).await?;
    let revoked = match options.session {
        Some(id) => {
            let unknown =
                || Failure::failed("not_found", format!("the user has no session {id:?}"));
            let session = id.parse().map_err(|_| unknown())?;
            confirm(global, &format!("Revoke the session {id} of {}", described(&user)))?;
            if !app.sessions().revoke_for_user(session, &user.id).await? {
                return Err(unknown());
            }
            1
        }
        None => {
            confirm(global, &format!("Revoke all sessions of {}", described(&user)))?;
            app.sessions().revoke_all(&user.id, None).await?
        }
    };
    let text = format!("revoked {revoked} sessions of {}", described(&user));
    output.result(&text, &json!({ "id": user.id, "revoked": revoked }))
}

pub(crate) async fn factors(
    global: &Global,
    command: Factors,
    output: &mut Output,
) -> Result<(), Failure> {
    let app = App::open(global).await?;
    let done = match command {
        Factors::List(own) => list_factors(&app, &own.user, output).await,
        Factors::Remove(options) => remove(global, &app, options, output).await,
    };
    let closed = app.close(output).await;
    done.and(closed)
}

async fn list_factors(app: &App, name: &str, output: &mut Output) -> Result<(), Failure> {
    let user = app.find(name).await?;
    let factors = app.auth.users().factors(&user.id).await?;
    if factors.is_empty() && !output.is_json() {
        print_error("authlayer: the user has no factor\n");
    }
    let rows = factors.iter().map(|own| {
        let cells = vec![
            own.id.clone(),
            own.kind.as_str().to_owned(),
            shorten(&clean(&own.name), LONG),
            minute(own.created_at),
            own.last_used_at.map(minute).unwrap_or_default(),
        ];
        (json!(own), cells)
    });
    output.rows(&mut Table::new(FACTORS), rows.collect())
}

async fn remove(
    global: &Global,
    app: &App,
    options: RemoveFactor,
    output: &mut Output,
) -> Result<(), Failure> {
    let user = app.find(&options.user.user).await?;
    let factors = app.auth.users().factors(&user.id).await?;
    let Some(factor) = factors.iter().find(|own| own.id == options.factor) else {
        let problem = format!("the user has no factor {:?}", options.factor);
        return Err(Failure::failed("not_found", problem));
    };
    let kind = factor.kind.as_str();
    confirm(global, &format!("Remove the {kind} {:?} of {}", factor.name, described(&user)))?;
    app.users().remove_factor(&user.id, &factor.id).await?;
    let text = format!("removed the {kind} {:?} of {}", factor.name, described(&user));
    output.result(&text, &json!({ "id": user.id, "removed": factor.id }))
}
