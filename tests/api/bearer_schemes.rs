//! Bearer tokens and account members of a flow outside of the crate, on both databases.

use std::time::Duration;

use authlayer::{
    Auth, AuthError, AuthUser, ConfigError, Flow, Password, PgStore, Registry, RequireUser,
    SqliteStore, UserId,
    services::{
        BearerIdentity, BearerScheme, BearerTokens, CredentialOptions, Credentials, Services,
    },
    store::Store,
    testing::{ManualClock, TestApp, TestClient},
};
use axum::{Json, Router, routing::get};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Database, On, PASSWORD, until};

const BOTH: [On; 2] = [On::Sqlite, On::Postgres];

/// A robot with scopes. A token with the scope `expired` has expired, one with the scope `service`
/// belongs to no user, and one with the scope `broken` cannot be resolved.
#[derive(Clone, Serialize, Deserialize)]
struct Robot {
    scopes: Vec<String>,
}

#[derive(Clone)]
struct RobotService {
    services: Services,
    robots: Credentials<Robot>,
    tokens: BearerTokens,
}

struct Robots;

impl Flow for Robots {
    type Service = RobotService;

    fn name(&self) -> &str {
        "robots"
    }

    fn register(self, registry: &mut Registry) -> Result<RobotService, ConfigError> {
        let options = CredentialOptions::default().counted_as("robots");
        let robots = registry.credentials("robot", options);
        let scheme = Scheme { services: registry.services(), robots: robots.clone() };
        let tokens = registry.bearer("robot_", scheme);
        registry.account_fact("is_named", |account| account.user().display_name.is_some().into());
        Ok(RobotService { services: registry.services(), robots, tokens })
    }
}

struct Scheme {
    services: Services,
    robots: Credentials<Robot>,
}

impl BearerScheme for Scheme {
    async fn resolve(&self, lookup: &str) -> Result<Option<BearerIdentity>, AuthError> {
        assert!(!lookup.contains("robot_"), "a scheme sees no token");
        let Some(robot) = self.robots.find(lookup).await? else { return Ok(None) };
        let scopes = robot.data.scopes.clone();
        if scopes.contains(&"broken".to_owned()) {
            return Err(AuthError::new(authlayer::ErrorKind::Unavailable));
        }
        let identity = match scopes.contains(&"service".to_owned()) {
            true => BearerIdentity::service("vacuum"),
            false => BearerIdentity::user(robot.user_id.clone()).name("R2"),
        };
        let identity = match scopes.contains(&"expired".to_owned()) {
            true => identity.expires_at(self.services.now()?),
            false => identity,
        };
        Ok(Some(identity.scopes(scopes).using(robot.used())))
    }
}

struct Fixture {
    auth: Auth,
    app: TestApp,
    clock: ManualClock,
    database: Database,
}

impl Fixture {
    async fn new(on: On) -> Self {
        let database = Database::fresh(on).await;
        let url = database.url();
        let clock = ManualClock::at("2026-01-01T00:00:00Z");
        let auth = match url.strip_prefix("sqlite:") {
            Some(path) => build(SqliteStore::open(path).await.unwrap(), &clock),
            None => build(PgStore::connect_with(&url, 2).await.unwrap(), &clock),
        };
        let key = async |user: AuthUser| {
            let key = user.api_key().unwrap();
            Json(json!({ "name": key.name, "subject": user.subject() }))
        };
        let app = Router::new()
            .route("/clean", get(key))
            .route_layer(RequireUser::new().scope("clean"))
            .route("/me", get(async |user: AuthUser| Json(user)))
            .nest("/auth", auth.router())
            .layer(auth.layer());
        Self { auth, app: TestApp::serve(app).await, clock, database }
    }

    async fn user(&self) -> (TestClient, UserId) {
        let browser = self.app.client();
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let made = browser.post("/auth/sign-up", &body).await.json();
        let id = UserId::new(made["user"]["id"].as_str().unwrap());
        let grant = |user: &mut authlayer::User| {
            user.scopes.push("clean".to_owned());
            user.roles.push("admin".to_owned());
        };
        self.auth.users().edit(&id, grant).await.unwrap();
        (browser, id)
    }

    async fn token(&self, user: &UserId, scopes: &[&str]) -> String {
        let robots = self.auth.service::<Robots>().unwrap();
        let (token, lookup) = robots.tokens.generate().unwrap();
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        robots.robots.assign(user, &lookup, Robot { scopes }).await.unwrap();
        token.expose().to_owned()
    }

    async fn clean(&self, token: &str) -> authlayer::testing::TestResponse {
        self.app.client().bearer(token).get("/clean").await
    }

    async fn remove(self) {
        drop((self.app, self.auth));
        self.database.remove().await;
    }
}

fn build(store: impl Store, clock: &ManualClock) -> Auth {
    Auth::builder(store)
        .origin("http://localhost:3000")
        .clock(clock.clone())
        .flow(Password::new())
        .flow(Robots)
        .build()
        .unwrap()
}

#[tokio::test]
async fn token_of_a_flow_authenticates_with_its_scopes() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        let (_, ada) = fixture.user().await;
        let token = fixture.token(&ada, &["clean", "fly"]).await;
        assert!(token.starts_with("robot_"), "{token}");
        let answer = fixture.clean(&token).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        let subject = answer.json()["subject"].clone();
        assert_eq!(answer.json()["name"], "R2");
        assert_eq!(subject["id"], ada.as_str());
        assert_eq!(subject["roles"], json!([]), "a token has no roles");
        assert_eq!(subject["scopes"], json!(["clean"]), "a scope that the user does not have");
        assert_eq!(subject["session_id"], Value::Null);

        let client = fixture.app.client().bearer(&token);
        assert_eq!(client.get("/me").await.json()["missing"], json!(["session"]));
        assert_eq!(client.get("/auth/session").await.status, 403);
        let narrow = fixture.token(&ada, &["fly"]).await;
        assert_eq!(fixture.clean(&narrow).await.code(), "forbidden");
        fixture.remove().await;
    }
}

