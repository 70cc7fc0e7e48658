//! Sessions that are bound to a key of the browser (Device Bound Session Credentials).

use authlayer::{
    EventKind, UserStorage,
    testing::{DeviceFault, TestClient, TestResponse, VirtualDevice},
};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    codes::kinds,
    support::{Bed, On, PASSWORD, id_of, on_every_store, sign_in, sign_up, tests_on},
};

pub(crate) const RESPONSE: &str = "secure-session-response";
const CHALLENGE: &str = "secure-session-challenge";
const ID: &str = "sec-secure-session-id";

/// Returns the challenge of an offer.
pub(crate) fn offered(answer: &TestResponse) -> Option<String> {
    let line = answer.headers.get("secure-session-registration")?.to_str().unwrap();
    let challenge = line.strip_prefix("(ES256 RS256);path=\"/auth/device/register\";challenge=\"");
    Some(challenge.unwrap().strip_suffix('"').unwrap().to_owned())
}

/// Returns the challenge of a response for a session.
pub(crate) fn challenge_of(answer: &TestResponse, id: &str) -> Option<String> {
    let line = answer.headers.get(CHALLENGE)?.to_str().unwrap();
    let challenge = line.strip_prefix('"').unwrap();
    Some(challenge.strip_suffix(&format!("\";id=\"{id}\"")).unwrap().to_owned())
}

pub(crate) async fn register(client: &TestClient, proof: &str) -> TestResponse {
    client.send(Method::POST, "/auth/device/register", &[(RESPONSE, proof)], b"").await
}

/// Sends a refresh with the id of a session, and a proof if there is one.
pub(crate) async fn refresh(client: &TestClient, id: &str, proof: Option<&str>) -> TestResponse {
    let headers: Vec<_> = [(ID, id)].into_iter().chain(proof.map(|own| (RESPONSE, own))).collect();
    client.send(Method::POST, "/auth/device/refresh", &headers, b"").await
}

/// A browser with a bound session.
pub(crate) struct Bound {
    pub(crate) browser: TestClient,
    pub(crate) device: VirtualDevice,
    pub(crate) id: String,
}

impl Bound {
    pub(crate) async fn new(bed: &Bed, email: &str) -> Self {
        let browser = bed.client();
        let answer = sign_up(&browser, email).await;
        let device = VirtualDevice::new();
        let proof = device.registration(&offered(&answer).unwrap());
        let bound = register(&browser, &proof).await;
        assert_eq!(bound.status, 200, "{}", bound.json());
        let id = bound.json()["session_identifier"].as_str().unwrap().to_owned();
        Self { browser, device, id }
    }

    /// Returns a new challenge.
    pub(crate) async fn challenge(&self) -> String {
        let answer = refresh(&self.browser, &self.id, None).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (403, "device_proof_required"));
        challenge_of(&answer, &self.id).unwrap()
    }

    pub(crate) async fn prove(&self, challenge: &str) -> TestResponse {
        refresh(&self.browser, &self.id, Some(&self.device.proof(challenge))).await
    }

    /// Returns a client with the current cookies.
    pub(crate) fn copy(&self, bed: &Bed) -> TestClient {
        let copy = bed.client();
        for (name, value) in self.browser.cookies() {
            copy.set_cookie(&name, &value);
        }
        copy
    }

    pub(crate) async fn is_valid(&self) -> bool {
        self.prove(&self.challenge().await).await.status == 200
    }
}

/// Checks that an attempt was rejected with a challenge.
fn rejected(answer: &TestResponse, id: &str, name: &str) -> String {
    assert_eq!((answer.status.as_u16(), &*answer.code()), (403, "invalid_device_proof"), "{name}");
    assert!(answer.set_cookies().is_empty(), "{name}");
    challenge_of(answer, id).unwrap_or_else(|| panic!("{name}: a challenge"))
}

mod binding_outlives_the_option {
    use super::*;

    async fn on(on: On) {
        let bed = Bed::new(on, json!({ "device_bound": true })).await;
        let bound = Bound::new(&bed, "ada@example.com").await;
        let off = Bed::joined(&bed, on, UserStorage::managed()).await;
        let copy = bound.copy(&off);
        let answer = copy.post("/auth/refresh", json!({})).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (401, "device_proof_required"));
        assert_eq!(refresh(&copy, &bound.id, None).await.status, 404);
        off.advance(900).await;
        let answer = copy.get("/me").await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (401, 0));
        assert!(bound.is_valid().await);
        off.bed.store.close().await;
        bed.remove().await;
    }

    tests_on! { [sqlite: Sqlite, postgres: Postgres] }
}

