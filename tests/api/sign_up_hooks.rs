//! Each hook runs once on every path that creates a user.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use authlayer::{
    AnonymousUsers, Auth, AuthError, AuthHook, Client as AuthClient, ConfigError, Email,
    EmailCodes, EmailSignIn, Factor, Flow, HookError, JsonBody, Oidc, Passkeys, Password, PgStore,
    RateLimits, Registry, SignInOutcome, SqliteStore, User, UserStorage,
    hook::{HookRequest, SignUpDraft},
    model::ClientInfo,
    services::{CredentialOptions, Credentials, NewAccount, Services},
    sqlx::{Database as _, PgConnection, Postgres, Sqlite, SqliteConnection},
    store::{CreatedUser, Db, SqlStore, Store, UserCreatedHook},
    testing::{
        FakeIdp, Mailbox, ManualClock, TestApp, TestClient, TestResponse, VirtualAuthenticator,
    },
    users::NewUser,
};
use axum::{Router, extract::State, routing::post};
use serde_json::{Value, json};

use crate::{
    passkeys::{ORIGIN, begin},
    places::{ACCOUNTS_POSTGRES, ACCOUNTS_SQLITE, accounts},
    providers::path_of,
    support::{Database, On, PASSWORD, until},
};

const CARD: Factor = Factor::custom("hook_card");

/// Records the calls of all hooks.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn add(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }

    /// Returns the calls since the last time.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl AuthHook for Calls {
    async fn before_request(&self, _: &HookRequest<'_>) -> Result<(), HookError> {
        self.add("request");
        Ok(())
    }

    async fn before_sign_up(&self, _: &mut SignUpDraft<'_>) -> Result<(), HookError> {
        self.add("sign_up");
        Ok(())
    }

    async fn before_sign_in(
        &self,
        _: &User,
        factor: Factor,
        _: &ClientInfo,
    ) -> Result<(), HookError> {
        self.add(format!("sign_in {}", factor.as_str()));
        Ok(())
    }
}

macro_rules! created_in {
    ($db:ty, $connection:ty) => {
        impl UserCreatedHook<$db> for Calls {
            async fn user_created(
                &self,
                _: &mut $connection,
                created: &CreatedUser,
            ) -> Result<(), HookError> {
                self.add(format!("created {:?}", created.origin()));
                Ok(())
            }
        }
    };
}

created_in!(Sqlite, SqliteConnection);
created_in!(Postgres, PgConnection);

/// Sign-up with a card, with or without an email address.
struct Cards;

#[derive(Clone)]
struct CardService {
    services: Services,
    cards: Credentials<()>,
}

impl Flow for Cards {
    type Service = CardService;

    fn name(&self) -> &str {
        "hook_cards"
    }

    fn register(self, registry: &mut Registry) -> Result<CardService, ConfigError> {
        let card = CredentialOptions::default().signs_in(true).factor(CARD);
        let cards = registry.credentials("hook_card", card);
        let service = CardService { services: registry.services(), cards };
        registry.routes(&service, [("/cards/sign-up", post(sign_up_by_card))]);
        Ok(service)
    }
}

async fn sign_up_by_card(
    State(own): State<CardService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let email = body["email"].as_str().unwrap();
    let user = NewUser::with_email(Email::parse(email).unwrap());
    let account = NewAccount::new(user).credential(&own.cards, email, ());
    own.services.sign_in().sign_up(&client, account).await
}

/// An application with two configurations on one store.
struct World {
    calls: Calls,
    clock: ManualClock,
    mailbox: Mailbox,
    idp: FakeIdp,
    auth: Auth,
    app: TestApp,
    /// Verifies email addresses at sign-up.
    verifying: TestApp,
}

impl World {
    async fn new<DB: Db>(store: SqlStore<DB>, database: &Database, is_mapped: bool) -> Self
    where
        SqlStore<DB>: Store,
        Calls: UserCreatedHook<DB>,
    {
        let calls = Calls::default();
        let store = store.on_user_created(calls.clone());
        if is_mapped {
            let is_sqlite = DB::NAME == Sqlite::NAME;
            database.run(if is_sqlite { ACCOUNTS_SQLITE } else { ACCOUNTS_POSTGRES }).await;
        }
        let mailbox = Mailbox::default();
        let idp = FakeIdp::start("client", "secret").await;
        let clock = ManualClock::running();
        idp.clock(clock.clone());
        let build = async |verifies: bool| {
            let users = match is_mapped {
                true => UserStorage::mapped(&store, accounts()).await.unwrap(),
                false => UserStorage::managed(),
            };
            let idp = Oidc::new("fake", idp.issuer(), "client").client_secret("secret");
            Auth::builder(store.clone())
                .origin(ORIGIN)
                .users(users)
                .clock(clock.clone())
                .max_clock_skew(None)
                .hook(calls.clone())
                .mailer(mailbox.clone())
                .rate_limits(RateLimits::disabled())
                .flow(Password::new())
                .flow(AnonymousUsers::new())
                .flow(EmailCodes::new().verify_email_on_sign_up(verifies))
                .flow(EmailSignIn::new().allow_sign_up(true))
                .flow(Passkeys::new("Test").allow_sign_up(true))
                .flow(idp.allow_sign_up(true))
                .flow(Cards)
                .build()
                .unwrap()
        };
        let serve = |auth: &Auth| Router::new().nest("/auth", auth.router()).layer(auth.layer());
        let auth = build(false).await;
        let app = TestApp::serve(serve(&auth)).await;
        let verifying = TestApp::serve(serve(&build(true).await)).await;
        Self { calls, clock, mailbox, idp, auth, app, verifying }
    }