#[tokio::test]
async fn unknown_expired_and_malformed_tokens_authenticate_nobody() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        let (browser, ada) = fixture.user().await;
        let token = fixture.token(&ada, &["clean"]).await;
        let unknown = fixture.auth.service::<Robots>().unwrap().tokens.generate().unwrap().0;
        let expired = fixture.token(&ada, &["clean", "expired"]).await;
        let renamed = token.replace("robot_", "aak_");
        let foreign = token.replace("robot_", "other_");
        let mut typo = token.clone();
        typo.push('x');
        for text in [unknown.expose(), &expired, &renamed, &foreign, &typo, "robot_", "robot"] {
            let answer = fixture.clean(text).await;
            assert_eq!(answer.code(), "unauthenticated", "{text}");
            assert!(answer.header("www-authenticate").contains("invalid_token"), "{text}");
            let both = browser.clone().bearer(text).get("/me").await;
            assert_eq!(both.status, 401, "{text}: a bearer token has priority over a cookie");
        }
        let broken = fixture.token(&ada, &["broken"]).await;
        assert_eq!(fixture.clean(&broken).await.status, 503, "a failure authenticates nobody");
        let service = fixture.token(&ada, &["clean", "service"]).await;
        assert_eq!(fixture.clean(&service).await.json()["subject"]["kind"], "service");

        fixture.auth.users().disable(&ada).await.unwrap();
        assert_eq!(fixture.clean(&token).await.code(), "unauthenticated", "the user is disabled");
        fixture.remove().await;
    }
}

#[tokio::test]
async fn use_of_a_token_is_recorded_once_in_five_minutes() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        let (_, ada) = fixture.user().await;
        let token = fixture.token(&ada, &["clean"]).await;
        let robots = fixture.auth.service::<Robots>().unwrap();
        let last = async || {
            let all = robots.robots.list(&ada).await.unwrap();
            all[0].last_used_at.map(|at| at.to_string())
        };
        assert_eq!(last().await, None);
        let first = robots.services.now().unwrap().to_string();
        fixture.clean(&token).await;
        until("the first use", async || last().await.as_ref() == Some(&first)).await;
        fixture.clock.advance(Duration::from_secs(200));
        fixture.clean(&token).await;
        fixture.clock.advance(Duration::from_secs(200));
        let later = robots.services.now().unwrap().to_string();
        fixture.clean(&token).await;
        until("the second use", async || last().await.as_ref() == Some(&later)).await;
        fixture.remove().await;
    }
}

#[tokio::test]
async fn account_has_the_members_of_flows() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        let (browser, ada) = fixture.user().await;
        let account = browser.get("/auth/account").await.json();
        assert_eq!(json!([account["robots"], account["is_named"]]), json!([0, false]));
        fixture.token(&ada, &["clean"]).await;
        fixture.token(&ada, &["fly"]).await;
        let account = browser.get("/auth/account").await.json();
        assert_eq!(account["robots"], 2);
        assert_eq!(account["has_password"], true, "members of this crate are unchanged");
        fixture.remove().await;
    }
}

/// Registers a name of one space.
struct Registers(&'static str, fn(&mut Registry));

impl Flow for Registers {
    type Service = ();

    fn name(&self) -> &str {
        self.0
    }

    fn register(self, registry: &mut Registry) -> Result<(), ConfigError> {
        (self.1)(registry);
        Ok(())
    }
}

struct Nothing;

impl BearerScheme for Nothing {
    async fn resolve(&self, _: &str) -> Result<Option<BearerIdentity>, AuthError> {
        Ok(None)
    }
}

#[tokio::test]
async fn names_of_flows_are_unique_and_not_reserved() {
    let build = async |one: fn(&mut Registry), two: fn(&mut Registry)| {
        let builder = Auth::builder(SqliteStore::memory().await.unwrap())
            .origin("http://localhost:3000")
            .flow(authlayer::ApiKeys::new())
            .flow(Registers("first", one))
            .flow(Registers("second", two));
        builder.build().map(drop).map_err(|error| error.to_string())
    };
    let robot: fn(&mut Registry) = |registry| {
        registry.bearer("robot_", Nothing);
    };
    let fact: fn(&mut Registry) = |registry| {
        registry.account_fact("robots", |_| 1.into());
    };
    assert_eq!(build(robot, fact).await, Ok(()));
    for (twice, name) in [(robot, "robot_"), (fact, "robots")] {
        let text = build(twice, twice).await.unwrap_err();
        for part in ["first", "second", name] {
            assert!(text.contains(part), "{text} does not name {part}");
        }
    }
    let wrong: [fn(&mut Registry); 5] = [
        |registry| {
            registry.bearer("aak_", Nothing);
        },
        |registry| {
            registry.bearer("aat_", Nothing);
        },
        |registry| {
            registry.bearer("robot", Nothing);
        },
        |registry| {
            registry.bearer("my_robot_", Nothing);
        },
        |registry| {
            registry.account_fact("passkeys", |_| 1.into());
        },
    ];
    for wrong in wrong {
        let text = build(wrong, |_| ()).await.unwrap_err();
        assert!(text.contains("first") && text.contains("reserved"), "{text}");
    }
}
