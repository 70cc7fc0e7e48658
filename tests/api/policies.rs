//! Cedar policies: a table of the example's rules, and error cases.

use authlayer::{
    ApiKeys, Auth, AuthUser, EventKind, KeyOwner, Password, Policies, PolicyDecision, PolicyError,
    PolicyRequest, RequirePolicy, RequireUser, SqliteStore, Subject, UserId,
    flow::api_keys::NewApiKey,
    testing::{EventRecorder, TestApp, TestClient},
};
use axum::{Json, Router, routing::get};
use serde_json::{Value, json};

use crate::{cedar, support::PASSWORD};

struct House {
    app: TestApp,
    auth: Auth,
    policies: Policies,
    watch: EventRecorder,
}

async fn app_with_policies() -> House {
    let watch = EventRecorder::default();
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .event_sink(watch.clone())
        .flow(Password::new())
        .build()
        .unwrap();
    let policies = Policies::parse(cedar::POLICIES).unwrap();
    let broken =
        RequirePolicy::new(&policies, async |_| Ok(PolicyRequest::new("read", "no type", "1")));
    let app = cedar::app(&auth, &policies).merge(
        Router::new().route("/broken", get(async || "ok").route_layer(broken)).layer(auth.layer()),
    );
    House { app: TestApp::serve(app).await, auth, policies, watch }
}

impl House {
    async fn person(&self, name: &str, role: Option<&str>, tenant: Option<&str>) -> TestClient {
        let client = self.app.client();
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        let made = client.post("/auth/sign-up", &body).await;
        let id = UserId::new(made.json()["user"]["id"].as_str().unwrap());
        let edit = |user: &mut authlayer::User| {
            user.roles = role.map(ToOwned::to_owned).into_iter().collect();
            user.tenant_id = tenant.map(ToOwned::to_owned);
        };
        self.auth.users().edit(&id, edit).await.unwrap();
        client
    }
}

async fn response_of(client: &TestClient, method: &str, path: &str) -> Value {
    let answer = match method {
        "read" => client.get(path).await,
        _ => client.send(http::Method::DELETE, path, &[], b"").await,
    };
    match answer.status.as_u16() {
        200 => json!(true),
        403 => answer.json()["missing"].clone(),
        _ => answer.json()["code"].clone(),
    }
}

