//! Invalid configurations are reported by `build`, or in the log.

use std::time::Duration;

use authlayer::{
    Auth, AuthUser, ConfigError, GitHub, Oidc, Passkeys, Password, RequireUser, SessionOptions,
    SqliteStore,
    crypto::password::{Argon2Params, PasswordHashing, PasswordPolicy},
    testing::TestApp,
};
use axum::{Router, routing::get};

const ORIGIN: &str = "https://app.example.com";

async fn config_error(
    build: impl FnOnce(authlayer::AuthBuilder) -> authlayer::AuthBuilder,
) -> String {
    let builder = Auth::builder(SqliteStore::memory().await.unwrap());
    build(builder).build().err().map(|error| error.to_string()).unwrap_or_default()
}

/// CK-09, CR-01, CR-02, PW-01
#[tokio::test]
async fn invalid_configuration_is_rejected_with_its_reason() {
    let weak = PasswordHashing::argon2id_with(Argon2Params { m_kib: 1024, t: 1, p: 1 });
    let short = PasswordPolicy::new().with_min_length(7);
    let hours = Duration::from_secs(3600);
    let swapped = SessionOptions::default().access_ttl(hours * 2).refresh_ttl(hours);
    let endless = SessionOptions::default().refresh_ttl(hours * 24 * 401);
    let none = SessionOptions::default().access_ttl(Duration::ZERO);
    assert_eq!(config_error(|b| b.origin(ORIGIN).flow(Password::new())).await, "");
    assert!(config_error(|b| b).await.contains("origin"));
    assert!(config_error(|b| b.origin("http://app.example.com")).await.contains("https"));
    assert!(config_error(|b| b.origin(ORIGIN).origin("http://localhost")).await.contains("scheme"));
    assert!(config_error(|b| b.origin(ORIGIN).session_options(swapped)).await.contains("outlive"));
    assert!(config_error(|b| b.origin(ORIGIN).session_options(endless)).await.contains("400 days"));
    assert!(config_error(|b| b.origin(ORIGIN).session_options(none)).await.contains("one second"));
    assert!(config_error(|b| b.origin(ORIGIN).trusted_proxy("10/8")).await.contains("10.0.0.0/8"));
    assert!(
        config_error(|b| b.origin(ORIGIN).cleanup_interval(Duration::ZERO))
            .await
            .contains("second")
    );
    for (flow, word) in [
        (Password::new().scheme(weak), "floor"),
        (Password::new().scheme(PasswordHashing::pbkdf2_sha256_with(1000)), "floor"),
        (Password::new().policy(short), "between 8 and 128"),
        (Password::new().hash_threads(0), "worker"),
    ] {
        let said = config_error(|b| b.origin(ORIGIN).flow(flow)).await;
        assert!(said.starts_with("password: ") && said.contains(word), "{said}");
    }
}

/// D9, D12, OA-10, OA-11, OA-12, OA-14, OA-34
#[tokio::test]
async fn invalid_provider_is_rejected_with_its_reason() {
    let corp = |issuer: &str| Oidc::new("corp", issuer, "client").client_secret("secret");
    let good = || corp("https://login.example.com");
    assert_eq!(config_error(|b| b.origin(ORIGIN).flow(good())).await, "");
    for (flow, word) in [
        (good().client_secret(""), "empty"),
        (corp("http://login.example.com"), "https"),
        (corp("http://169.254.169.254"), "https"),
        (corp("https://login.microsoftonline.com/common/v2.0"), "name one"),
        (corp("https://login.microsoftonline.com/{tenantid}/v2.0"), "name one"),
        (good().algorithms([]), "algorithm"),
        (good().auth_param("nonce", "x"), "nonce"),
        (good().auth_param("redirect_uri", "x"), "redirect_uri"),
        (Oidc::new("Corp", "https://login.example.com", "client"), "a-z"),
        (Oidc::new("exchange", "https://login.example.com", "client"), "exchange"),
    ] {
        let said = config_error(|b| b.origin(ORIGIN).flow(flow)).await;
        assert!(said.contains(word), "{said}");
    }
    let twice = config_error(|b| b.origin(ORIGIN).flow(good()).flow(good())).await;
    assert!(twice.contains("one id"), "{twice}");
    let github = config_error(|b| b.origin(ORIGIN).flow(GitHub::new("app", ""))).await;
    assert!(github.contains("empty"), "{github}");
    assert!(config_error(|b| b.origin(ORIGIN).mount_path("auth/")).await.contains("/auth"));
    assert!(
        config_error(|b| b.origin(ORIGIN).allow_redirect("javascript://x"))
            .await
            .contains("redirect")
    );
    assert!(
        config_error(|b| b.origin(ORIGIN).error_page("//evil.example")).await.contains("redirect")
    );
}

/// PK-05, PK-25
#[tokio::test]
async fn passkey_rp_id_must_match_the_origins() {
    let passkeys = || Passkeys::new("Example");
    assert_eq!(config_error(|b| b.origin(ORIGIN).flow(passkeys())).await, "");
    assert_eq!(config_error(|b| b.origin(ORIGIN).flow(passkeys().rp_id("example.com"))).await, "");
    for (origin, flow, word) in [
        (ORIGIN, passkeys().rp_id("other.example"), "not within"),
        (ORIGIN, passkeys().rp_id("pp.example.com"), "not within"),
        (ORIGIN, passkeys().max_per_user(0), "at least one"),
    ] {
        let said = config_error(|b| b.origin(origin).flow(flow)).await;
        assert!(said.starts_with("passkeys: ") && said.contains(word), "{said}");
    }
    let foreign =
        config_error(|b| b.origin(ORIGIN).origin("https://b.example").flow(passkeys())).await;
    assert!(foreign.contains("not within"), "{foreign}");
    let twice = config_error(|b| b.origin(ORIGIN).flow(passkeys()).flow(passkeys())).await;
    assert_eq!(twice, "`passkeys` is registered by the flows `passkeys` and `passkeys`");
}

#[tokio::test]
async fn missing_layer_is_an_internal_error() {
    let ok = async || "reached";
    let router = Router::new()
        .route("/guarded", get(ok))
        .route_layer(RequireUser::new())
        .route("/user", get(async |_: AuthUser| "reached"))
        .route("/maybe", get(async |_: Option<AuthUser>| "reached"));
    let app = TestApp::serve(router).await;
    for path in ["/guarded", "/user", "/maybe"] {
        let answer = app.client().get(path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (500, "internal".to_owned()), "{path}");
        let detail = answer.json()["detail"].clone();
        let detail = detail.as_str().unwrap_or_default();
        assert_eq!(detail.contains("auth.layer()"), cfg!(debug_assertions), "{path}: {detail}");
    }
}

#[tokio::test]
async fn unregistered_flow_returns_404() {
    let auth = Auth::builder(SqliteStore::memory().await.unwrap()).origin(ORIGIN).build().unwrap();
    let app = TestApp::serve(Router::new().nest("/auth", auth.router())).await;
    let answer = app.client().post("/auth/sign-in", &serde_json::json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (404, "not_found".to_owned()));
    assert_eq!(app.client().get("/auth/session").await.status, 401);
}

#[test]
fn missing_origin_names_the_builder_method() {
    let error = ConfigError::NoOrigin;
    assert!(error.to_string().contains(".origin("), "the message shows the cure");
}