on_every_store! {
    async fn impersonation_from_a_bound_session_is_in_the_body(bed: &Bed, { "device_bound": true }) {
        let bound = Bound::new(bed, "ada@example.com").await;
        let eve = bed.browser("eve@example.com").await;
        bed.change(&id_of(&bound.browser).await, json!({ "roles": ["admin"] })).await;
        let path = format!("/auth/admin/users/{}/impersonate", id_of(&eve).await);
        let body = json!({ "reason": "Ticket 4711", "transport": "cookie" });
        let answer = bound.browser.post(&path, body).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (422, "transport_disabled"));
        let begun = bound.browser.post(&path, json!({ "reason": "Ticket 4711" })).await;
        assert_eq!(begun.status, 200, "{}", begun.json());
        assert!(begun.json()["tokens"].is_object() && begun.set_cookies().is_empty());
        assert!(bound.is_valid().await);
    }

    async fn browser_binds_its_session_and_refreshes_it_with_proofs(
        bed: &Bed, { "device_bound": true }
    ) {
        let browser = bed.client();
        let answer = sign_up(&browser, "ada@example.com").await;
        assert_eq!(answer.json()["session"]["bound"], Value::Null);
        assert_eq!(browser.get("/bound").await.json()["missing"], json!(["device"]));
        let device = VirtualDevice::new();
        let bound = register(&browser, &device.registration(&offered(&answer).unwrap())).await;
        assert_eq!(bound.status, 200);
        assert!(bound.set_cookies().is_empty() && bound.headers.get(CHALLENGE).is_none());
        let id = bound.json()["session_identifier"].as_str().unwrap().to_owned();
        assert_eq!(bound.json(), json!({
            "session_identifier": id,
            "refresh_url": "/auth/device/refresh",
            "scope": { "origin": "http://localhost:3000", "include_site": false },
            "credentials": [
                { "type": "cookie", "name": "auth", "attributes": "HttpOnly; SameSite=Lax; Path=/" }
            ],
        }));
        assert_eq!(browser.get("/bound").await.status, 200);
        let session = browser.get("/auth/session").await.json()["session"].clone();
        assert_eq!((&session["bound"], &session["transport"]), (&json!("device"), &json!("cookie")));
        assert_eq!(bed.bed.watch.count(EventKind::DeviceBound), 1);
        let bound = Bound { browser, device, id };
        let first = bound.challenge().await;
        let refreshed = bound.prove(&first).await;
        assert_eq!((refreshed.status.as_u16(), refreshed.body.len()), (200, 0));
        assert_eq!(refreshed.set_cookies().len(), 2);
        assert!(refreshed.set_cookies()[0].contains("Max-Age=600"), "ten minutes");
        let next = challenge_of(&refreshed, &bound.id).unwrap();
        let refreshed = bound.prove(&next).await;
        assert_eq!(refreshed.status, 200);
        assert!(offered(&refreshed).is_none());
        assert_eq!(bound.browser.get("/bound").await.status, 200);
    }

    async fn bound_session_is_refreshed_on_no_path_without_a_proof(
        bed: &Bed, { "device_bound": true }
    ) {
        let bound = Bound::new(bed, "ada@example.com").await;
        let thief = bound.copy(bed);
        let token = thief.cookie("auth-refresh").unwrap();
        assert_eq!(thief.get("/me").await.status, 200, "the access cookie alone");
        let by_body = bed.client().post("/auth/refresh", json!({ "refresh_token": token })).await;
        assert_eq!((by_body.status.as_u16(), &*by_body.code()), (401, "device_proof_required"));
        let by_cookie = thief.post("/auth/refresh", json!({})).await;
        assert_eq!((by_cookie.status.as_u16(), &*by_cookie.code()), (401, "device_proof_required"));
        assert!(by_cookie.set_cookies().is_empty());
        bed.advance(900).await;
        for path in ["/me", "/auth/session", "/bound"] {
            let answer = thief.get(path).await;
            assert_eq!((answer.status.as_u16(), &*answer.code()), (401, "device_proof_required"));
            assert!(answer.set_cookies().is_empty(), "{path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        let maybe = thief.get("/maybe").await;
        assert_eq!((maybe.json(), maybe.set_cookies().len()), (json!({ "user": null }), 0));
        // The refresh token of before is not reuse without a proof, however old it is.
        assert!(bound.is_valid().await && bound.is_valid().await);
        bed.advance(1000).await;
        assert!(bound.is_valid().await);
        let old = bed.client().post("/auth/refresh", json!({ "refresh_token": token })).await;
        assert_eq!(old.status, 401);
        let page = thief.get("/me").await;
        assert_eq!(page.status, 401);
        assert!(bound.is_valid().await);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
    }

    async fn wrong_proofs_change_nothing(bed: &Bed, { "device_bound": true }) {
        let mut bound = Bound::new(bed, "ada@example.com").await;
        let other = Bound::new(bed, "bob@example.com").await;
        for fault in [
            DeviceFault::AlgorithmNone,
            DeviceFault::TypeMissing,
            DeviceFault::TypeOther,
            DeviceFault::KeyShort,
            DeviceFault::KeyHuge,
            DeviceFault::KeyPrivate,
            DeviceFault::Critical,
        ] {
            let challenge = bound.challenge().await;
            bound.device.fault(fault);
            let answer = bound.prove(&challenge).await;
            rejected(&answer, &bound.id, &format!("{fault:?}"));
            bound.device.fault(None);
            assert_eq!(bound.prove(&challenge).await.status, 200, "a failed proof spends none");
        }
        assert_eq!(bed.bed.watch.count(EventKind::DeviceProofRefused), 0, "malformed");
        let theirs = other.challenge().await;
        rejected(&bound.prove(&theirs).await, &bound.id, "challenge of another session");
        rejected(&bound.prove("invented").await, &bound.id, "invented");
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(bound.challenge().await);
        }
        rejected(&bound.prove(&all[0]).await, &bound.id, "the third newest");
        let expiring = bound.challenge().await;
        bed.advance(300).await;
        let next = rejected(&bound.prove(&expiring).await, &bound.id, "expired");
        assert_eq!(bound.prove(&next).await.status, 200);
        rejected(&bound.prove(&next).await, &bound.id, "used, with the new cookie");
        assert_eq!(bed.bed.watch.count(EventKind::DeviceProofRefused), 0, "rightly signed");
        assert!(bound.is_valid().await && other.is_valid().await);
    }

    async fn proofs_of_another_key_are_recorded_and_notified_once(
        bed: &Bed, { "device_bound": true }
    ) {
        let mut bound = Bound::new(bed, "ada@example.com").await;
        for (count, fault) in
            (1..).zip([DeviceFault::KeyOther, DeviceFault::KeyElsewhere, DeviceFault::SignatureDer])
        {
            let challenge = bound.challenge().await;
            bound.device.fault(fault);
            rejected(&bound.prove(&challenge).await, &bound.id, "another key");
            bound.device.fault(None);
            assert_eq!(bed.bed.watch.count(EventKind::DeviceProofRefused), count);
        }
        assert_eq!(kinds(bed, "ada@example.com").await, ["notice_device_mismatch"]);
        assert!(bound.is_valid().await);
        // Without a token of the session, nothing is recorded.
        let proof = VirtualDevice::new().proof(&bound.challenge().await);
        let stranger = refresh(&bed.client(), &bound.id, Some(&proof)).await;
        assert_eq!((stranger.status.as_u16(), &*stranger.code()), (403, "invalid_device_proof"));
        assert_eq!(bed.bed.watch.count(EventKind::DeviceProofRefused), 3);
    }

    async fn registration_requires_live_cookies_and_its_own_challenge(
        bed: &Bed, { "device_bound": true }
    ) {
        let browser = bed.client();
        let answer = sign_up(&browser, "ada@example.com").await;
        let challenge = offered(&answer).unwrap();
        let mut device = VirtualDevice::new();
        for fault in [
            DeviceFault::AlgorithmNone,
            DeviceFault::AlgorithmOther,
            DeviceFault::KeyOther,
            DeviceFault::TypeMissing,
            DeviceFault::TypeOther,
            DeviceFault::KeyShort,
            DeviceFault::KeyHuge,
            DeviceFault::KeyPrivate,
            DeviceFault::KeyElsewhere,
            DeviceFault::Critical,
            DeviceFault::SignatureDer,
        ] {
            device.fault(fault);
            let answer = register(&browser, &device.registration(&challenge)).await;
            assert_eq!((answer.status.as_u16(), &*answer.code()), (403, "invalid_device_proof"));
        }
        device.fault(None);
        let is_rejected = async |client: &TestClient, proof: &str| {
            let answer = register(client, proof).await;
            answer.status == 403 && answer.code() == "invalid_device_proof"
        };
        let proof = device.registration(&challenge);
        assert!(is_rejected(&bed.client(), &proof).await, "no cookies");
        assert!(is_rejected(&browser, &device.proof(&challenge)).await, "no key");
        let other = bed.client();
        let theirs = offered(&sign_up(&other, "bob@example.com").await).unwrap();
        assert!(is_rejected(&browser, &device.registration(&theirs)).await, "another session");
        assert!(is_rejected(&other, &proof).await, "another session");
        let twice = [(RESPONSE, &*proof), (RESPONSE, &*proof)];
        let answer = browser.send(Method::POST, "/auth/device/register", &twice, b"").await;
        assert_eq!(answer.status, 403);
        let none = browser.send(Method::POST, "/auth/device/register", &[], b"").await;
        assert_eq!((none.status.as_u16(), &*none.code()), (403, "invalid_device_proof"));
        bed.advance(300).await;
        assert!(is_rejected(&browser, &proof).await, "expired challenge");
        // The challenges of the two newest responses are valid.
        let mut all = Vec::new();
        for _ in 0..3 {
            let body = json!({ "password": PASSWORD });
            all.push(offered(&browser.post("/auth/password/verify", body).await).unwrap());
        }
        assert!(is_rejected(&browser, &device.registration(&all[0])).await, "the third newest");
        assert_eq!(register(&browser, &device.registration(&all[1])).await.status, 200);
        assert!(is_rejected(&browser, &device.registration(&all[2])).await, "bound already");
        let again = VirtualDevice::new();
        assert!(is_rejected(&browser, &again.registration(&all[2])).await, "another key");
        let dead = bed.client();
        let challenge = offered(&sign_up(&dead, "eve@example.com").await).unwrap();
        let kept = [dead.cookie("auth").unwrap(), dead.cookie("auth-refresh").unwrap()];
        assert_eq!(dead.post("/auth/sign-out", json!({})).await.status, 204);
        dead.set_cookie("auth", &kept[0]);
        dead.set_cookie("auth-refresh", &kept[1]);
        assert!(is_rejected(&dead, &device.registration(&challenge)).await, "dead cookies");
    }

    async fn only_a_verified_factor_offers_the_registration(bed: &Bed, { "device_bound": true }) {
        let browser = bed.browser("ada@example.com").await;
        let offers = async |path: &str, body: Value| {
            let answer = browser.post(path, body).await;
            assert!(answer.status.is_success(), "{path}: {}", answer.json());
            offered(&answer).is_some()
        };
        let password = json!({ "password": PASSWORD });
        assert!(offers("/auth/password/verify", password.clone()).await);
        let change = json!({ "current_password": PASSWORD, "new_password": "another pw 77" });
        assert!(offers("/auth/password/change", change).await);
        assert!(!offers("/auth/refresh", json!({})).await);
        assert!(!offers("/auth/sign-out", json!({})).await);
        assert!(!offers("/auth/anonymous", json!({})).await, "no factor");
        assert!(offered(&sign_in(&bed.client(), "ada@example.com", "another pw 77").await).is_some());
        let bearer = json!({ "email": "bob@example.com", "password": PASSWORD, "transport": "bearer" });
        assert!(offered(&bed.client().post("/auth/sign-up", bearer).await).is_none());
        bed.advance(900).await;
        browser.forget_cookie("auth");
        assert!(offered(&browser.get("/me").await).is_none(), "a renewal");
    }

    async fn step_up_keeps_the_key_and_offers_nothing(bed: &Bed, { "device_bound": true }) {
        let bound = Bound::new(bed, "ada@example.com").await;
        let before = bound.copy(bed);
        let body = json!({ "password": PASSWORD });
        let answer = bound.browser.post("/auth/password/verify", body).await;
        assert_eq!((answer.status.as_u16(), offered(&answer)), (200, None));
        assert_eq!(answer.json()["session"]["bound"], "device");
        assert!(answer.set_cookies()[0].contains("Max-Age=600"));
        assert!(bound.is_valid().await, "the same identifier and key");
        let challenge = bound.challenge().await;
        let replaced = refresh(&before, &bound.id, Some(&bound.device.proof(&challenge))).await;
        rejected(&replaced, &bound.id, "a token of before");
        assert!(bound.is_valid().await);
    }

    async fn session_that_has_ended_is_not_continued(bed: &Bed, { "device_bound": true }) {
        let bound = Bound::new(bed, "ada@example.com").await;
        let ended = |answer: &TestResponse| {
            assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "continue": false })));
            assert!(answer.headers.get(CHALLENGE).is_none() && answer.set_cookies().is_empty());
        };
        ended(&refresh(&bound.browser, "nothing", None).await);
        ended(&refresh(&bound.browser, "AAAAAAAAAAAAAAAAAAAAAA", None).await);
        let copy = bound.copy(bed);
        assert_eq!(bound.browser.post("/auth/sign-out", json!({})).await.status, 204);
        ended(&refresh(&copy, &bound.id, None).await);
        let expired = Bound::new(bed, "bob@example.com").await;
        bed.advance(31 * 24 * 3600).await;
        ended(&refresh(&expired.browser, &expired.id, None).await);
        // A token without a proof signs out.
        let last = Bound::new(bed, "eve@example.com").await;
        let body = json!({ "refresh_token": last.browser.cookie("auth-refresh").unwrap() });
        assert_eq!(bed.client().post("/auth/sign-out", body).await.status, 204);
        ended(&refresh(&last.browser, &last.id, None).await);
    }

    async fn requests_are_rejected_with_403_alone(bed: &Bed, { "device_bound": true }) {
        let bound = Bound::new(bed, "ada@example.com").await;
        let other = Bound::new(bed, "bob@example.com").await;
        let path = "/auth/device/refresh";
        let plain = async |client: &TestClient, headers: &[(&str, &str)]| {
            let answer = client.send(Method::POST, path, headers, b"{]").await;
            assert_eq!((answer.status.as_u16(), answer.headers.get(CHALLENGE)), (403, None));
            answer.code()
        };
        let proof = bound.device.proof(&bound.challenge().await);
        assert_eq!(plain(&bound.browser, &[]).await, "invalid_device_proof");
        assert_eq!(plain(&bound.browser, &[(RESPONSE, &proof)]).await, "invalid_device_proof");
        let twice = [(ID, &*bound.id), (ID, &*bound.id)];
        assert_eq!(plain(&bound.browser, &twice).await, "invalid_device_proof");
        let theirs = [(ID, &*bound.id), (RESPONSE, &*proof)];
        assert_eq!(plain(&other.browser, &theirs).await, "invalid_device_proof");
        let foreign = ("origin", "https://evil.example");
        assert_eq!(plain(&bound.browser, &[foreign]).await, "cross_origin");
        assert_eq!(plain(&bound.browser, &[foreign, (RESPONSE, &proof)]).await, "cross_origin");
        let twice = [(ID, &*bound.id), (RESPONSE, &*proof), (RESPONSE, &*proof)];
        let answer = bound.browser.send(Method::POST, path, &twice, b"").await;
        rejected(&answer, &bound.id, "two proofs");
        let get = bound.browser.get(path).await;
        assert_eq!((get.status.as_u16(), &*get.code()), (405, "method_not_allowed"));
        // The headers do not excuse another route.
        let answer = bound.browser
            .send(Method::POST, "/auth/refresh", &[foreign, (ID, &bound.id), (RESPONSE, &proof)], b"")
            .await;
        assert_eq!(answer.code(), "cross_origin");
        let id = format!("\"{}\"; a=b", bound.id);
        let quoted = format!("\"{proof}\";x=\"y\"");
        let headers = [foreign, (ID, &*id), (RESPONSE, &*quoted)];
        let answer = bound.browser.send(Method::POST, path, &headers, b"").await;
        assert_eq!(answer.status, 200, "as strings of structured fields");
        let stranger = refresh(&bed.client(), &bound.id, None).await;
        assert_eq!((stranger.status.as_u16(), &*stranger.code()), (403, "device_proof_required"));
    }

    /// A client without a token of the session cannot replace the challenges of the browser.
    async fn stranger_does_not_replace_challenges(bed: &Bed, { "device_bound": true }) {
        let bound = Bound::new(bed, "ada@example.com").await;
        let challenge = bound.challenge().await;
        for _ in 0..5 {
            assert_eq!(refresh(&bed.client(), &bound.id, None).await.status, 403);
        }
        assert_eq!(bound.prove(&challenge).await.status, 200);
    }

    /// One proof of twenty tabs: one rotation, and the same cookies for all.
    async fn concurrent_refreshes_with_one_proof_converge(bed: &Bed, { "device_bound": true }) {
        let bound = Bound::new(bed, "ada@example.com").await;
        let proof = bound.device.proof(&bound.challenge().await);
        let mut burst = JoinSet::new();
        for _ in 0..20 {
            let (tab, id, proof) = (bound.copy(bed), bound.id.clone(), proof.clone());
            burst.spawn(async move {
                let answer = refresh(&tab, &id, Some(&proof)).await;
                assert_eq!(answer.status, 200, "{}", answer.json());
                let next = challenge_of(&answer, &id).unwrap();
                (tab.cookie("auth").unwrap(), tab.cookie("auth-refresh").unwrap(), next)
            });
        }
        let mut pairs = burst.join_all().await;
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 1);
        let (access, token, next) = pairs.remove(0);
        bed.advance(600).await;
        let repeated = refresh(&bound.browser, &bound.id, Some(&proof)).await;
        assert_eq!(repeated.status, 200, "a lost response");
        assert_eq!(bound.browser.cookie("auth-refresh").unwrap(), token);
        assert!(access != next && bound.is_valid().await);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
    }

    async fn reuse_with_a_valid_proof_ends_the_session(
        bed: &Bed, { "device_bound": true, "lost_answer_ms": 0 }
    ) {
        let bound = Bound::new(bed, "ada@example.com").await;
        let before = bound.copy(bed);
        let proof = bound.device.proof(&bound.challenge().await);
        assert_eq!(refresh(&bound.browser, &bound.id, Some(&proof)).await.status, 200);
        bed.advance(60).await;
        rejected(&refresh(&before, &bound.id, Some(&proof)).await, &bound.id, "a used challenge");
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
        let fresh = bound.device.proof(&bound.challenge().await);
        let reused = refresh(&before, &bound.id, Some(&fresh)).await;
        assert_eq!((reused.status.as_u16(), reused.json()), (200, json!({ "continue": false })));
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 1);
        assert_eq!(bound.browser.get("/me").await.status, 401);
    }

    async fn skipped_refreshes_are_recorded(bed: &Bed, { "device_bound": true }) {
        let bound = Bound::new(bed, "ada@example.com").await;
        let skipped = bound.browser.clone()
            .with("secure-session-skipped", "quota_exceeded;session_identifier=\"x\"");
        assert_eq!(skipped.get("/me").await.status, 200);
        bed.advance(900).await;
        assert_eq!(skipped.get("/me").await.status, 401);
        let events = bed.bed.watch.all();
        let events: Vec<_> =
            events.iter().filter(|event| event.kind == EventKind::DeviceSkipped).collect();
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event.detail["reason"] == "quota_exceeded"
            && event.session_id.is_some_and(|id| id.to_string() == bound.id)));
        let unbound = bed.browser("bob@example.com").await.with("secure-session-skipped", "x");
        assert_eq!(unbound.get("/me").await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::DeviceSkipped), 2);
    }

    async fn without_the_flow_nothing_is_offered(bed: &Bed) {
        let answer = sign_up(&bed.client(), "ada@example.com").await;
        assert!(offered(&answer).is_none());
        assert_eq!(answer.json()["session"]["bound"], Value::Null);
        assert_eq!(bed.client().post("/auth/device/register", json!({})).await.status, 404);
        assert_eq!(bed.client().post("/auth/device/refresh", json!({})).await.status, 404);
    }
}
