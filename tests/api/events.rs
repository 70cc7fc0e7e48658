//! The events of administration, of guards, and of requests for a reset, and the erasure of clients.

use std::time::Duration;

use authlayer::{
    AccessRule, Auth, AuthBuilder, AuthError, AuthUser, Authorized, ConfigError, Email, Event,
    EventKind, Flow, Password, PgStore, Registry, RequireUser, Rule, SqliteStore, User, UserId,
    UserPatch,
    services::{NewEvent, Services},
    testing::{EventRecorder, TestApp, TestClient},
};
use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post},
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Database, On, PASSWORD, id_of, on_every_store, sign_up, until, uuid};

const ADA: &str = "ada@example.com";
const DAY: Duration = Duration::from_secs(86_400);

async fn builder(database: &Database) -> AuthBuilder {
    let url = database.url();
    let builder = match url.strip_prefix("sqlite:") {
        Some(path) => Auth::builder(SqliteStore::open(path).await.unwrap()),
        None => Auth::builder(PgStore::connect_with(&url, 2).await.unwrap()),
    };
    builder.origin("http://localhost:3000").flow(Password::new())
}

async fn serve(auth: &Auth, routes: Router) -> TestApp {
    TestApp::serve(routes.nest("/auth", auth.router()).layer(auth.layer())).await
}

/// Signs up a user in a new browser, and returns its client and the id.
async fn join(app: &TestApp, auth: &Auth, email: &str, agent: &str) -> (TestClient, UserId) {
    let client = app.client().with("user-agent", agent);
    assert_eq!(sign_up(&client, email).await.status, 201);
    (client, auth.users().find_by_email(email).await.unwrap().unwrap().id)
}

/// A flow with routes of an administration, whose requests have the client of the administrator.
struct Administration;

impl Flow for Administration {
    type Service = Services;

    fn name(&self) -> &str {
        "administration"
    }

    fn register(self, registry: &mut Registry) -> Result<Services, ConfigError> {
        let services = registry.services();
        registry.routes(&services, [("/acts/{name}/{id}", post(act))]);
        Ok(services)
    }
}

