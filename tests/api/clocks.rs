//! Clock steps of an hour forward or back do not extend any time window by the step.

use authlayer::testing::{TestClient, VirtualAuthenticator};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    account::link,
    codes::{handle, last_code, mails, verify},
    live::{open, ticket},
    passkeys::ORIGIN,
    support::{Bed, On, PASSWORD, on_every_store, sign_in, sign_up},
};

/// A time window in which a request is allowed, or rejected by a limit.
#[derive(Clone, Copy, Debug)]
enum Window {
    Grace,
    LostAnswer,
    Freshness,
    PasswordDelay,
    SignUpsOfANetwork,
    MailsOfANetwork,
    CeremoniesOfANetwork,
    MailInterval,
    Code,
    PendingSignIn,
    ResetLink,
    UndoLink,
    Ticket,
    PasskeyCeremony,
    RememberedDevice,
}

use Window::{
    CeremoniesOfANetwork, Code, Freshness, Grace, LostAnswer, MailInterval, MailsOfANetwork,
    PasskeyCeremony, PasswordDelay, PendingSignIn, RememberedDevice, ResetLink, SignUpsOfANetwork,
    Ticket, UndoLink,
};

/// For each window, whether its request is allowed after the clock was set back by an hour, and
/// after it was set forward by an hour.
///
/// A permission shorter than the step expires in both directions. A token rotation is an exception:
/// one whose time lies in the future counts as recent, because its tokens were just issued. A limit
/// that is not longer than the step ends in both directions. A permission for days remains valid.
const WINDOWS: [(Window, bool, bool); 15] = [
    (Grace, true, false),
    (LostAnswer, true, false),
    (Freshness, false, false),
    (PasswordDelay, true, true),
    (SignUpsOfANetwork, true, true),
    (MailsOfANetwork, true, true),
    (CeremoniesOfANetwork, true, true),
    (MailInterval, true, true),
    (Code, false, false),
    (PendingSignIn, false, false),
    (ResetLink, false, false),
    (UndoLink, true, true),
    (Ticket, false, false),
    (PasskeyCeremony, false, false),
    (RememberedDevice, true, true),
];

