//! Sign-in with OAuth 2.0 providers that are not OpenID providers, and the presets for them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use authlayer::{
    Auth, ConfigError, OAuth2, SqliteStore,
    flow::oauth2::{OAuth2Endpoints, Preset, UserInfoMap, presets},
    testing::{TestApp, TestClient, TestResponse},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    providers::{me, path_of},
    support::{Bed, On, tests_on},
};

/// The next responses of a provider, and the requests that it received.
#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    tokens: VecDeque<Response>,
    user_info: VecDeque<Response>,
    token_requests: Vec<(HeaderMap, String)>,
    user_info_requests: Vec<HeaderMap>,
}

impl Server {
    pub(crate) async fn start(&self) -> TestApp {
        let token = async |State(server): State<Self>, headers: HeaderMap, body: String| {
            let mut inner = server.0.lock().unwrap();
            inner.token_requests.push((headers, body));
            inner.tokens.pop_front().unwrap_or_else(|| StatusCode::BAD_REQUEST.into_response())
        };
        let user_info = async |State(server): State<Self>, headers: HeaderMap| {
            let mut inner = server.0.lock().unwrap();
            inner.user_info_requests.push(headers);
            inner.user_info.pop_front().unwrap_or_else(|| StatusCode::UNAUTHORIZED.into_response())
        };
        let routes = Router::new().route("/token", post(token)).route("/me", get(user_info));
        TestApp::serve(routes.with_state(self.clone())).await
    }

    fn token(&self, response: impl IntoResponse) {
        self.0.lock().unwrap().tokens.push_back(response.into_response());
    }

    pub(crate) fn user(&self, info: &Value) {
        self.user_text(&info.to_string());
    }

    /// Returns this text for a valid token.
    fn user_text(&self, info: &str) {
        self.token(TOKEN);
        self.0.lock().unwrap().user_info.push_back(info.to_owned().into_response());
    }

    /// Returns the headers and the form of the last token request.
    fn last_token_request(&self) -> (HeaderMap, HashMap<String, String>) {
        let (headers, body) = self.0.lock().unwrap().token_requests.last().unwrap().clone();
        (headers, form_urlencoded::parse(body.as_bytes()).into_owned().collect())
    }

    fn user_info_requests(&self) -> usize {
        self.0.lock().unwrap().user_info_requests.len()
    }
}

const TOKEN: &str = r#"{"access_token":"t","token_type":"bearer","expires_in":"3600"}"#;

struct World {
    bed: Bed,
    server: Server,
    _provider: TestApp,
}

impl World {
    async fn new(on: On, map: Value) -> Self {
        let server = Server::default();
        let provider = server.start().await;
        let url = format!("http://{}", provider.address());
        let config = json!({
            "oauth2": [{
                "id": "acme", "authorize_url": format!("{url}/authorize?tenant=a"),
                "token_url": format!("{url}/token"), "user_info_url": format!("{url}/me"),
                "client_id": "app", "client_secret": "s:e%c", "map": map,
            }],
        });
        Self { bed: Bed::new(on, config).await, server, _provider: provider }
    }

    /// Starts a sign-in and returns the path of its callback.
    async fn to_callback(&self, client: &TestClient) -> String {
        let start = client.get("/auth/oauth/acme/start").await;
        assert_eq!(start.status, 303, "{}", start.json());
        callback(&start.header("location"))
    }

    async fn sign_in(&self, client: &TestClient) -> TestResponse {
        client.get(&self.to_callback(client).await).await
    }
}

fn full_map() -> Value {
    json!({
        "subject": "/id", "email": "/email", "email_verified": "/verified", "name": "/name",
        "picture": "/avatar",
    })
}

fn parameters(url: &str) -> HashMap<String, String> {
    reqwest::Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

pub(crate) fn callback(authorization_url: &str) -> String {
    let asked = parameters(authorization_url);
    format!("{}?code=c0de&state={}", path_of(&asked["redirect_uri"]), asked["state"])
}

/// Writes each test once and runs it on every store.
macro_rules! on_every_store {
    ($(async fn $name:ident($world:ident: &World) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn on(store: On) {
                let world = World::new(store, full_map()).await;
                run(&world).await;
                world.bed.remove().await;
            }

            async fn run($world: &World) $body

            tests_on! {
                [
                    sqlite: Sqlite, sqlite_with_one_connection: SqliteOne,
                    postgres: Postgres, postgres_with_one_connection: PostgresOne,
                    sqlite_mapped: SqliteMapped, postgres_mapped: PostgresMapped,
                    sqlite_custom: SqliteCustom, postgres_custom: PostgresCustom
                ]
            }
        }
    )*};
}

