//! The rules of linking and of verified addresses, which are the same for every provider: each one
//! with an address that it verified, one that it did not, and none, for a new user, for an address
//! of an account, and for the account of a session.

use authlayer::{
    Auth, GitHub, OAuth2, Oidc, Password, PgStore, RateLimits, SqliteStore, UserId, UserStatus,
    crypto::password::{Argon2Params, PasswordHashing},
    flow::{
        oauth2::{OAuth2Endpoints, UserInfoMap},
        oidc::presets,
    },
    store::Store,
    testing::{FakeGitHub, FakeIdp, TestApp, TestClient, TestResponse},
};
use axum::Router;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    oauth2::{self, Server},
    providers::{ORIGIN, SECRET, me, path_of},
    support::{Database, On, PASSWORD, id_of, sign_in, sign_up},
};

/// The statement of a provider about the email address of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    Verified,
    Unverified,
    Absent,
}

/// The account with the address that the provider states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    None,
    /// Its address was verified here.
    Verified,
    /// It was signed up by someone who never verified the address.
    Unverified,
    Disabled,
    /// It is that of another user, and the identity is linked by a session.
    Linking,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    NewUser,
    NewUserWithoutAddress,
    Linked,
    /// It is linked, and the credentials of the account are removed.
    Claimed,
    Rejected(u16, &'static str),
}

/// The use of an address that the provider states.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A user without a verified address is rejected, one without an address is not.
    IfVerified,
    /// GitHub: a user without a verified address is rejected.
    Required,
    /// The provider does not state whether it is verified.
    Never,
}

/// The rules, as the contract states them.
fn expected(used: Use, address: Address, account: Account, auto_link: bool) -> Expected {
    if account == Account::Linking {
        return Expected::Linked;
    }
    match (used, address) {
        (Use::Never, _) | (Use::IfVerified, Address::Absent) => Expected::NewUserWithoutAddress,
        (_, Address::Unverified) | (Use::Required, Address::Absent) => {
            Expected::Rejected(403, "email_not_verified")
        }
        (_, Address::Verified) => match account {
            Account::None => Expected::NewUser,
            _ if !auto_link => Expected::Rejected(409, "account_exists"),
            Account::Verified => Expected::Linked,
            Account::Unverified => Expected::Claimed,
            Account::Disabled | Account::Linking => Expected::Rejected(403, "account_disabled"),
        },
    }
}

/// The path by which the response of a provider reaches the application.
enum Way {
    Query(FakeIdp),
    FormPost(FakeIdp),
    IdToken(FakeIdp),
    GitHub(FakeGitHub),
    /// The user info of the documentation, and the subject in it.
    UserInfo(Value, &'static str),
}

struct Source {
    id: &'static str,
    way: Way,
    used: Use,
}

struct World {
    app: TestApp,
    auth: Auth,
    sources: Vec<Source>,
    server: Server,
    _provider: TestApp,
    auto_link: bool,
}

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

/// A preset for an issuer on loopback.
fn local(preset: &presets::Preset, idp: &FakeIdp) -> Oidc {
    let issuer = idp.issuer().to_owned().leak();
    Oidc::preset(&presets::Preset { issuer, ..*preset }, "client").client_secret(SECRET)
}

impl World {
    async fn new(database: &Database, auto_link: bool) -> Self {
        let url = database.url();
        match url.strip_prefix("sqlite:") {
            Some(path) => Self::over(SqliteStore::open(path).await.unwrap(), auto_link).await,
            None => Self::over(PgStore::connect_with(&url, 4).await.unwrap(), auto_link).await,
        }
    }

    async fn over(store: impl Store, auto_link: bool) -> Self {
        let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 8, t: 1, p: 1 });
        let mut builder = Auth::builder(store)
            .origin(ORIGIN)
            .rate_limits(RateLimits::disabled())
            .flow(Password::new().insecure_scheme(cheap));
        let mut sources = Vec::new();

