//! Clocks that are set an hour forward or back: no window stays open or closed for as long.

use authlayer::testing::Client;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    codes::{handle, last_code, mails, verify},
    support::{Bed, PASSWORD, on_every_store, sign_in, sign_up},
};

const STEPS: [i64; 2] = [-3600, 3600];

async fn step(bed: &Bed, seconds: i64) {
    let answer =
        bed.client().post("/testbed/clock", &json!({ "advance_ms": seconds * 1000 })).await;
    assert_eq!(answer.status, 200);
}

async fn forgot(client: &Client, email: &str) {
    let answer = client.post("/auth/password/forgot", &json!({ "email": email })).await;
    assert_eq!(answer.status, 202);
}

on_every_store! {
    /// TM-02: mails are sent again.
    async fn mails_are_sent_after_a_step(bed: &Bed) {
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

    /// No wait, and no `retry_after`, is longer than its window.
    async fn a_delay_is_never_longer_than_it_was(bed: &Bed) {
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

    /// A network that has spent an hour's failures has them again.
    async fn a_network_is_not_shut_out_for_longer(bed: &Bed) {
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

    /// A code lives no longer than it may, and a new one is to be had at once.
    async fn a_code_does_not_outlive_a_step(bed: &Bed, { "verify_email": true }) {
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

    /// A small step, as clocks are set right every day, disturbs no code.
    async fn a_code_survives_a_small_step(bed: &Bed, { "verify_email": true }) {
        for seconds in [-30, 30] {
            let email = format!("ada{}@example.com", seconds + 99);
            let challenge = handle(&sign_up(&bed.client(), &email).await);
            let code = last_code(bed, &email).await;
            step(bed, seconds).await;
            assert_eq!(verify(&bed.client(), &challenge, &code).await.status, 200, "{seconds}");
        }
    }

    /// The predecessor of a refresh token converges while the rotation lies ahead.
    async fn a_rotation_that_lies_ahead_is_recent(bed: &Bed) {
        let (client, _, refresh) = bed.native("ada@example.com").await;
        let renew = async || client.post("/auth/refresh", &json!({ "refresh_token": refresh })).await;
        assert_eq!(renew().await.status, 200);
        step(bed, -3600).await;
        assert_eq!(renew().await.status, 200);
        step(bed, 2 * 3600).await;
        assert_eq!(renew().await.code(), "invalid_refresh_token");
    }

    /// `last_seen_at` follows the clock in both directions.
    async fn the_last_use_is_noted_after_a_step(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        for seconds in STEPS {
            step(bed, seconds).await;
            let now = bed.client().post("/testbed/clock", &json!({ "advance_ms": 0 })).await.json()["now"].clone();
            assert_eq!(browser.get("/me").await.status, 200);
            bed.wait_until_seen(&browser, &now).await;
        }
    }
}

#[test]
fn a_manual_clock_moves_both_ways() {
    use authlayer::{clock::Clock, testing::ManualClock};
    let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
    clock.step(SignedDuration::from_hours(-1));
    assert_eq!(clock.now().to_string(), "2025-12-31T23:00:00Z");
    clock.step(SignedDuration::from_hours(2));
    assert_eq!(clock.now().to_string(), "2026-01-01T01:00:00Z");
}