#[tokio::test]
async fn owner_role_and_tenant_rules() {
    let house = app_with_policies().await;
    let ada = house.person("ada", None, Some("acme")).await;
    let colleague = house.person("colleague", None, Some("acme")).await;
    let moderator = house.person("moderator", Some("moderator"), None).await;
    let other_user = house.person("stranger", None, Some("other")).await;
    let anonymous = house.app.client();
    for note in [
        json!({ "text": "internal" }),
        json!({ "text": "public", "public": true }),
        json!({ "text": "kept", "on_hold": true }),
    ] {
        assert_eq!(ada.post("/notes", &note).await.status, 200);
    }
    let (yes, no_read, no_delete) = (json!(true), json!(["policy:read"]), json!(["policy:delete"]));
    let who = json!("unauthenticated");
    for (name, client, method, note, expected) in [
        ("the owner reads", &ada, "read", 1, &yes),
        ("a colleague reads", &colleague, "read", 1, &yes),
        ("a colleague does not delete", &colleague, "delete", 1, &no_delete),
        ("a moderator does not read", &moderator, "read", 1, &no_read),
        ("another user does not read", &other_user, "read", 1, &no_read),
        ("an anonymous client does not read", &anonymous, "read", 1, &who),
        ("another user reads a public note", &other_user, "read", 2, &yes),
        ("an anonymous client reads a public note", &anonymous, "read", 2, &yes),
        ("another user does not delete it", &other_user, "delete", 2, &no_delete),
        ("the owner does not delete a note on hold", &ada, "delete", 3, &no_delete),
        ("nor does a moderator", &moderator, "delete", 3, &no_delete),
        ("a moderator deletes", &moderator, "delete", 2, &yes),
        ("the owner deletes", &ada, "delete", 1, &yes),
        ("a deleted note is not found", &ada, "read", 1, &json!("not_found")),
    ] {
        assert_eq!(
            response_of(client, method, &format!("/notes/{note}")).await,
            *expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn every_decision_emits_an_event_with_its_policies() {
    let house = app_with_policies().await;
    let ada = house.person("ada", None, None).await;
    ada.post("/notes", json!({ "text": "mine" })).await;
    assert_eq!(response_of(&ada, "read", "/notes/1").await, json!(true));
    assert_eq!(
        response_of(&house.app.client(), "read", "/notes/1").await,
        json!("unauthenticated")
    );
    let decisions: Vec<_> =
        house.watch.all().into_iter().filter(|event| event.detail.contains_key("action")).collect();
    let [allowed, refused] = &decisions[..] else { panic!("{decisions:?}") };
    assert_eq!(allowed.kind, EventKind::PolicyAllowed);
    assert!(allowed.user_id.is_some() && allowed.session_id.is_some());
    assert_eq!(allowed.detail["resource"], r#"Note::"1""#);
    assert_eq!(allowed.detail["policies"], json!(["owners can do everything with their notes"]));
    assert_eq!(refused.kind, EventKind::PolicyRefused);
    assert_eq!((&refused.user_id, &refused.detail["policies"]), (&None, &json!([])));
}

#[tokio::test]
async fn policies_are_reloaded_atomically_or_not_at_all() {
    let house = app_with_policies().await;
    let ada = house.person("ada", None, None).await;
    ada.post("/notes", json!({ "text": "mine" })).await;
    assert_eq!(response_of(&ada, "read", "/notes/1").await, json!(true));
    let mistake = house.policies.reload("permit (everybody);");
    assert!(matches!(mistake, Err(PolicyError::Syntax(_))), "{mistake:?}");
    assert_eq!(response_of(&ada, "read", "/notes/1").await, json!(true));
    house.policies.reload("").unwrap();
    assert_eq!(response_of(&ada, "read", "/notes/1").await, json!(["policy:read"]));
}

#[tokio::test]
async fn invalid_requests_and_failed_policies_are_denied() {
    let house = app_with_policies().await;
    let ada = house.person("ada", None, None).await;
    assert_eq!(response_of(&ada, "read", "/broken").await, json!(["policy:read"]));
    assert_eq!(house.watch.count(EventKind::PolicyRefused), 1);

    // Cedar itself would skip the failed policy and allow the request.
    let text = r#"
        permit (principal, action, resource);
        @id("limit") forbid (principal, action, resource) when { context.size > 10 };
    "#;
    let policies = Policies::parse(text).unwrap();
    let ask = PolicyRequest::new("write", "Note", "1");
    let small = ask.clone().context("size", 3);
    let robot = Subject::service("robot");
    assert!(policies.is_authorized(&robot, &small).is_allowed());
    assert_eq!(policies.is_authorized(&robot, &small.context("size", 11)).policies, ["limit"]);
    let answer = policies.is_authorized(&robot, &ask);
    assert!(!answer.is_allowed() && answer.errors.len() == 1, "{answer:?}");
    let refusal = house.auth.authorize_policy(&policies, &robot, &ask).unwrap_err();
    assert_eq!(refusal.kind(), authlayer::ErrorKind::Forbidden);
    assert_eq!(house.watch.all().last().unwrap().detail["reason"], "failed");
}

#[test]
fn subject_has_the_same_attributes_in_cedar() {
    let mut ada = Subject::anonymous();
    ada.kind = authlayer::SubjectKind::User;
    ada.id = Some(UserId::new("ada"));
    ada.tenant_id = Some("acme".to_owned());
    ada.roles = vec!["editor".to_owned()];
    ada.scopes = vec!["files:read".to_owned()];
    let odd = json!({
        "level": 3, "team": ["a", "b"], "home": { "city": "Bern" },
        "nothing": null,
        "forged": { "__entity": { "type": "Role", "id": "admin" } },
    });
    ada.attributes = odd.as_object().unwrap().clone();
    let holds = |condition: &str| -> PolicyDecision {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        Policies::parse(&text)
            .unwrap()
            .is_authorized(&ada, &PolicyRequest::new("read", "File", "1"))
    };
    for condition in [
        r#"principal == User::"ada""#,
        r#"principal in Role::"editor""#,
        r#"principal in Tenant::"acme""#,
        r#"principal.tenant == "acme""#,
        r#"principal.roles.contains("editor")"#,
        r#"principal.scopes == ["files:read"]"#,
        r#"principal.attributes.level == 3"#,
        r#"principal.attributes.team.containsAll(["a", "b"])"#,
        r#"principal.attributes.home.city == "Bern""#,
        "!(principal.attributes has nothing)",
        r#"principal.attributes.forged != Role::"admin""#,
    ] {
        let answer = holds(condition);
        assert!(answer.is_allowed(), "{condition}: {answer:?}");
    }
    assert!(!holds(r#"principal in Role::"admin""#).is_allowed());
}

/// `forbid` with `has x` must still apply if the value of `x` cannot be expressed.
#[test]
fn request_with_a_value_that_cedar_cannot_express_is_denied() {
    let text = r#"
        permit (principal, action, resource);
        forbid (principal, action, resource) when { principal.attributes has x && principal.attributes.x > 10 };
        forbid (principal, action, resource) when { resource has x && resource.x > 10 };
        forbid (principal, action, resource) when { context has x && context.x > 10 };
    "#;
    let policies = Policies::parse(text).unwrap();
    for (value, allowed) in [
        (json!(3), true),
        (json!(11), false),
        (json!(10.5), false),
        (json!(3.0), false),
        (json!(1e300), false),
        (json!(u64::MAX), false),
        (json!(i64::MIN), true),
        (json!(null), true),
    ] {
        let mut robot = Subject::service("robot");
        robot.attributes.insert("x".to_owned(), value.clone());
        let ask = PolicyRequest::new("write", "Note", "1");
        assert_eq!(
            policies.is_authorized(&robot, &ask).is_allowed(),
            allowed,
            "principal: {value}"
        );
        let robot = Subject::service("robot");
        let on = ask.clone().attribute("x", value.clone());
        assert_eq!(policies.is_authorized(&robot, &on).is_allowed(), allowed, "resource: {value}");
        let about = ask.context("x", value.clone());
        assert_eq!(
            policies.is_authorized(&robot, &about).is_allowed(),
            allowed,
            "context: {value}"
        );
    }
    for nested in [
        json!({ "deep": { "x": 0.5 } }),
        json!({ "list": [1, 0.5] }),
        json!({ "list": [null] }),
        json!({ "list": [{ "x": u64::MAX }] }),
    ] {
        let mut robot = Subject::service("robot");
        robot.attributes = nested.as_object().unwrap().clone();
        let answer = policies.is_authorized(&robot, &PolicyRequest::new("write", "Note", "1"));
        assert!(!answer.is_allowed() && answer.errors.len() == 1, "{nested}: {answer:?}");
    }
}

/// Every `forbid` and `unless` that applies to a user also applies to their API keys.
#[tokio::test]
async fn policy_route_accepts_api_keys_only_if_allowed() {
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .flow(Password::new())
        .flow(ApiKeys::new())
        .build()
        .unwrap();
    let text = r#"
        permit (principal, action == Action::"read", resource)
            when { principal.scopes.contains("read") };
        forbid (principal in Role::"suspended", action, resource);
        permit (principal, action == Action::"list", resource)
            unless { principal.roles.contains("guest") || principal.scopes.contains("trial") };
        permit (principal in Role::"admin", action == Action::"write", resource);
    "#;
    let policies = Policies::parse(text).unwrap();
    let ask = |action: &'static str| {
        let question = move |_| async move { Ok(PolicyRequest::new(action, "Note", "1")) };
        RequirePolicy::new(&policies, question)
    };
    let subject = || get(async |user: AuthUser| Json(user.subject()));
    let handler = {
        let (auth, policies) = (auth.clone(), policies.clone());
        async move |user: AuthUser| {
            auth.authorize_policy(
                &policies,
                &user.subject(),
                &PolicyRequest::new("list", "Note", "1"),
            )
            .map(|()| "ok")
        }
    };
    let router = Router::new()
        .route("/closed", subject().route_layer(ask("read")))
        .route("/read", subject().route_layer(ask("read").allow_api_keys()))
        .route("/list", subject().route_layer(ask("list").allow_api_keys()))
        .route("/write", subject().route_layer(ask("write").allow_api_keys()))
        .route("/handler", get(handler).route_layer(RequireUser::new().scope("read")))
        .nest("/auth", auth.router())
        .layer(auth.layer());
    let app = TestApp::serve(router).await;
    let ada = app.client();
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let id = ada.post("/auth/sign-up", &body).await.json()["user"]["id"].clone();
    let id = UserId::new(id.as_str().unwrap());
    let set = async |roles: &[&str], scopes: &[&str]| {
        let owned = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (roles, scopes) = (owned(roles), owned(scopes));
        let edit = move |user: &mut authlayer::User| {
            user.roles = roles.clone();
            user.scopes = scopes.clone();
        };
        auth.users().edit(&id, edit).await.unwrap();
    };
    set(&[], &["read"]).await;
    let mut new = NewApiKey::new(KeyOwner::User(id.clone()), "key");
    new.scopes = vec!["read".to_owned()];
    let (_, plain) = auth.service::<ApiKeys>().unwrap().create(new).await.unwrap();
    let program = app.client().bearer(plain.expose());
    assert_eq!(response_of(&program, "read", "/closed").await, json!(["session"]));
    let (yes, no) = (json!(true), |action: &str| json!([format!("policy:{action}")]));
    for (roles, scopes, read, list, write) in [
        (&[][..], &["read"][..], yes.clone(), yes.clone(), no("write")),
        (&["suspended"], &["read"], no("read"), no("list"), no("write")),
        (&["guest"], &["read"], yes.clone(), no("list"), no("write")),
        (&[], &["read", "trial"], yes.clone(), no("list"), no("write")),
        (&["admin"], &["read"], yes.clone(), yes.clone(), no("write")),
    ] {
        set(roles, scopes).await;
        for (path, expected) in
            [("/read", read), ("/list", list.clone()), ("/handler", list), ("/write", write)]
        {
            assert_eq!(
                response_of(&program, "read", path).await,
                expected,
                "{roles:?} {scopes:?} {path}"
            );
        }
    }
    assert_eq!(program.get("/read").await.json()["roles"], json!([]));
}

#[test]
fn schema_rejects_misspelt_names() {
    let schema = r#"
        entity Role; entity Tenant;
        entity User in [Role, Tenant] {
            roles: Set<String>, scopes: Set<String>, tenant?: String, attributes: {},
        };
        entity File;
        action "read" appliesTo { principal: User, resource: File };
    "#;
    let good = r#"permit (principal, action == Action::"read", resource)
        when { principal.scopes.contains("read") };"#;
    let policies = Policies::with_schema(good, schema).unwrap();
    let mut ada = Subject::anonymous();
    ada.kind = authlayer::SubjectKind::User;
    ada.id = Some(UserId::new("ada"));
    ada.scopes = vec!["read".to_owned()];
    assert!(policies.is_authorized(&ada, &PolicyRequest::new("read", "File", "1")).is_allowed());
    let misspelt = policies.is_authorized(&ada, &PolicyRequest::new("reed", "File", "1"));
    assert!(!misspelt.is_allowed() && !misspelt.errors.is_empty());
    let wrong = policies.reload(&good.replace("scopes", "scope"));
    assert!(matches!(wrong, Err(PolicyError::Invalid(_))), "{wrong:?}");
    let wrong = Policies::with_schema(good, "entity;");
    assert!(matches!(wrong, Err(PolicyError::Schema(_))), "{wrong:?}");
}