        let idp = || FakeIdp::start("client", SECRET);
        let (apple, google, gitlab) = (idp().await, idp().await, idp().await);
        let (slack, microsoft, github) =
            (idp().await, idp().await, FakeGitHub::start("app", SECRET).await);
        microsoft.metadata("issuer", format!("{}/{{tenantid}}", microsoft.issuer()));
        microsoft.id_token_claim("tid", TENANT);
        microsoft.id_token_claim("iss", format!("{}/{TENANT}", microsoft.issuer()));
        for flow in [
            local(&presets::APPLE, &apple),
            local(&presets::GOOGLE, &google).id_token_audiences(["phone"]),
            local(&presets::GITLAB, &gitlab),
            local(&presets::SLACK, &slack),
            local(&presets::MICROSOFT, &microsoft).tenants([TENANT]),
        ] {
            builder = builder.flow(flow.auto_link_verified_email(auto_link));
        }
        let hub = GitHub::new("app", SECRET).web_url(github.url()).api_url(github.url());
        builder = builder.flow(hub.auto_link_verified_email(auto_link));
        for (id, way, used) in [
            ("apple", Way::FormPost(apple), Use::IfVerified),
            ("google", Way::Query(google.clone()), Use::IfVerified),
            ("google", Way::IdToken(google), Use::IfVerified),
            ("gitlab", Way::Query(gitlab), Use::IfVerified),
            ("slack", Way::Query(slack), Use::IfVerified),
            ("microsoft", Way::Query(microsoft), Use::IfVerified),
            ("github", Way::GitHub(github), Use::Required),
        ] {
            sources.push(Source { id, way, used });
        }

        let server = Server::default();
        let provider = server.start().await;
        let url = |path: &str| format!("http://{}/{path}", provider.address());
        let endpoints = || OAuth2Endpoints {
            authorization: url("authorize"),
            token: url("token"),
            user_info: url("me"),
        };
        for (preset, info, [subject, email, ..]) in oauth2::recorded() {
            let flow = OAuth2::preset(preset, "app").client_secret("secret").endpoints(endpoints());
            builder = builder.flow(flow.auto_link_verified_email(auto_link));
            let used = if email.is_empty() { Use::Never } else { Use::IfVerified };
            sources.push(Source { id: preset.id(), way: Way::UserInfo(info, subject), used });
        }
        let map = UserInfoMap::new("/id").email("/email", "/verified");
        let acme = OAuth2::new("acme", endpoints(), "app").client_secret("secret").user_info(map);
        builder = builder.flow(acme.auto_link_verified_email(auto_link));
        let info = json!({ "id": "1", "email": "a@example.com", "verified": true });
        sources.push(Source { id: "acme", way: Way::UserInfo(info, "1"), used: Use::IfVerified });