async fn act(
    State(services): State<Services>,
    admin: AuthUser,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, AuthError> {
    let user = UserId::new(id);
    let (mut users, mut sessions) = (services.users().clone(), services.sessions().clone());
    let name = match name.strip_prefix("by-") {
        Some(name) => {
            (users, sessions) = (users.by(&admin.id), sessions.by(&admin.id));
            name
        }
        None => &name,
    };
    match name {
        "rename" => drop(users.edit(&user, |own| own.display_name = Some("Ada".to_owned())).await?),
        "promote" => drop(users.edit(&user, |own| own.roles.push("editor".to_owned())).await?),
        "disable" => drop(users.disable(&user).await?),
        "enable" => drop(users.enable(&user).await?),
        "revoke" => drop(sessions.revoke_all(&user, None).await?),
        "revoke-one" => {
            for session in sessions.list(&user).await? {
                sessions.revoke_for_user(session.id, &user).await?;
            }
        }
        "delete" => users.delete(&user).await?,
        _ => return Ok(StatusCode::NOT_FOUND),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The user sees that an administrator acted, and the record has nothing of the administrator but
/// the id.
#[tokio::test]
async fn acts_of_an_administrator_have_no_client() {
    for on in [On::Sqlite, On::Postgres] {
        for prefix in ["", "by-"] {
            let (database, watch) = (Database::fresh(on).await, EventRecorder::default());
            let auth = builder(&database).await.flow(Administration);
            let auth = auth.event_sink(watch.clone()).audit_log(DAY).build().unwrap();
            let app = serve(&auth, Router::new()).await;
            let (admin, root) = join(&app, &auth, "root@example.com", "Admin/1").await;
            let (browser, ada) = join(&app, &auth, ADA, "Browser/1").await;
            let actor = (prefix == "by-").then_some(&root);
            let act = async |name: &str, kind: EventKind| {
                let before = watch.all().len();
                let path = format!("/auth/acts/{prefix}{name}/{ada}");
                assert_eq!(admin.post(&path, json!({})).await.status, 204, "{path}");
                let events = watch.all().split_off(before);
                assert_eq!(events.iter().map(|own| own.kind).collect::<Vec<_>>(), [kind], "{path}");
                let event = &events[0];
                assert_eq!((&event.ip, &event.user_agent), (&None, &None), "{path}");
                assert_eq!((&event.user_id, event.actor_id.as_ref()), (&Some(ada.clone()), actor));
            };
            act("rename", EventKind::UserUpdated).await;
            let shown = browser.get("/auth/account/events").await.json();
            let shown = shown["events"][0].as_object().unwrap().clone();
            assert_eq!(shown["kind"], "user_updated");
            let by = json!("administrator");
            assert_eq!(shown.get("by"), actor.map(|_| &by), "{on:?}");
            assert!(!shown.contains_key("ip") && !shown.contains_key("user_agent"), "{shown:?}");
            act("promote", EventKind::RolesChanged).await;
            act("revoke-one", EventKind::SessionRevoked).await;
            let again = json!({ "email": ADA, "password": PASSWORD });
            assert_eq!(browser.post("/auth/sign-in", &again).await.status, 200);
            act("revoke", EventKind::SessionRevoked).await;
            act("disable", EventKind::UserDisabled).await;
            act("enable", EventKind::UserEnabled).await;
            act("delete", EventKind::UserDeleted).await;
            drop(auth);
            database.remove().await;
        }
    }
}

/// A user who changes the own account is no other person.
#[tokio::test]
async fn acts_on_the_own_account_have_the_client() {
    for on in [On::Sqlite, On::Postgres] {
        let (database, watch) = (Database::fresh(on).await, EventRecorder::default());
        let auth = builder(&database).await.flow(Administration).event_sink(watch.clone());
        let auth = auth.build().unwrap();
        let app = serve(&auth, Router::new()).await;
        let (admin, root) = join(&app, &auth, "root@example.com", "Admin/1").await;
        let path = format!("/auth/acts/by-rename/{root}");
        assert_eq!(admin.post(&path, json!({})).await.status, 204);
        let session = admin.get("/auth/session").await.json()["session"]["id"].clone();
        let path = format!("/auth/sessions/{}", session.as_str().unwrap());
        assert_eq!(admin.send(Method::DELETE, &path, &[], b"").await.status, 204);
        let all = watch.all();
        for kind in [EventKind::UserUpdated, EventKind::SessionRevoked] {
            let event = all.iter().find(|event| event.kind == kind).unwrap();
            assert_eq!(event.user_agent.as_deref(), Some("Admin/1"), "{kind:?}");
            assert_eq!(event.ip.as_deref(), Some("127.0.0.1"), "{kind:?}");
        }
        drop(auth);
        database.remove().await;
    }
}

/// The disclosure to a user has nothing of an administrator.
#[tokio::test]
async fn disclosure_omits_the_client_of_an_administrator() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let auth = builder(&database).await.audit_log(DAY).build().unwrap();
        let app = serve(&auth, Router::new()).await;
        let (_, ada) = join(&app, &auth, ADA, "Browser/1").await;
        auth.services().record(acted(&auth, &ada)).unwrap();
        auth.shutdown(Duration::from_secs(60)).await;
        let all = auth.users().disclose(&ada).await.unwrap();
        let events = all["events"].as_array().unwrap();
        let act = events.iter().find(|event| event["kind"] == "user_disabled").unwrap();
        assert_eq!(act["by"], "administrator", "{act}");
        let text = all.to_string();
        assert!(!text.contains("root") && !text.contains("203.0.113.9"), "{text}");
        assert!(text.contains("127.0.0.1"), "the client of the user: {text}");
        drop(auth);
        database.remove().await;
    }
}

/// An event of an application that sets the client of the administrator.
fn acted(auth: &Auth, user: &UserId) -> NewEvent {
    let mut request = http::Request::builder().header("user-agent", "Admin/1").body(()).unwrap();
    let peer = std::net::SocketAddr::from(([203, 0, 113, 9], 443));
    request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
    let client = auth.client(&request.into_parts().0).unwrap();
    NewEvent::new(EventKind::UserDisabled).user(user).actor(&UserId::new("root")).client(&client)
}

/// Also of more events than one batch has, and of events both about the user and by the user.
pub(crate) async fn events_of_an_actor_are_anonymized(on: On) {
    let database = Database::fresh(on).await;
    let auth = builder(&database).await.audit_log(DAY).build().unwrap();
    let app = serve(&auth, Router::new()).await;
    let (_, ada) = join(&app, &auth, ADA, "Browser/1").await;
    let root = UserId::new("root");
    auth.users().create(&User::new(root.clone(), jiff::Timestamp::UNIX_EPOCH)).await.unwrap();
    for _ in 0..600 {
        auth.services().record(acted(&auth, &ada)).unwrap();
        auth.services().record(acted(&auth, &root)).unwrap();
    }
    auth.shutdown(Duration::from_secs(60)).await;
    let with_client = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_events
        WHERE ip IS NOT NULL AND user_agent IS NOT NULL AND";
    let by_root = format!("{with_client} actor_id = 'root'");
    assert_eq!(database.text(&by_root).await, "1200", "{on:?}");
    let of_ada = format!("{with_client} user_id = '{ada}' AND actor_id IS NULL");
    let before = database.text(&of_ada).await;
    assert_ne!(before, "0");
    auth.users().delete(&root).await.unwrap();
    auth.shutdown(Duration::from_secs(60)).await;
    let left = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_events WHERE actor_id = 'root'
        AND (ip IS NOT NULL OR user_agent IS NOT NULL)";
    until("anonymization", async || database.text(left).await == "0").await;
    assert_eq!(database.text(&of_ada).await, before, "{on:?}: what another user did remains");
    drop(auth);
    database.remove().await;
}

#[tokio::test]
async fn events_of_a_deleted_administrator_contain_no_ip_address() {
    for on in [On::Sqlite, On::Postgres] {
        events_of_an_actor_are_anonymized(on).await;
    }
}

/// Each change is one event, and no change is none.
#[tokio::test]
async fn changes_of_users_are_events_with_what_changed() {
    for on in [On::Sqlite, On::Postgres] {
        let (database, watch) = (Database::fresh(on).await, EventRecorder::default());
        let auth = builder(&database).await.event_sink(watch.clone()).build().unwrap();
        let users = auth.users();
        let mut ada = User::new(uuid("ada"), jiff::Timestamp::UNIX_EPOCH);
        ada.email = Some(Email::parse(ADA).unwrap());
        ada.roles = vec!["reader".to_owned()];
        users.create(&ada).await.unwrap();
        let patch = json!({ "display_name": "Ada", "roles": ["editor"], "scopes": ["notes:read"] });
        let patch: UserPatch = serde_json::from_value(patch).unwrap();
        users.patch(&ada.id, &patch).await.unwrap();
        users.patch(&ada.id, &patch).await.unwrap();
        for _ in 0..2 {
            users.disable(&ada.id).await.unwrap();
        }
        for _ in 0..2 {
            users.enable(&ada.id).await.unwrap();
        }
        users.delete(&ada.id).await.unwrap();
        assert!(users.delete(&ada.id).await.is_err());
        let events = watch.all();
        assert!(events.iter().all(|event| event.user_id.as_ref() == Some(&ada.id)));
        let events: Vec<_> =
            events.iter().map(|event| (event.kind.as_str(), json!(event.detail))).collect();
        let expected = [
            ("user_created", json!({ "origin": "administration" })),
            ("user_updated", json!({ "members": ["display_name", "scopes"] })),
            ("roles_changed", json!({ "added": ["editor"], "removed": ["reader"] })),
            ("user_disabled", json!({})),
            ("user_enabled", json!({})),
            ("user_deleted", json!({})),
        ];
        assert_eq!(events, expected, "{on:?}");
        drop(auth);
        database.remove().await;
    }
}

struct Editor;

impl AccessRule for Editor {
    fn rule() -> Rule {
        Rule::role("editor")
    }
}

fn guarded() -> Router {
    let edit = get(async |_: Authorized<Editor>| "edited");
    Router::new()
        .route("/admin/{id}", get(async || "admin").route_layer(RequireUser::new().role("admin")))
        .route("/edit", edit)
        .route("/open", get(async || "open").route_layer(RequireUser::new()))
}

/// A rejection by a guard is an event only if the application requests it, and users do not see it.
#[tokio::test]
async fn rejections_by_guards_are_recorded_on_request() {
    for (on, is_recorded) in [(On::Sqlite, false), (On::Sqlite, true), (On::Postgres, true)] {
        let (database, watch) = (Database::fresh(on).await, EventRecorder::default());
        let builder = builder(&database).await.event_sink(watch.clone()).audit_log(DAY);
        let builder = if is_recorded { builder.record_access_denied(true) } else { builder };
        let auth = builder.build().unwrap();
        let app = serve(&auth, guarded()).await;
        let (browser, ada) = join(&app, &auth, ADA, "Browser/1").await;
        for (path, status) in [("/open", 200), ("/admin/7", 403), ("/admin/8", 403), ("/edit", 403)]
        {
            assert_eq!(browser.get(path).await.status, status, "{path}");
        }
        assert_eq!(app.client().with("user-agent", "Guest/1").get("/open").await.status, 401);
        let denied = watch.all().into_iter().filter(|event| event.kind == EventKind::AccessDenied);
        let denied: Vec<Event> = denied.collect();
        assert_eq!(denied.len(), if is_recorded { 4 } else { 0 }, "{on:?}");
        let shown = browser.get("/auth/account/events").await.json();
        assert!(shown["events"].as_array().unwrap().len() >= 2);
        assert!(!shown.to_string().contains("access_denied"), "{shown}");
        if is_recorded {
            let (route, missing) = ("/admin/{id}", json!(["role:admin"]));
            let expected = json!({ "reason": "forbidden", "route": route, "missing": missing });
            for event in &denied[..2] {
                assert_eq!(json!(event.detail), expected);
                assert_eq!(event.user_id.as_ref(), Some(&ada));
                assert!(event.session_id.is_some());
                assert_eq!(event.user_agent.as_deref(), Some("Browser/1"));
                assert_eq!(event.ip.as_deref(), Some("127.0.0.1"));
            }
            assert_eq!(denied[2].detail["missing"], json!(["role:editor"]));
            let expected = json!({ "reason": "unauthenticated", "route": "/open" });
            assert_eq!(json!(denied[3].detail), expected);
            assert_eq!((&denied[3].user_id, denied[3].session_id), (&None, None));
            assert_eq!(denied[3].user_agent.as_deref(), Some("Guest/1"));
        }
        drop(auth);
        database.remove().await;
    }
}

on_every_store! {
    /// The event belongs to the user to whom the link was sent, if there is one.
    async fn request_for_a_reset_is_an_event_of_the_user(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let id = id_of(&ada).await;
        let forgot = "/auth/password/forgot";
        for email in ["stranger@example.com", ADA] {
            let body = json!({ "email": email });
            assert_eq!(bed.client().post(forgot, &body).await.status, 202, "{email}");
        }
        let requested = bed.bed.watch.all().into_iter();
        let requested = requested.filter(|event| event.kind == EventKind::PasswordResetRequested);
        let requested: Vec<Value> = requested.map(|event| json!(event)).collect();
        assert_eq!(requested.len(), 1, "{requested:?}");
        assert_eq!(requested[0]["user_id"], id);
        assert_eq!(requested[0]["ip"], "127.0.0.1");
    }
}