on_every_store! {
    async fn sign_in_and_return_by_the_subject_succeeds(world: &World) {
        let client = world.bed.client();
        let start = client.get("/auth/oauth/acme/start").await;
        let url = start.header("location");
        let asked = parameters(&url);
        assert_eq!(asked["response_type"], "code");
        assert_eq!((&*asked["client_id"], &*asked["tenant"]), ("app", "a"));
        assert!(!asked.contains_key("scope") && !asked.contains_key("nonce"));
        world.server.user(&json!({
            "id": u64::MAX, "email": "ada@example.com", "verified": true, "name": "Ada",
            "avatar": "https://img.example.com/ada.png",
        }));
        let landed = client.get(&callback(&url)).await;
        assert_eq!((landed.status.as_u16(), &*landed.header("location")), (303, "/"));
        let ada = me(&client).await;
        assert_eq!(ada["email"], "ada@example.com");
        assert_eq!(ada["email_verified"], true);
        assert_eq!(ada["display_name"], "Ada");
        assert_eq!(ada["avatar_url"], "https://img.example.com/ada.png");
        let linked = client.get("/auth/identities").await.json()["identities"][0].clone();
        assert_eq!(linked["provider"], "acme");
        assert_eq!(linked["subject"], "18446744073709551615");

        let (headers, form) = world.server.last_token_request();
        let secret = format!("Basic {}", STANDARD.encode("app:s%3Ae%25c"));
        assert_eq!(headers[header::AUTHORIZATION], secret.as_str());
        assert_eq!(form["grant_type"], "authorization_code");
        assert_eq!(form["code"], "c0de");
        assert_eq!(form["redirect_uri"], asked["redirect_uri"]);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        assert_eq!(asked["code_challenge"], challenge, "RFC 7636 §4.6");
        assert!(!form.contains_key("client_secret"));

        // An address that is another one or none today changes nothing for a known identity.
        for info in [
            json!({ "id": u64::MAX, "email": "new@example.com", "verified": false }),
            json!({ "id": u64::MAX }),
            json!({ "id": "18446744073709551615" }),
        ] {
            let other = world.bed.client();
            world.server.user(&info);
            assert_eq!(world.sign_in(&other).await.status, 303, "{info}");
            assert_eq!(me(&other).await["id"], ada["id"], "{info}");
        }
    }

    async fn newcomer_needs_a_verified_address_or_none(world: &World) {
        for verified in [json!(false), json!(null), json!("true"), json!(1)] {
            let client = world.bed.client();
            world.server.user(&json!({ "id": 1, "email": "a@example.com", "verified": verified }));
            let refused = world.sign_in(&client).await;
            assert_eq!((refused.status.as_u16(), &*refused.code()), (403, "email_not_verified"));
            assert_eq!(me(&client).await, Value::Null);
        }
        for (id, email) in [(2, json!(null)), (3, json!("")), (4, json!(["a@example.com"]))] {
            let client = world.bed.client();
            world.server.user(&json!({ "id": id, "email": email, "verified": true }));
            assert_eq!(world.sign_in(&client).await.status, 303, "{email}");
            assert_eq!(me(&client).await["email"], Value::Null, "{email}");
        }
    }

    async fn other_subjects_are_provider_errors(world: &World) {
        for text in [
            r#"{"id":null}"#, r#"{"id":""}"#, r#"{"id":1.0}"#, r#"{"id":1e3}"#, r#"{"id":true}"#,
            r#"{"id":18446744073709551616}"#, r#"{"id":-9223372036854775809}"#, "{}", "[]", "1", "",
        ] {
            let client = world.bed.client();
            world.server.user_text(text);
            let refused = world.sign_in(&client).await;
            assert_eq!((refused.status.as_u16(), &*refused.code()), (502, "provider_error"), "{text}");
            assert_eq!(me(&client).await, Value::Null, "{text}");
        }
        let client = world.bed.client();
        world.server.user_text(r#"{"id":-9223372036854775808}"#);
        assert_eq!(world.sign_in(&client).await.status, 303);
    }

    async fn token_responses_of_several_forms_are_read(world: &World) {
        let html = [(header::CONTENT_TYPE, "text/html")];
        let json = [(header::CONTENT_TYPE, "application/json")];
        let created = StatusCode::CREATED;
        for (id, token) in [
            (html, TOKEN).into_response(),
            (json, "access_token=t&token_type=Bearer&expires_in=x").into_response(),
            (created, r#"{"access_token":"t"}"#).into_response(),
            r#"{"access_token":"t","token_type":null,"expires_in":{}}"#.into_response(),
        ].into_iter().enumerate() {
            let client = world.bed.client();
            world.server.token(token);
            world.server.0.lock().unwrap().user_info.push_back(
                json!({ "id": id }).to_string().into_response()
            );
            assert_eq!(world.sign_in(&client).await.status, 303, "{id}");
        }
        let asked = world.server.user_info_requests();
        let moved = (StatusCode::FOUND, [(header::LOCATION, "/token")], TOKEN);
        for token in [
            r#"{"access_token":"t","token_type":"mac"}"#.into_response(),
            r#"{"access_token":"t","error":"invalid_grant"}"#.into_response(),
            r#"{"access_token":""}"#.into_response(),
            "error=bad_verification_code".into_response(),
            (StatusCode::ACCEPTED, TOKEN).into_response(),
            (StatusCode::BAD_REQUEST, TOKEN).into_response(),
            moved.into_response(),
        ] {
            let client = world.bed.client();
            world.server.token(token);
            assert_eq!(world.sign_in(&client).await.code(), "provider_error");
        }
        assert_eq!(world.server.user_info_requests(), asked, "no token, no further request");
    }

    async fn callback_is_bound_to_browser_state_and_issuer(world: &World) {
        let (client, attacker) = (world.bed.client(), world.bed.client());
        let callback = world.to_callback(&client).await;
        assert_eq!(attacker.get(&callback).await.code(), "invalid_state");
        let mixed_up = client.get(&format!("{callback}&iss=https://evil.example.com")).await;
        assert_eq!(mixed_up.code(), "invalid_state");
        assert!(world.server.0.lock().unwrap().token_requests.is_empty(), "no code was sent");
        world.server.user(&json!({ "id": 1 }));
        let callback = world.to_callback(&client).await;
        assert_eq!(client.get(&callback).await.status, 303);
        assert_eq!(client.get(&callback).await.code(), "invalid_state", "once");
        let denied = world.to_callback(&client).await.replace("code=c0de", "error=access_denied");
        assert_eq!(client.get(&denied).await.code(), "provider_denied");
    }

    async fn identity_is_linked_and_unlinked(world: &World) {
        let client = world.bed.browser("ada@example.com").await;
        let begun = client.post("/auth/oauth/acme/link", json!({ "redirect_to": "/done" })).await;
        assert_eq!(begun.status, 200, "{}", begun.json());
        let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
        world.server.user(&json!({ "id": 7, "email": "other@example.com", "verified": false }));
        assert_eq!(client.get(&callback(&url)).await.header("location"), "/done");
        let step_up = client.post("/auth/oauth/acme/step-up", json!({})).await;
        assert_eq!(step_up.status, 404, "it proves no time");
        let linked = client.get("/auth/identities").await.json()["identities"][0].clone();
        let other = world.bed.client();
        world.server.user(&json!({ "id": 7 }));
        assert_eq!(world.sign_in(&other).await.status, 303);
        assert_eq!(me(&other).await["email"], "ada@example.com");
        let path = format!("/auth/identities/{}", linked["id"].as_str().unwrap());
        assert_eq!(client.delete(&path).await.status, 204);
        assert_eq!(me(&other).await, Value::Null, "its session ended");
    }
}

#[tokio::test]
async fn address_without_a_member_that_states_it_is_not_used() {
    for on in [On::Sqlite, On::Postgres] {
        let world = World::new(on, json!({ "subject": "/id", "email": "/email" })).await;
        let owner = world.bed.browser("ada@example.com").await;
        let client = world.bed.client();
        world.server.user(&json!({ "id": 1, "email": "ada@example.com", "verified": true }));
        assert_eq!(world.sign_in(&client).await.status, 303);
        let stranger = me(&client).await;
        assert_eq!(stranger["email"], Value::Null);
        assert_ne!(stranger["id"], me(&owner).await["id"]);
        world.bed.remove().await;
    }
}

/// Signs in with a preset whose endpoints are local, and returns the user, the identity and the
/// headers of the two requests.
async fn sign_in_with(preset: &Preset, user_info: Value) -> (Value, Value, Server) {
    let server = Server::default();
    let provider = server.start().await;
    let url = format!("http://{}", provider.address());
    let flow = OAuth2::preset(preset, "app").client_secret("secret").endpoints(OAuth2Endpoints {
        authorization: format!("{url}/authorize"),
        token: format!("{url}/token"),
        user_info: format!("{url}/me"),
    });
    let store = SqliteStore::memory().await.unwrap();
    let auth = Auth::builder(store).origin("http://localhost:3000").flow(flow).build().unwrap();
    let user = async |user: authlayer::AuthUser| axum::Json(user);
    let routes = Router::new().route("/me", get(user)).nest("/auth", auth.router());
    let app = TestApp::serve(routes.layer(auth.layer())).await;
    let client = app.client();
    let start = client.get(&format!("/auth/oauth/{}/start", preset.id())).await;
    let location = start.header("location");
    let scope = parameters(&location).remove("scope").unwrap_or_default();
    assert_eq!(scope, preset.scopes().join(" "));
    server.user(&user_info);
    let landed = client.get(&callback(&location)).await;
    assert_eq!(landed.status, 303, "{}: {}", preset.id(), landed.json());
    let identity = client.get("/auth/identities").await.json()["identities"][0].clone();
    (me(&client).await, identity, server)
}

/// A preset, the user info of the provider's documentation without members that are not read, and
/// the subject, the email address, the name and the picture that are taken over.
pub(crate) type Recorded = (&'static Preset, Value, [&'static str; 4]);

pub(crate) fn recorded() -> Vec<Recorded> {
    vec![
        (
            &presets::DISCORD,
            json!({ "id": "80351110224678912", "username": "nelly", "discriminator": "1337",
                "avatar": "8342729096ea3675442027381ff50dfe", "global_name": "Nelly",
                "verified": true, "email": "nelly@discord.com" }),
            ["80351110224678912", "nelly@discord.com", "Nelly", ""],
        ),
        (
            &presets::FACEBOOK,
            json!({ "id": "10150000000000001", "name": "Ada Lovelace",
                "picture": { "data": { "url": "https://scontent.example/ada.jpg",
                    "is_silhouette": false } } }),
            ["10150000000000001", "", "Ada Lovelace", "https://scontent.example/ada.jpg"],
        ),
        (
            &presets::FIGMA,
            json!({ "id": "2832813", "email": "johndoe@example.com", "handle": "John Doe",
                "img_url": "https://www.example.com/image.png" }),
            ["2832813", "", "John Doe", "https://www.example.com/image.png"],
        ),
        (
            &presets::LINKEDIN,
            json!({ "sub": "782bbtaQ", "name": "John Doe", "given_name": "John",
                "family_name": "Doe", "picture": "https://media.licdn-ei.com/dms/image/C5F03AQ",
                "locale": "en-US", "email": "doe@email.com", "email_verified": true }),
            [
                "782bbtaQ",
                "doe@email.com",
                "John Doe",
                "https://media.licdn-ei.com/dms/image/C5F03AQ",
            ],
        ),
        (
            &presets::NOTION,
            json!({ "object": "user", "id": "16d84278-ab0e-484c-9bdd-b35da3bd8905",
                "name": "pied piper", "type": "bot", "bot": { "owner": { "type": "user", "user": {
                    "object": "user", "id": "5389a034-eb5c-47b5-8a9e-f79c99ef166c",
                    "name": "christine makenotion", "avatar_url": null, "type": "person",
                    "person": { "email": "christine@makenotion.com" } } } } }),
            ["5389a034-eb5c-47b5-8a9e-f79c99ef166c", "", "christine makenotion", ""],
        ),
        (
            &presets::REDDIT,
            json!({ "id": "1w72", "name": "spez", "has_verified_email": true, "icon_img": "" }),
            ["1w72", "", "spez", ""],
        ),
        (
            &presets::SPOTIFY,
            json!({ "id": "smedjan", "display_name": "Smedjan", "type": "user",
                "email": "smedjan@example.com",
                "images": [{ "url": "https://i.scdn.co/image/ab67616d00001e02", "height": 300 }] }),
            ["smedjan", "", "Smedjan", "https://i.scdn.co/image/ab67616d00001e02"],
        ),
        (
            &presets::TWITCH,
            json!({ "data": [{ "id": "141981764", "login": "twitchdev",
                "display_name": "TwitchDev", "type": "", "broadcaster_type": "partner",
                "profile_image_url": "https://static-cdn.jtvnw.net/jtv_user_pictures/8a6381c7.png",
                "view_count": 5980557, "email": "not-real@email.com" }] }),
            [
                "141981764",
                "",
                "TwitchDev",
                "https://static-cdn.jtvnw.net/jtv_user_pictures/8a6381c7.png",
            ],
        ),
        (
            &presets::X,
            json!({ "data": { "id": "2244994945", "name": "X Dev", "username": "TwitterDev",
                "profile_image_url": "https://pbs.twimg.com/profile_images/1/x_normal.jpg" } }),
            ["2244994945", "", "X Dev", "https://pbs.twimg.com/profile_images/1/x_normal.jpg"],
        ),
    ]
}

#[tokio::test]
async fn presets_read_the_documented_responses() {
    for (preset, info, expected) in recorded() {
        let (user, identity, _server) = sign_in_with(preset, info).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found =
            [&identity["subject"], &user["email"], &user["display_name"], &user["avatar_url"]];
        assert_eq!(found.map(text), expected, "{}", preset.id());
        assert_eq!(identity["provider"], preset.id());
    }
}

#[tokio::test]
async fn requests_of_presets_have_the_documented_form() {
    let (_, _, server) = sign_in_with(&presets::TWITCH, json!({ "data": [{ "id": "1" }] })).await;
    let (headers, form) = server.last_token_request();
    assert!(!headers.contains_key(header::AUTHORIZATION));
    assert_eq!([&*form["client_id"], &*form["client_secret"]], ["app", "secret"]);
    let asked = server.0.lock().unwrap().user_info_requests[0].clone();
    assert_eq!(asked["client-id"], "app");
    assert_eq!(asked[header::AUTHORIZATION], "Bearer t");
    assert!(!asked[header::USER_AGENT].is_empty(), "Reddit requires it");

    let (_, _, server) = sign_in_with(&presets::LINKEDIN, json!({ "sub": "1" })).await;
    assert!(!server.last_token_request().1.contains_key("code_verifier"));

    let info = json!({ "bot": { "owner": { "user": { "id": "1" } } } });
    let (_, _, server) = sign_in_with(&presets::NOTION, info).await;
    let (headers, body) = server.0.lock().unwrap().token_requests[0].clone();
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(headers["notion-version"], "2022-06-28");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["grant_type"], "authorization_code");
    assert_eq!(body["code"], "c0de");
    assert!(headers.contains_key(header::AUTHORIZATION), "client_secret_basic");
}