    /// Answers the challenge of a response with the code of the last message.
    async fn verify(&self, client: &TestClient, begun: &TestResponse, email: &str) -> TestResponse {
        assert_eq!(begun.status, 202, "{}", begun.json());
        until("the code", async || !self.mailbox.to(email).is_empty()).await;
        let code = self.mailbox.to(email).last().unwrap().code.clone().unwrap();
        let body = json!({ "challenge": begun.json()["challenge"], "code": code });
        client.post("/auth/verify", &body).await
    }

    async fn anonymous(&self, app: &TestApp) -> (TestClient, Value) {
        let client = app.client();
        let begun = client.post("/auth/anonymous", &json!({})).await;
        assert_eq!(begun.status, 201, "{}", begun.json());
        let id = begun.json()["user"]["id"].clone();
        (client, id)
    }

    /// Runs a path that creates a user, and returns the last response.
    async fn run(&self, path: &str) -> TestResponse {
        self.clock.advance(Duration::from_secs(60));
        let email = &*format!("{}@example.com", path.replace(' ', "-"));
        let body = json!({ "email": email, "password": PASSWORD });
        let client = self.app.client();
        match path {
            "password" => client.post("/auth/sign-up", &body).await,
            "password and code" => {
                let client = self.verifying.client();
                let begun = client.post("/auth/sign-up", &body).await;
                self.verify(&client, &begun, email).await
            }
            "anonymous" => client.post("/auth/anonymous", &json!({})).await,
            "upgrade" => {
                let (client, id) = self.anonymous(&self.app).await;
                self.calls.take();
                let done = client.post("/auth/sign-up", &body).await;
                assert_eq!(done.json()["user"]["id"], id, "{path}");
                done
            }
            "passkey" => {
                let begun = begin(&client, "sign-up", &body).await;
                let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
                let body = json!({ "challenge": begun["challenge"], "credential": credential });
                client.post("/auth/passkeys/sign-up/finish", &body).await
            }
            "email" => {
                let begun = client.post("/auth/email-sign-in", &body).await;
                self.verify(&client, &begun, email).await
            }
            "email of an account since" => {
                let begun = client.post("/auth/email-sign-in", &body).await;
                let other = self.app.client();
                assert_eq!(other.post("/auth/sign-up", &body).await.status, 201);
                self.calls.take();
                self.verify(&client, &begun, email).await
            }
            "provider" => {
                let start = client.get("/auth/oauth/fake/start").await;
                let url = path_of(&self.idp.authorize(&start.header("location")));
                client.get(&url).await
            }
            "card" => client.post("/auth/cards/sign-up", &body).await,
            "card and code" => {
                let client = self.verifying.client();
                let begun = client.post("/auth/cards/sign-up", &body).await;
                let users = self.auth.users();
                assert!(users.find_by_email(email).await.unwrap().is_none(), "{path}");
                self.verify(&client, &begun, email).await
            }
            "upgrade by card and code" => {
                let (client, id) = self.anonymous(&self.verifying).await;
                self.calls.take();
                let begun = client.post("/auth/cards/sign-up", &body).await;
                let done = self.verify(&client, &begun, email).await;
                assert_eq!(done.json()["user"]["id"], id, "{path}");
                done
            }
            _ => panic!("{path}"),
        }
    }
}

/// Each path with the hooks that it runs, other than those before requests.
const PATHS: [(&str, &[&str]); 11] = [
    ("password", &["sign_up", "sign_in password", "created SignUp"]),
    ("password and code", &["sign_up", "sign_in password", "created SignUp"]),
    // No factor is verified.
    ("anonymous", &["sign_up", "created Anonymous"]),
    ("upgrade", &["sign_up", "sign_in password", "created AnonymousUpgrade"]),
    ("passkey", &["sign_up", "sign_in passkey", "created SignUp"]),
    ("email", &["sign_up", "sign_in email_code", "created SignUp"]),
    // The account is signed in and claimed.
    ("email of an account since", &["sign_in email_code", "created Claim"]),
    ("provider", &["sign_up", "created SignUp", "sign_in provider"]),
    ("card", &["sign_up", "sign_in hook_card", "created SignUp"]),
    ("card and code", &["sign_up", "sign_in hook_card", "created SignUp"]),
    ("upgrade by card and code", &["sign_up", "sign_in hook_card", "created AnonymousUpgrade"]),
];

async fn every_path(world: World, on: &str) {
    for (path, hooks) in PATHS {
        world.calls.take();
        let done = world.run(path).await;
        let is_done = done.status.is_success() || done.status.is_redirection();
        assert!(is_done, "{path} on {on}: {}", done.json());
        let calls = world.calls.take();
        let own: Vec<_> = calls.iter().filter(|call| *call != "request").collect();
        assert_eq!(own, hooks, "{path} on {on}");
        // A path has at most two requests that this hook runs for.
        assert!(calls.len() - own.len() <= 2, "{path} on {on}: {calls:?}");
    }
}

#[tokio::test]
async fn hooks_run_once_on_every_path_that_creates_a_user() {
    for is_mapped in [false, true] {
        for on in [On::Sqlite, On::Postgres] {
            let database = Database::fresh(on).await;
            let url = database.url();
            let name = format!("{on:?}, mapped: {is_mapped}");
            match url.strip_prefix("sqlite:") {
                Some(path) => {
                    let store = SqliteStore::open(path).await.unwrap();
                    every_path(World::new(store, &database, is_mapped).await, &name).await;
                }
                None => {
                    let store = PgStore::connect_with(&url, 2).await.unwrap();
                    every_path(World::new(store, &database, is_mapped).await, &name).await;
                }
            }
            database.remove().await;
        }
    }
}