/// A request that is prepared before the clock is set, and sent afterwards.
enum Ready {
    Post(TestClient, &'static str, Value),
    Get(TestClient, &'static str),
    Connect(String),
    /// A request that is allowed if it sends another message to this email address.
    Sent(TestClient, &'static str, Value, String, usize),
}

impl Ready {
    async fn allows(self, bed: &Bed) -> bool {
        match self {
            Self::Post(client, path, body) => {
                let status = client.post(path, &body).await.status;
                // 202 means that a code is required, except from `/forgot`, which returns only 202.
                status.is_success() && (status != 202 || path.ends_with("/forgot"))
            }
            Self::Get(client, path) => client.get(path).await.status == 200,
            Self::Connect(path) => open(bed.app.address(), &path, &[]).await.is_ok(),
            Self::Sent(client, path, body, to, before) => {
                client.post(path, &body).await;
                mails(bed, &to).await.len() > before
            }
        }
    }
}

async fn signed_in_by_code(bed: &Bed, email: &str, remember: bool) -> TestClient {
    let client = bed.client();
    let challenge = handle(&sign_in(&client, email, PASSWORD).await);
    let code = last_code(bed, email).await;
    let body = json!({ "challenge": challenge, "code": code, "remember": remember });
    assert_eq!(client.post("/auth/verify", &body).await.status, 200);
    client
}

async fn until_limited(client: &TestClient, path: &str, body: impl Fn(usize) -> Value) {
    for number in 0..310 {
        if client.post(path, &body(number)).await.status == 429 {
            return;
        }
    }
    panic!("{path} has no limit");
}

/// Opens a window or reaches a limit, and prepares the request that depends on it.
async fn ready(bed: &Bed, window: Window) -> Ready {
    let email = "ada@example.com";
    let credentials = json!({ "email": email, "password": PASSWORD });
    let client = bed.client();
    match window {
        Grace | LostAnswer => {
            let (native, _, refresh) = bed.native(email).await;
            let body = json!({ "refresh_token": refresh });
            let renewed = native.post("/auth/refresh", &body).await.json();
            let access = renewed["tokens"]["access_token"].as_str().unwrap().to_owned();
            if matches!(window, Grace) {
                assert_eq!(bed.client().bearer(&access).get("/me").await.status, 200);
            }
            Ready::Post(bed.client(), "/auth/refresh", body)
        }
        Freshness => Ready::Get(bed.browser(email).await, "/fresh"),
        PasswordDelay => {
            bed.browser(email).await;
            for _ in 0..5 {
                assert_eq!(sign_in(&client, email, "wrong guess").await.status, 401);
            }
            assert_eq!(sign_in(&client, email, PASSWORD).await.status, 429);
            Ready::Post(client, "/auth/sign-in", credentials)
        }
        SignUpsOfANetwork => {
            let body = |number| json!({ "email": format!("ada{number}@example.com"), "password": PASSWORD });
            until_limited(&client, "/auth/sign-up", body).await;
            Ready::Post(client, "/auth/sign-up", credentials)
        }
        MailsOfANetwork => {
            bed.browser(email).await;
            let body = |number| json!({ "email": format!("nobody{number}@example.com") });
            until_limited(&client, "/auth/password/forgot", body).await;
            Ready::Post(client, "/auth/password/forgot", json!({ "email": email }))
        }
        CeremoniesOfANetwork => {
            let path = "/auth/passkeys/sign-in/start";
            until_limited(&client, path, |_| json!({})).await;
            Ready::Post(client, path, json!({}))
        }
        MailInterval => {
            bed.browser(email).await;
            for _ in 0..4 {
                forgot(&client, email).await;
            }
            let (path, body) = ("/auth/password/forgot", json!({ "email": email }));
            let before = mails(bed, email).await.len();
            Ready::Sent(client, path, body, email.to_owned(), before)
        }
        Code => {
            let ada = bed.browser(email).await;
            let change = json!({ "new_email": "new@example.com" });
            let challenge = handle(&ada.post("/auth/email/change", &change).await);
            let code = last_code(bed, "new@example.com").await;
            let body = json!({ "challenge": challenge, "code": code });
            Ready::Post(ada, "/auth/verify", body)
        }
        PendingSignIn => {
            bed.browser(email).await;
            let challenge = handle(&sign_in(&client, email, PASSWORD).await);
            let code = last_code(bed, email).await;
            let body = json!({ "challenge": challenge, "code": code });
            Ready::Post(client, "/auth/verify", body)
        }
        ResetLink => {
            bed.browser(email).await;
            forgot(&client, email).await;
            let token = link(bed, email, "reset_link").await.unwrap();
            let body = json!({ "token": token, "new_password": "plum zq8 xw2v" });
            Ready::Post(client, "/auth/password/reset", body)
        }
        UndoLink => {
            bed.browser(email).await;
            let ada = signed_in_by_code(bed, email, false).await;
            ada.post("/auth/email/change", json!({ "new_email": "new@example.com" })).await;
            let kind = "notice_email_change_requested";
            let token = link(bed, email, kind).await.unwrap();
            Ready::Post(client, "/auth/email/undo", json!({ "token": token }))
        }
        Ticket => {
            let ada = bed.browser(email).await;
            Ready::Connect(ticket(&ada).await)
        }
        PasskeyCeremony => {
            let ada = bed.browser(email).await;
            let begun = ada.post("/auth/passkeys/register/start", json!({})).await.json();
            let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
            let body = json!({ "challenge": begun["challenge"], "credential": credential });
            Ready::Post(ada, "/auth/passkeys/register/finish", body)
        }
        RememberedDevice => {
            bed.browser(email).await;
            let ada = signed_in_by_code(bed, email, true).await;
            Ready::Post(ada, "/auth/sign-in", credentials)
        }
    }
}

const STEPS: [i64; 2] = [-3600, 3600];

async fn step(bed: &Bed, seconds: i64) {
    let answer = bed.client().post("/testbed/clock", json!({ "advance_ms": seconds * 1000 })).await;
    assert_eq!(answer.status, 200);
}

async fn forgot(client: &TestClient, email: &str) {
    let answer = client.post("/auth/password/forgot", json!({ "email": email })).await;
    assert_eq!(answer.status, 202);
}

/// Sends the request of every window with an unchanged clock, an hour back and an hour forward.
async fn every_window_survives_a_clock_step(on: On) {
    for (window, back, forward) in WINDOWS {
        let is_limit = matches!(
            window,
            PasswordDelay
                | SignUpsOfANetwork
                | MailsOfANetwork
                | CeremoniesOfANetwork
                | MailInterval
        );
        for (seconds, expected) in [(0, !is_limit), (-3600, back), (3600, forward)] {
            let has_codes = !matches!(window, PasswordDelay);
            let bed = Bed::new(on, json!({ "sign_in_code": has_codes })).await;
            let ready = ready(&bed, window).await;
            step(&bed, seconds).await;
            assert_eq!(ready.allows(&bed).await, expected, "{window:?} {seconds}");
            bed.remove().await;
        }
    }
}

mod windows {
    use super::every_window_survives_a_clock_step as on;

    crate::support::tests_on! {
        [
            sqlite: Sqlite, sqlite_with_one_connection: SqliteOne,
            postgres: Postgres, postgres_with_one_connection: PostgresOne,
            sqlite_mapped: SqliteMapped, postgres_mapped: PostgresMapped,
            sqlite_custom: SqliteCustom, postgres_custom: PostgresCustom
        ]
    }
}

on_every_store! {
    /// TM-02: emails are sent again.
    async fn emails_are_sent_after_a_clock_step(bed: &Bed) {
        for seconds in [-3600, 3600, -30 * 86_400] {
            let email = format!("ada{}@example.com", seconds + 9_999_999);
            bed.browser(&email).await;
            for _ in 0..4 {
                forgot(&bed.client(), &email).await;
            }
            assert_eq!(mails(bed, &email).await.len(), 3);
            step(bed, seconds).await;
            forgot(&bed.client(), &email).await;
            assert_eq!(mails(bed, &email).await.len(), 4, "{seconds}");
        }
    }

    /// No delay and no `retry_after` exceeds its window.
    async fn clock_step_never_extends_a_delay(bed: &Bed) {
        for seconds in STEPS {
            let email = format!("ada{}@example.com", seconds + 9999);
            bed.browser(&email).await;
            for _ in 0..5 {
                assert_eq!(sign_in(&bed.client(), &email, "wrong guess").await.status, 401);
            }
            let refused = sign_in(&bed.client(), &email, PASSWORD).await;
            assert_eq!(refused.json()["retry_after"], 1);
            step(bed, seconds).await;
            assert_eq!(sign_in(&bed.client(), &email, PASSWORD).await.status, 200, "{seconds}");
        }
    }

    /// A network that reached its limit of failures in an hour may try again.
    async fn clock_step_never_extends_a_network_limit(bed: &Bed) {
        for seconds in STEPS {
            let mut refused = Value::Null;
            for number in 0..101 {
                let email = format!("nobody{number}.{}@example.com", seconds + 9999);
                refused = sign_in(&bed.client(), &email, "wrong guess").await.json();
            }
            assert_eq!(refused["retry_after"], 3600);
            step(bed, seconds).await;
            assert_eq!(sign_in(&bed.client(), "nobody@example.com", "wrong guess").await.status, 401, "{seconds}");
            step(bed, 3600).await;
        }
    }

    /// A code does not outlive its lifetime, and a new one can be requested at once.
    async fn clock_step_never_extends_the_lifetime_of_a_code(bed: &Bed, { "verify_email": true }) {
        for seconds in STEPS {
            let email = format!("ada{}@example.com", seconds + 9999);
            let challenge = handle(&sign_up(&bed.client(), &email).await);
            let code = last_code(bed, &email).await;
            step(bed, seconds).await;
            assert_eq!(verify(&bed.client(), &challenge, &code).await.code(), "challenge_expired", "{seconds}");
            let challenge = handle(&sign_up(&bed.client(), &email).await);
            let code = last_code(bed, &email).await;
            assert_eq!(verify(&bed.client(), &challenge, &code).await.status, 200, "{seconds}");
        }
    }

    /// A small clock step, as time synchronization makes them, invalidates no code.
    async fn code_stays_valid_after_a_small_clock_step(bed: &Bed, { "verify_email": true }) {
        for seconds in [-30, 30] {
            let email = format!("ada{}@example.com", seconds + 99);
            let challenge = handle(&sign_up(&bed.client(), &email).await);
            let code = last_code(bed, &email).await;
            step(bed, seconds).await;
            assert_eq!(verify(&bed.client(), &challenge, &code).await.status, 200, "{seconds}");
        }
    }

    /// The previous refresh token converges while the time of the rotation lies in the future.
    async fn rotation_in_the_future_counts_as_recent(bed: &Bed) {
        let (client, _, refresh) = bed.native("ada@example.com").await;
        let renew = async || client.post("/auth/refresh", json!({ "refresh_token": refresh })).await;
        assert_eq!(renew().await.status, 200);
        step(bed, -3600).await;
        assert_eq!(renew().await.status, 200);
        step(bed, 2 * 3600).await;
        assert_eq!(renew().await.code(), "invalid_refresh_token");
    }

    /// `last_seen_at` follows the clock in both directions.
    async fn last_use_is_recorded_after_a_clock_step(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        for seconds in STEPS {
            step(bed, seconds).await;
            let now = bed.client().post("/testbed/clock", json!({ "advance_ms": 0 })).await.json()["now"].clone();
            assert_eq!(browser.get("/me").await.status, 200);
            bed.wait_until_seen(&browser, &now).await;
        }
    }
}

#[test]
fn manual_clock_moves_in_both_directions() {
    use authlayer::{clock::Clock, testing::ManualClock};
    let clock = ManualClock::at("2026-01-01T00:00:00Z");
    clock.step(SignedDuration::from_hours(-1));
    assert_eq!(clock.now().to_string(), "2025-12-31T23:00:00Z");
    clock.step(SignedDuration::from_hours(2));
    assert_eq!(clock.now().to_string(), "2026-01-01T01:00:00Z");
}