#[tokio::test]
async fn invalid_options_are_reported_at_build() {
    let store = SqliteStore::memory().await.unwrap();
    let build = |change: fn(OAuth2) -> OAuth2| {
        let endpoints = OAuth2Endpoints {
            authorization: "https://id.acme.example/authorize".to_owned(),
            token: "https://id.acme.example/token".to_owned(),
            user_info: "https://id.acme.example/me".to_owned(),
        };
        let flow = change(OAuth2::new("acme", endpoints, "app"));
        let auth = Auth::builder(store.clone()).origin("http://localhost:3000").flow(flow).build();
        auth.map(drop).map_err(|error: ConfigError| error.to_string())
    };
    assert_eq!(build(|flow| flow), Ok(()));
    for (change, says) in [
        ((|flow| flow.user_info(UserInfoMap::new("id"))) as fn(OAuth2) -> OAuth2, "JSON pointer"),
        (
            |flow| flow.user_info(UserInfoMap::new("/id").email("/email", "verified")),
            "JSON pointer",
        ),
        (|flow| flow.client_secret(""), "empty"),
        (|flow| flow.auth_param("state", "x"), "must not set state"),
        (
            |flow| {
                flow.endpoints(OAuth2Endpoints {
                    authorization: "http://id.acme.example/authorize".to_owned(),
                    token: "https://id.acme.example/token".to_owned(),
                    user_info: "https://id.acme.example/me".to_owned(),
                })
            },
            "must be https",
        ),
    ] {
        let error = build(change).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
