//! New passwords are checked against a local server of breached passwords.

use std::{sync::Arc, time::Duration};

use authlayer::{
    Auth, EventKind, Password, PasswordReset, SqliteStore,
    crypto::password::{Argon2Params, PasswordHashing},
    flow::password::{BreachSource, OnCheckFailure, PwnedPasswords, SignUp},
    testing::{EventRecorder, Mailbox, TestApp},
};
use axum::{Router, extract::Path, http::HeaderMap, response::IntoResponse, routing::get};
use tokio::sync::Mutex;

type Asked = Arc<Mutex<Vec<(String, String)>>>;

async fn source(answer: fn(&str) -> axum::response::Response) -> (TestApp, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let range = get(async move |Path(prefix): Path<String>, headers: HeaderMap| {
        let padding = headers.get("add-padding").map(|value| value.to_str().unwrap().to_owned());
        seen.lock().await.push((prefix.clone(), padding.unwrap_or_default()));
        answer(&prefix)
    });
    (TestApp::serve(Router::new().route("/range/{prefix}", range)).await, asked)
}

async fn signs_up(
    source: &TestApp,
    outage: OnCheckFailure,
    watch: &EventRecorder,
) -> Result<(), Vec<String>> {
    let url = format!("http://{}/range/", source.address());
    let pwned = PwnedPasswords::with_url(&url, Duration::from_millis(300)).unwrap();
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.com")
        .event_sink(watch.clone())
        .mailer(Mailbox::default())
        .flow(Password::new().insecure_scheme(cheap).breach_check(pwned, outage))
        .flow(PasswordReset::new())
        .build()
        .unwrap();
    let sign_up = SignUp::new("ada@example.com", "correct horse battery staple");
    let service = auth.service::<Password>().unwrap();
    match service.sign_up(&crate::support::client_of(&auth), sign_up).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error
            .extensions()
            .iter()
            .filter(|(name, _)| *name == "reasons")
            .flat_map(|(_, value)| value.as_array().unwrap().clone())
            .map(|reason| reason.as_str().unwrap().to_owned())
            .chain([error.kind().code().to_owned()])
            .collect()),
    }
}

/// Of `correct horse battery staple` (NIST's calculator and `sha1sum` agree).
const PREFIX: &str = "ABF7A";
const REST: &str = "AD6438836DBE526AA231ABDE2D0EEF74D42";

/// PW-06, F28: five digits are sent, and padding is requested and ignored.
#[tokio::test]
async fn breached_password_is_rejected() {
    let watch = EventRecorder::default();
    let (hit, asked) = source(|_| format!("0000:0\r\n{REST}:42\r\n").into_response()).await;
    let refused = signs_up(&hit, OnCheckFailure::Accept, &watch).await.unwrap_err();
    assert_eq!(refused, ["breached", "weak_password"]);
    assert_eq!(*asked.lock().await, [(PREFIX.to_owned(), "true".to_owned())]);
    // A URL without a trailing slash means the same mirror.
    let url = format!("http://{}/range", hit.address());
    let mirror = PwnedPasswords::with_url(&url, Duration::from_secs(5)).unwrap();
    assert!(mirror.knows("correct horse battery staple").await.unwrap());
    for miss in [
        |_: &str| "00000000000000000000000000000000000:3".into_response(),
        |_: &str| format!("{REST}:0\r\n").into_response(),
    ] {
        let (source, _) = source(miss).await;
        assert_eq!(signs_up(&source, OnCheckFailure::Refuse, &watch).await, Ok(()));
    }
    assert_eq!(watch.count(EventKind::BreachCheckSkipped), 0);
}

/// PW-06, F29, DS-05: the response within the time limit depends on the policy.
#[tokio::test]
async fn failed_breach_check_follows_the_outage_policy() {
    let broken: [fn(&str) -> axum::response::Response; 3] = [
        |_| http::StatusCode::SERVICE_UNAVAILABLE.into_response(),
        |_| "A".repeat(1 << 20).into_response(),
        |_| (http::StatusCode::FOUND, [("location", "/range/other")]).into_response(),
    ];
    for answer in broken {
        let watch = EventRecorder::default();
        let (source, _) = source(answer).await;
        assert_eq!(signs_up(&source, OnCheckFailure::Accept, &watch).await, Ok(()));
        assert_eq!(watch.count(EventKind::BreachCheckSkipped), 1);
        assert_eq!(
            signs_up(&source, OnCheckFailure::Refuse, &watch).await.unwrap_err(),
            ["unavailable"]
        );
    }
    // The kernel accepts the connection, and no response follows.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/range/", silent.local_addr().unwrap());
    let stalls = PwnedPasswords::with_url(&url, Duration::from_millis(300)).unwrap();
    assert!(stalls.knows("x").await.is_err());
}

#[test]
fn breach_source_accepts_plain_http_only_on_loopback() {
    let patience = Duration::from_secs(1);
    assert!(PwnedPasswords::with_url("http://mirror.example.com/range/", patience).is_err());
    assert!(PwnedPasswords::with_url("https://mirror.example.com/range/", patience).is_ok());
    assert!(PwnedPasswords::with_url("mirror", patience).is_err());
    assert!(PwnedPasswords::public().is_ok());
}