        let auth = builder.build().unwrap();
        let user = async |user: authlayer::AuthUser| axum::Json(user);
        let routes = Router::new().route("/me", axum::routing::get(user));
        let app = TestApp::serve(routes.nest("/auth", auth.router()).layer(auth.layer())).await;
        Self { app, auth, sources, server, _provider: provider, auto_link }
    }

    /// Sets the user of the provider, and returns the response at the callback of a URL.
    async fn callback(&self, source: &Source, client: &TestClient, url: &str) -> TestResponse {
        match &source.way {
            Way::Query(idp) | Way::IdToken(idp) => client.get(&path_of(&idp.authorize(url))).await,
            Way::FormPost(idp) => {
                let url = path_of(&idp.authorize(url));
                let (path, form) = url.split_once('?').unwrap();
                let headers = [("content-type", "application/x-www-form-urlencoded")];
                let posted =
                    self.app.client().send(Method::POST, path, &headers, form.as_bytes()).await;
                client.get(&posted.header("location")).await
            }
            Way::GitHub(github) => client.get(&path_of(&github.authorize(url))).await,
            Way::UserInfo(..) => client.get(&oauth2::callback(url)).await,
        }
    }

    async fn sign_in(&self, source: &Source, client: &TestClient) -> TestResponse {
        let id = source.id;
        if let Way::IdToken(idp) = &source.way {
            let nonce = client.post(&format!("/auth/oauth/{id}/nonce"), json!({})).await.json();
            let nonce = nonce["nonce"].as_str().unwrap();
            let body = json!({ "id_token": idp.id_token(nonce), "nonce": nonce });
            return client.post(&format!("/auth/oauth/{id}/id-token"), body).await;
        }
        let start = client.get(&format!("/auth/oauth/{id}/start")).await;
        assert_eq!(start.status, 303, "{id}: {}", start.json());
        self.callback(source, client, &start.header("location")).await
    }

    async fn link(&self, source: &Source, client: &TestClient) -> TestResponse {
        let begun = client.post(&format!("/auth/oauth/{}/link", source.id), json!({})).await;
        assert_eq!(begun.status, 200, "{}", begun.json());
        let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
        self.callback(source, client, &url).await
    }

    /// Sets the user who signs in at a provider.
    fn set(&self, source: &Source, number: u64, email: &str, address: Address) {
        let claims = match address {
            Address::Verified => (json!(email), json!(true)),
            Address::Unverified => (json!(email), json!(false)),
            Address::Absent => (Value::Null, Value::Null),
        };
        match &source.way {
            Way::Query(idp) | Way::FormPost(idp) | Way::IdToken(idp) => {
                idp.claim("sub", number.to_string());
                idp.claim("email", claims.0);
                idp.claim("email_verified", claims.1);
            }
            Way::GitHub(github) => {
                github.user(json!({ "login": "octocat", "id": number }));
                github.emails(match address {
                    Address::Absent => json!([]),
                    _ => json!([{ "email": email, "primary": true, "verified": claims.1 }]),
                });
            }
            Way::UserInfo(recorded, subject) => {
                let mut info = recorded.clone();
                if !rewrite(&mut info, subject, number, &claims) {
                    // A provider whose documentation has no address might send one.
                    info["email"] = claims.0;
                    info["email_verified"] = claims.1;
                }
                self.server.user(&info);
            }
        }
    }

    async fn case(&self, source: &Source, number: u64, address: Address, account: Account) {
        let about = format!("{} {address:?} {account:?}, link: {}", source.id, self.auto_link);
        let email = format!("user{number}@example.com");
        let owner = self.app.client();
        let mut owner_id = String::new();
        if account != Account::None {
            assert_eq!(sign_up(&owner, &email).await.status, 201, "{about}");
            owner_id = id_of(&owner).await;
        }
        if account == Account::Verified || account == Account::Disabled {
            let id = UserId::new(owner_id.clone());
            let edit = self.auth.users().edit(&id, |user| {
                user.email_verified_at = Some(Timestamp::UNIX_EPOCH);
                if account == Account::Disabled {
                    user.status = UserStatus::Disabled;
                }
            });
            edit.await.unwrap();
        }

        self.set(source, number, &email, address);
        let client = self.app.client();
        let answer = match account {
            Account::Linking => {
                let other = format!("linking{number}@example.com");
                assert_eq!(sign_up(&client, &other).await.status, 201, "{about}");
                self.link(source, &client).await
            }
            _ => self.sign_in(source, &client).await,
        };
        let user = me(&client).await;
        let expected = expected(source.used, address, account, self.auto_link);
        if let Expected::Rejected(status, code) = expected {
            let found = (answer.status.as_u16(), answer.code());
            assert_eq!(found, (status, code.to_owned()), "{about}");
            assert_eq!(user, Value::Null, "{about}");
        } else {
            assert!([200, 303].contains(&answer.status.as_u16()), "{about}: {}", answer.json());
            assert_ne!(user, Value::Null, "{about}");
        }

        let (is_owner, is_verified) = (user["id"] == owner_id, user["email_verified"] == true);
        match expected {
            Expected::NewUser => {
                assert_eq!((&user["email"], is_verified), (&json!(email), true), "{about}");
            }
            Expected::NewUserWithoutAddress => {
                assert_eq!((&user["email"], is_verified), (&Value::Null, false), "{about}");
            }
            Expected::Linked if account == Account::Linking => {
                let own = format!("linking{number}@example.com");
                assert_eq!((&user["email"], is_verified), (&json!(own), false), "{about}");
            }
            Expected::Linked | Expected::Claimed => assert!(is_owner && is_verified, "{about}"),
            Expected::Rejected(..) => {}
        }
        self.assert_account(&owner, &email, account, expected, &about).await;
        if user != Value::Null {
            // A linked identity signs in, whatever the provider states today.
            self.set(source, number, &email, Address::Unverified);
            let again = self.app.client();
            self.sign_in(source, &again).await;
            assert_eq!(me(&again).await["id"], user["id"], "{about}, again");
        }
    }

    /// The account keeps its password, session and identities, unless it was claimed.
    async fn assert_account(
        &self,
        owner: &TestClient,
        email: &str,
        account: Account,
        expected: Expected,
        about: &str,
    ) {
        if matches!(account, Account::None | Account::Disabled) {
            return;
        }
        let by_password = sign_in(&self.app.client(), email, PASSWORD).await;
        if expected == Expected::Claimed {
            assert_eq!(by_password.code(), "invalid_credentials", "{about}");
            assert_eq!(me(owner).await, Value::Null, "{about}");
            return;
        }
        assert_eq!(by_password.status, 200, "{about}");
        let is_linked = expected == Expected::Linked && account == Account::Verified;
        let linked = owner.get("/auth/identities").await.json()["identities"].clone();
        assert_eq!(linked.as_array().unwrap().len(), usize::from(is_linked), "{about}");
        assert_eq!(me(owner).await["email_verified"], account == Account::Verified, "{about}");
    }
}

