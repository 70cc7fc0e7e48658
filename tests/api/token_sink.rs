//! Tokens of providers: handed to the application once, stored nowhere else, and revoked when the
//! user is deleted.

use authlayer::{
    Auth, ConfigError, GitHub, OAuth2, Oidc, SqliteStore, TokenSink, UserId,
    flow::{
        LinkedIdentity, ProviderError, ProviderTokens,
        oauth2::{OAuth2Endpoints, UserInfoMap, presets::DISCORD},
    },
    testing::{FakeIdp, Fault, TestApp},
};
use axum::Router;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::{
    ecdsa::SigningKey,
    pkcs8::{EncodePrivateKey, LineEnding},
};
use serde_json::{Value, json};

use crate::{
    authenticator::enroll,
    providers::{ORIGIN, me, path_of, with_providers},
    support::{id_of, until},
};

const REFRESH: &str = "provider-refresh-token";
const JANE: &str = "jane@example.com";

with_providers! {
    async fn tokens_are_handed_to_the_application_once(world: &World) {
        let client = world.client();
        assert_eq!(world.sign_in(&client).await.status, 303);
        let id = me(&client).await["id"].as_str().unwrap().to_owned();
        let all = world.bed.bed.tokens.all();
        assert_eq!(all.len(), 1);
        let (identity, tokens) = &all[0];
        assert_eq!(identity.user_id, UserId::new(id));
        assert_eq!((&*identity.provider, &*identity.subject), ("fake", "248289761001"));
        assert_eq!(identity.issuer, world.idp.issuer());
        assert_eq!(tokens.access_token, "provider-access-token");
        assert_eq!(tokens.refresh_token.as_deref(), Some(REFRESH));
        assert_eq!(tokens.id_token, Some(world.idp.last_id_token()));
        assert_eq!(tokens.expires_in.map(|own| own.as_secs()), Some(300));
        assert_eq!(tokens.scope, None);
        let shown = format!("{tokens:?}");
        assert!(!shown.contains("provider-"), "{shown}");
        let dump = world.bed.dump().await;
        for token in [&tokens.access_token, REFRESH] {
            let has = dump.windows(token.len()).any(|own| own == token.as_bytes());
            assert!(!has, "{token} is in the database");
        }
        assert_eq!(world.github(&world.client()).await.status, 303);
        let all = world.bed.bed.tokens.all();
        let (identity, tokens) = &all[1];
        assert_eq!((all.len(), &*identity.provider), (2, "github"));
        assert!(tokens.refresh_token.is_none() && tokens.scope.is_some());
    }

    async fn links_and_pending_sign_ins_hand_tokens_over(world: &World) {
        let jane = world.bed.browser(JANE).await;
        let id = UserId::new(id_of(&jane).await);
        assert_eq!(world.link(&jane).await.status, 303);
        enroll(&world.bed, &jane).await;
        let client = world.client();
        assert_eq!(world.sign_in(&client).await.status, 303);
        assert!(me(&client).await.is_null(), "the second factor is pending");
        let all = world.bed.bed.tokens.all();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|(identity, _)| identity.user_id == id));
    }

    async fn failed_sign_in_hands_nothing_over(world: &World) {
        for fault in [Fault::SignatureWrong, Fault::NonceOther, Fault::UserInfoSubjectOther] {
            world.idp.fault(fault);
            assert_ne!(world.sign_in(&world.client()).await.status, 303, "{fault:?}");
        }
        world.idp.fault(None);
        world.idp.claim("email_verified", false);
        assert_eq!(world.sign_in(&world.client()).await.status, 403);
        assert!(world.bed.bed.tokens.all().is_empty());
    }

    async fn refresh_token_of_a_deleted_user_is_revoked(world: &World) {
        let jane = world.bed.browser(JANE).await;
        assert_eq!(world.link(&jane).await.status, 303);
        let other = world.client();
        world.idp.claim("sub", "other");
        world.idp.claim("email", "other@example.com");
        assert_eq!(world.sign_in(&other).await.status, 303);
        assert_eq!(world.bed.bed.tokens.all().len(), 2);
        assert_eq!(jane.delete("/auth/account").await.status, 204);
        until("the revocation", async || !world.idp.revoked().is_empty()).await;
        assert_eq!(world.idp.revoked(), [REFRESH]);
        assert_eq!(world.idp.client_auth(), "client_secret_basic");
        let left = world.bed.bed.tokens.all();
        assert_eq!((left.len(), &*left[0].0.subject), (1, "other"));
        assert_eq!(me(&other).await["email"], "other@example.com");
    }

    /// The deletion does not wait for the provider.
    async fn revocation_is_tried_again(world: &World) {
        let client = world.client();
        world.sign_in(&client).await;
        let id = UserId::new(id_of(&client).await);
        world.idp.status("revoke", 503);
        world.bed.bed.auth.users().delete(&id).await.unwrap();
        until("the first attempt", async || world.idp.requests("revoke") == 1).await;
        assert!(world.idp.revoked().is_empty());
        world.idp.status("revoke", 200);
        until("the second attempt", async || !world.idp.revoked().is_empty()).await;
        assert_eq!(world.idp.requests("revoke"), 2);
    }
}

/// A sink that fails, or has a token to revoke.
#[derive(Clone, Copy)]
struct Sink {
    fails: bool,
}

impl TokenSink for Sink {
    async fn store(&self, _: &LinkedIdentity, _: ProviderTokens) -> Result<(), ProviderError> {
        if self.fails { Err(ProviderError::new("the table is locked")) } else { Ok(()) }
    }