/// Replaces the subject, the address and the statement about it in a response of the documentation,
/// and returns `false` if it has no address.
fn rewrite(value: &mut Value, subject: &str, number: u64, claims: &(Value, Value)) -> bool {
    let mut has_address = false;
    match value {
        Value::String(text) if text == subject => *value = json!(number.to_string()),
        Value::String(text) if text.contains('@') => {
            *value = claims.0.clone();
            has_address = true;
        }
        Value::Array(all) => {
            for own in all {
                has_address |= rewrite(own, subject, number, claims);
            }
        }
        Value::Object(members) => {
            for (name, own) in members {
                if name.contains("verified") {
                    *own = claims.1.clone();
                } else {
                    has_address |= rewrite(own, subject, number, claims);
                }
            }
        }
        _ => {}
    }
    has_address
}

const ADDRESSES: [Address; 3] = [Address::Verified, Address::Unverified, Address::Absent];
const ACCOUNTS: [Account; 5] =
    [Account::None, Account::Verified, Account::Unverified, Account::Disabled, Account::Linking];

async fn run(on: On) {
    for auto_link in [false, true] {
        let database = Database::fresh(on).await;
        let world = World::new(&database, auto_link).await;
        let cases = ADDRESSES.into_iter().flat_map(|address| ACCOUNTS.map(|own| (address, own)));
        // Without the option, accounts with a verified address are what differs.
        let cases: Vec<_> = { cases }
            .filter(|(address, account)| {
                auto_link || (*address == Address::Verified && *account != Account::Linking)
            })
            .collect();
        let mut number = 0;
        for source in &world.sources {
            for (address, account) in &cases {
                // An ID token of an application is not a link.
                let is_impossible =
                    *account == Account::Linking && matches!(source.way, Way::IdToken(_));
                // The address is not read, whatever is stated about it.
                let is_same = source.used == Use::Never
                    && *address != Address::Verified
                    && *account != Account::None;
                if is_impossible || is_same {
                    continue;
                }
                number += 1;
                world.case(source, number, *address, *account).await;
            }
        }
        drop(world);
        database.remove().await;
    }
}

#[tokio::test]
async fn rules_of_linking_are_those_of_every_provider_sqlite() {
    run(On::Sqlite).await;
}

#[tokio::test]
async fn rules_of_linking_are_those_of_every_provider_postgres() {
    run(On::Postgres).await;
}