    async fn take_refresh_token(
        &self,
        _: &LinkedIdentity,
    ) -> Result<Option<String>, ProviderError> {
        Ok(Some("stored-token".to_owned()))
    }
}

async fn serve(auth: &Auth) -> TestApp {
    let user = async |user: authlayer::AuthUser| axum::Json(user);
    let router = Router::new()
        .route("/me", axum::routing::get(user))
        .nest("/auth", auth.router())
        .layer(auth.layer());
    TestApp::serve(router).await
}

#[tokio::test]
async fn user_is_signed_in_if_the_sink_fails() {
    let idp = FakeIdp::start("client", "secret").await;
    let flow = Oidc::new("fake", idp.issuer(), "client").client_secret("secret");
    let store = SqliteStore::memory().await.unwrap();
    let flow = flow.token_sink(Sink { fails: true });
    let auth = Auth::builder(store).origin(ORIGIN).flow(flow).build().unwrap();
    let app = serve(&auth).await;
    let client = app.client();
    let start = client.get("/auth/oauth/fake/start").await;
    let back = client.get(&path_of(&idp.authorize(&start.header("location")))).await;
    assert_eq!(back.status, 303);
    assert_eq!(client.get("/me").await.status, 200);
}

/// The client secret is signed for the request.
#[tokio::test]
async fn revocation_at_apple_has_a_signed_secret() {
    let idp = FakeIdp::start("com.example.app", "secret").await;
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let key = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
    let store = SqliteStore::memory().await.unwrap();
    let flow = || Oidc::new("apple", idp.issuer(), "com.example.app");
    let build = |flow| Auth::builder(store.clone()).origin(ORIGIN).flow(flow).build().unwrap();
    // The provider on loopback knows a constant secret, so the user signs in with it.
    let before = build(flow().client_secret("secret"));
    let app = serve(&before).await;
    let client = app.client();
    let start = client.get("/auth/oauth/apple/start").await;
    client.get(&path_of(&idp.authorize(&start.header("location")))).await;
    let id = UserId::new(client.get("/me").await.json()["id"].as_str().unwrap());
    let auth = build(flow().apple_key("TEAM", "KEY", key).token_sink(Sink { fails: false }));
    auth.users().delete(&id).await.unwrap();
    until("the revocation", async || idp.requests("revoke") == 1).await;
    assert_eq!(idp.client_auth(), "client_secret_post");
    let secret = idp.client_secret();
    let claims = URL_SAFE_NO_PAD.decode(secret.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("TEAM"), &json!(idp.issuer())));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
}

/// A provider without the endpoint in its metadata, and one without metadata.
#[tokio::test]
async fn revocation_endpoint_can_be_configured() {
    let idp = FakeIdp::start("client", "secret").await;
    idp.metadata("revocation_endpoint", Value::Null);
    let store = SqliteStore::memory().await.unwrap();
    let url = format!("{}/revoke", idp.issuer());
    let flow = Oidc::new("fake", idp.issuer(), "client").client_secret("secret");
    let flow = flow.revocation_url(url).token_sink(Sink { fails: false });
    let auth = Auth::builder(store).origin(ORIGIN).flow(flow).build().unwrap();
    let app = serve(&auth).await;
    let client = app.client();
    let start = client.get("/auth/oauth/fake/start").await;
    client.get(&path_of(&idp.authorize(&start.header("location")))).await;
    let id = UserId::new(client.get("/me").await.json()["id"].as_str().unwrap());
    auth.users().delete(&id).await.unwrap();
    until("the revocation", async || !idp.revoked().is_empty()).await;
    assert_eq!(idp.revoked(), ["stored-token"]);
}

#[tokio::test]
async fn oauth2_tokens_are_revoked_at_the_configured_url() {
    let idp = FakeIdp::start("client", "secret").await;
    let at = |path: &str| format!("{}/{path}", idp.issuer());
    let endpoints = OAuth2Endpoints {
        authorization: at("authorize"),
        token: at("token"),
        user_info: at("userinfo"),
    };
    let flow = OAuth2::new("acme", endpoints, "client")
        .client_secret("secret")
        .user_info(UserInfoMap::new("/sub"))
        .revocation_url(at("revoke"))
        .token_sink(Sink { fails: false });
    let store = SqliteStore::memory().await.unwrap();
    let auth = Auth::builder(store).origin(ORIGIN).flow(flow).build().unwrap();
    let app = serve(&auth).await;
    let client = app.client();
    let start = client.get("/auth/oauth/acme/start").await;
    client.get(&path_of(&idp.authorize(&start.header("location")))).await;
    let id = UserId::new(client.get("/me").await.json()["id"].as_str().unwrap());
    auth.users().delete(&id).await.unwrap();
    until("the revocation", async || !idp.revoked().is_empty()).await;
    assert_eq!(idp.revoked(), ["stored-token"]);
    assert_eq!(idp.client_auth(), "client_secret_basic");
}

#[tokio::test]
async fn revocation_urls_are_checked_at_build() {
    let store = SqliteStore::memory().await.unwrap();
    let builder = || Auth::builder(store.clone()).origin(ORIGIN);
    let plain = "http://id.example.com/revoke";
    let oidc = Oidc::new("a", "https://id.example.com", "client").revocation_url(plain);
    let oauth2 = OAuth2::preset(&DISCORD, "client").revocation_url(plain);
    for built in [builder().flow(oidc).build(), builder().flow(oauth2).build()] {
        let error: ConfigError = built.map(drop).unwrap_err();
        assert!(error.to_string().contains(plain), "{error}");
    }
    let good = GitHub::new("id", "secret").token_sink(Sink { fails: false });
    builder().flow(good).build().unwrap();
}
