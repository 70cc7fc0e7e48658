//! Passkeys: registration, sign-in, second factor, step-up, and rejected ceremonies.

use authlayer::{
    EventKind,
    testing::{PasskeyFault, TestClient, TestResponse, VirtualAuthenticator},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    codes::{kinds, last_code, verified_user},
    support::{Bed, PASSWORD, id_of, on_every_store, sign_in, sign_up},
};

pub(crate) const ORIGIN: &str = "http://localhost:3000";

pub(crate) async fn begin(client: &TestClient, what: &str, body: &Value) -> Value {
    let answer = client.post(&format!("/auth/passkeys/{what}/start"), body).await;
    assert_eq!(answer.status, 200, "{what}: {}", answer.json());
    answer.json()
}

pub(crate) async fn finish(
    client: &TestClient,
    what: &str,
    begun: &Value,
    credential: &Value,
) -> TestResponse {
    let body =
        json!({ "challenge": begun["challenge"], "credential": credential, "name": "My key" });
    client.post(&format!("/auth/passkeys/{what}/finish"), &body).await
}

pub(crate) async fn register(client: &TestClient, key: &mut VirtualAuthenticator) -> TestResponse {
    let begun = begin(client, "register", &json!({})).await;
    let credential = key.register(&begun["options"]);
    finish(client, "register", &begun, &credential).await
}

pub(crate) async fn enter(client: &TestClient, key: &mut VirtualAuthenticator) -> TestResponse {
    let begun = begin(client, "sign-in", &json!({})).await;
    let credential = key.authenticate(&begun["options"]);
    finish(client, "sign-in", &begun, &credential).await
}

pub(crate) async fn step_up(client: &TestClient, key: &mut VirtualAuthenticator) -> TestResponse {
    let begun = begin(client, "verify", &json!({})).await;
    let credential = key.authenticate(&begun["options"]);
    finish(client, "verify", &begun, &credential).await
}

/// Signs up a user with a passkey in a new browser.
pub(crate) async fn with_key(bed: &Bed, email: &str) -> (TestClient, VirtualAuthenticator) {
    let (client, mut key) = (bed.browser(email).await, VirtualAuthenticator::new(ORIGIN));
    let answer = register(&client, &mut key).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    (client, key)
}

async fn remove(client: &TestClient, id: &str) -> TestResponse {
    client.send(http::Method::DELETE, &format!("/auth/passkeys/{id}"), &[], b"").await
}

fn is_rejected(answer: &TestResponse) -> bool {
    (answer.status.as_u16(), answer.code()) == (401, "invalid_passkey".to_owned())
}

on_every_store! {
    /// PK-01, PK-13, PK-14, PK-15, PK-20, SE-04
    async fn passkey_is_registered_and_signs_in(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let before = ada.cookie("auth").unwrap();
        let mut key = VirtualAuthenticator::new(ORIGIN);
        let begun = begin(&ada, "register", &json!({})).await;
        let options = &begun["options"];
        assert_eq!(options["rp"], json!({ "id": "localhost", "name": "Testbed" }));
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(options["authenticatorSelection"]["requireResidentKey"], true);
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(options["attestation"], "none");
        assert_eq!(options["challenge"].as_str().unwrap().len(), 43);
        assert_ne!(options["user"]["id"].as_str().unwrap(), id_of(&ada).await);
        assert_eq!(options["user"]["name"], "ada@example.com");
        let credential = key.register(options);
        let answer = finish(&ada, "register", &begun, &credential).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        let made = answer.json();
        assert_eq!((&made["name"], &made["backed_up"]), (&json!("My key"), &json!(false)));
        assert_eq!(made["transports"], json!(["internal", "hybrid"]));
        assert_eq!(made["aaguid"], "00000000-0000-0000-0000-000000000000");
        assert_eq!(made["last_used_at"], Value::Null);
        assert_ne!(ada.cookie("auth").unwrap(), before);
        assert_eq!(bed.client().bearer(&before).get("/me").await.status, 401, "SE-04");
        assert!(kinds(bed, "ada@example.com").await.contains(&"notice_factor_added".to_owned()));

        let again = begin(&ada, "register", &json!({})).await;
        assert_eq!(again["options"]["excludeCredentials"][0]["id"], credential["id"]);
        assert_eq!(again["options"]["user"]["id"], options["user"]["id"], "stable");

        let elsewhere = bed.client();
        let done = enter(&elsewhere, &mut key).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(done.json()["user"]["email"], "ada@example.com");
        assert_eq!(done.json()["session"]["factors"][0]["method"], "passkey");
        assert_eq!(elsewhere.get("/strong").await.status, 200);
        let listed = elsewhere.get("/auth/passkeys").await.json();
        assert_ne!(listed["passkeys"][0]["last_used_at"], Value::Null);
        assert_eq!(elsewhere.get("/auth/identities").await.json()["passkeys"], Value::Null, "no provider is registered");
    }

    /// PK-16, PK-22, SE-04
    async fn passkey_steps_a_session_up(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        assert_eq!(ada.get("/strong").await.code(), "step_up_required");
        let before = ada.cookie("auth").unwrap();
        let done = step_up(&ada, &mut key).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let methods = done.json()["session"]["factors"].clone();
        assert_eq!((&methods[0]["method"], &methods[1]["method"]), (&json!("password"), &json!("passkey")));
        assert_eq!(ada.get("/strong").await.status, 200);
        assert_eq!(bed.client().bearer(&before).get("/me").await.status, 401);
        bed.advance(601).await;
        assert_eq!(ada.get("/strong").await.code(), "step_up_required");
        let (bob, mut his) = with_key(bed, "bob@example.com").await;
        let begun = begin(&ada, "verify", &json!({})).await;
        let credential = his.authenticate(&begun["options"]);
        assert!(is_rejected(&finish(&ada, "verify", &begun, &credential).await), "passkey of another user");
        let begun = begin(&ada, "verify", &json!({})).await;
        let credential = key.authenticate(&begun["options"]);
        assert!(is_rejected(&finish(&bob, "verify", &begun, &credential).await), "G3: session of another user");
        assert_eq!(ada.get("/me").await.status, 200, "the session is still valid");
        let eve = bed.browser("eve@example.com").await;
        let none = eve.post("/auth/passkeys/verify/start", json!({})).await;
        assert_eq!((none.status.as_u16(), none.code()), (404, "no_passkey".to_owned()));
        assert_eq!(bed.client().post("/auth/passkeys/verify/start", json!({})).await.code(), "unauthenticated");
    }

    /// A passkey can replace a code, and is sufficient on its own
    async fn passkey_completes_a_pending_sign_in(bed: &Bed, { "sign_in_code": true, "verify_email": true }) {
        let ada = bed.client();
        let begun = sign_up(&ada, "ada@example.com").await;
        let code = last_code(bed, "ada@example.com").await;
        ada.post("/auth/verify", json!({ "challenge": begun.json()["challenge"], "code": code })).await;
        let mut key = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(register(&ada, &mut key).await.status, 201);
        bed.advance(60).await;
        let phone = bed.client();
        let pending = sign_in(&phone, "ada@example.com", PASSWORD).await;
        assert_eq!(pending.status, 202);
        assert_eq!(pending.json()["methods"], json!(["passkey", "email_code"]));
        let handle = pending.json()["challenge"].clone();
        let begun = begin(&phone, "verify", &json!({ "challenge": handle })).await;
        let credential = key.authenticate(&begun["options"]);
        let done = finish(&phone, "verify", &begun, &credential).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let factors = done.json()["session"]["factors"].clone();
        assert_eq!((&factors[0]["method"], &factors[1]["method"]), (&json!("password"), &json!("passkey")));
        let again = phone.post("/auth/passkeys/verify/start", json!({ "challenge": handle })).await;
        assert_eq!(again.code(), "challenge_expired", "the pending sign-in was used");
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200, "a passkey alone");
        let wrong = phone.post("/auth/passkeys/verify/start", json!({ "challenge": "ach_x" })).await;
        assert_eq!(wrong.code(), "challenge_expired");
    }

    /// G7, PK-04, PK-05, PK-06, PK-07, PK-08, PK-09, PK-10, PK-11, PK-12, PK-26
    async fn invalid_registrations_are_rejected(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        for fault in [
            PasskeyFault::OriginOther,
            PasskeyFault::OriginPath,
            PasskeyFault::PartyOther,
            PasskeyFault::TypeOther,
            PasskeyFault::ChallengeOther,
            PasskeyFault::CrossOrigin,
            PasskeyFault::TopOrigin,
            PasskeyFault::NotPresent,
            PasskeyFault::NotVerified,
            PasskeyFault::BackedUpOnly,
            PasskeyFault::Leftover,
            PasskeyFault::IdOther,
            PasskeyFault::IdLong,
            PasskeyFault::Statement,
            PasskeyFault::AlgorithmOther,
        ] {
            let mut key = VirtualAuthenticator::new(ORIGIN);
            key.fault(fault);
            let answer = register(&ada, &mut key).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid_passkey".to_owned()), "{fault:?}");
        }
        assert_eq!(ada.get("/auth/passkeys").await.json()["passkeys"], json!([]));
        let mut key = VirtualAuthenticator::new(ORIGIN);
        key.set_id_length(1023);
        assert_eq!(register(&ada, &mut key).await.status, 201, "the longest ID");
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200);
    }

    /// G4, G7, PK-04, PK-05, PK-06, PK-07, PK-08, PK-09, PK-17, PK-18, PK-19, PK-23: every invalid
    /// assertion gets the same response
    async fn invalid_assertions_are_rejected_with_the_same_response(bed: &Bed) {
        let (_, mut key) = with_key(bed, "ada@example.com").await;
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200);
        let mut bodies = Vec::new();
        for fault in [
            PasskeyFault::OriginOther,
            PasskeyFault::OriginPath,
            PasskeyFault::PartyOther,
            PasskeyFault::TypeOther,
            PasskeyFault::ChallengeOther,
            PasskeyFault::CrossOrigin,
            PasskeyFault::TopOrigin,
            PasskeyFault::NotPresent,
            PasskeyFault::NotVerified,
            PasskeyFault::BackedUpOnly,
            PasskeyFault::BackupEligible,
            PasskeyFault::Leftover,
            PasskeyFault::IdOther,
            PasskeyFault::SignatureWrong,
            PasskeyFault::HandleOther,
            PasskeyFault::HandleMissing,
            PasskeyFault::CounterStays,
        ] {
            if fault == PasskeyFault::CounterStays {
                key.fault(None);
                assert_eq!(enter(&bed.client(), &mut key).await.status, 200);
            }
            key.fault(fault);
            let client = bed.client();
            let answer = enter(&client, &mut key).await;
            assert!(is_rejected(&answer), "{fault:?}: {}", answer.json());
            assert!(client.cookie("auth").is_none(), "{fault:?}");
            bodies.push(answer.body);
            if fault == PasskeyFault::BackupEligible {
                let mut events = bed.bed.watch.all().into_iter();
                let named = events.any(|event| event.detail.get("reason") == Some(&json!("backup_eligibility")));
                assert!(named, "the event names the reason");
            }
        }
        assert_eq!(bed.bed.watch.count(EventKind::PasskeyCloned), 1);
        let unknown = enter(&bed.client(), &mut VirtualAuthenticator::new(ORIGIN)).await;
        bodies.push(unknown.body);
        assert!(bodies.iter().all(|body| *body == bodies[0]), "PK-23: the same response");
        key.fault(None);
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200);
    }

    /// G1, G10, PK-03
    async fn ceremony_can_be_finished_once(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let begun = begin(&bed.client(), "sign-in", &json!({})).await;
        let credential = key.authenticate(&begun["options"]);
        let mut tries = JoinSet::new();
        for _ in 0..8 {
            let (client, begun, credential) = (bed.client(), begun.clone(), credential.clone());
            tries.spawn(async move {
                finish(&client, "sign-in", &begun, &credential).await.status.as_u16()
            });
        }
        let mut answers = tries.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers, [200, 401, 401, 401, 401, 401, 401, 401]);
        let client = bed.client();
        let begun = begin(&client, "sign-in", &json!({})).await;
        key.fault(PasskeyFault::SignatureWrong);
        let bad = key.authenticate(&begun["options"]);
        key.fault(None);
        let good = key.authenticate(&begun["options"]);
        assert!(is_rejected(&finish(&client, "sign-in", &begun, &bad).await));
        assert!(is_rejected(&finish(&client, "sign-in", &begun, &good).await), "G10: already used");
        let begun = begin(&client, "sign-in", &json!({})).await;
        let late = key.authenticate(&begun["options"]);
        bed.advance(600).await;
        assert!(is_rejected(&finish(&client, "sign-in", &begun, &late).await), "expired");
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        let begun = begin(&ada, "register", &json!({})).await;
        let mut second = VirtualAuthenticator::new(ORIGIN);
        let made = second.register(&begun["options"]);
        let replay = begun.clone();
        assert_eq!(finish(&ada, "register", &begun, &made).await.status, 201);
        assert_eq!(finish(&ada, "register", &replay, &made).await.code(), "invalid_passkey", "G15");
    }

    /// G2, G3, PK-02, SE-17: a ceremony of another purpose or user
    async fn ceremony_is_bound_to_its_purpose_and_user(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let bob = bed.browser("bob@example.com").await;
        let registration = begin(&ada, "register", &json!({})).await;
        let proof = begin(&ada, "verify", &json!({})).await;
        let client = bed.client();
        for begun in [&registration, &proof] {
            let mut options = begun["options"].clone();
            options["rpId"] = json!("localhost");
            let credential = key.authenticate(&options);
            assert!(is_rejected(&finish(&client, "sign-in", begun, &credential).await));
        }
        let entry = begin(&client, "sign-in", &json!({})).await;
        let credential = key.authenticate(&entry["options"]);
        assert!(is_rejected(&finish(&ada, "verify", &entry, &credential).await));
        let mut new = VirtualAuthenticator::new(ORIGIN);
        let made = new.register(&registration["options"]);
        assert_eq!(finish(&bob, "register", &registration, &made).await.code(), "invalid_passkey", "G3");
        assert_eq!(bob.get("/auth/passkeys").await.json()["passkeys"], json!([]));
        let verify = bed.client().post("/auth/verify", json!({ "challenge": entry["challenge"], "code": "123456" })).await;
        assert_eq!(verify.code(), "challenge_expired");
    }

    /// G6, PK-12: a credential ID belongs to one user
    async fn passkey_belongs_to_one_user(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let mallory = bed.browser("mallory@example.com").await;
        let answer = register(&mallory, &mut key.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "passkey_taken".to_owned()));
        let again = register(&ada, &mut key).await;
        assert_eq!(again.code(), "passkey_taken");
    }

    /// PK-23: the same shape for an unregistered email address, and only passkeys of the user count
    async fn passkey_options_do_not_reveal_a_registered_email(bed: &Bed) {
        let (_, mut key) = with_key(bed, "ada@example.com").await;
        let shape = async |body: Value| {
            let begun = begin(&bed.client(), "sign-in", &body).await;
            let mut options = begun["options"].clone();
            options["challenge"] = Value::Null;
            options
        };
        let known = shape(json!({ "email": "ada@example.com" })).await;
        assert_eq!(known, shape(json!({ "email": "nobody@example.com" })).await);
        assert_eq!(known, shape(json!({})).await);
        assert_eq!(known["userVerification"], "required");
        assert_eq!(known["allowCredentials"], json!([]));
        let client = bed.client();
        for (email, status) in [("ADA@example.com", 200), ("bob@example.com", 401), ("nonsense", 401)] {
            let begun = begin(&client, "sign-in", &json!({ "email": email })).await;
            let credential = key.authenticate(&begun["options"]);
            assert_eq!(finish(&client, "sign-in", &begun, &credential).await.status, status, "{email}");
        }
    }

    /// G17, SE-08
    async fn disabled_user_cannot_sign_in_with_a_passkey(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        bed.change(&id_of(&ada).await, json!({ "status": "disabled" })).await;
        assert!(is_rejected(&enter(&bed.client(), &mut key).await));
    }

    /// G12, G13, G14, SE-09, SE-11, PK-21
    async fn passkeys_are_listed_renamed_and_removed(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let phone = bed.client();
        sign_in(&phone, "ada@example.com", PASSWORD).await;
        let id = ada.get("/auth/passkeys").await.json()["passkeys"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/auth/passkeys/{id}");
        let bob = bed.browser("bob@example.com").await;
        let patch = async |client: &TestClient, body: Value| client.json(http::Method::PATCH, &path, &body).await;
        assert_eq!(patch(&bob, json!({ "name": "mine" })).await.status, 404);
        assert_eq!(remove(&bob, &id).await.status, 404);
        for nobodys in ["%00", "a%00b", "x"] {
            assert_eq!(remove(&ada, nobodys).await.status, 404, "{nobodys}");
        }
        assert_eq!(patch(&ada, json!({ "name": "Key ring" })).await.json()["name"], "Key ring");
        for bad in [json!({}), json!({ "name": 7 }), json!({ "name": "a\nb" }), json!({ "name": "x".repeat(65) })] {
            let answer = patch(&ada, bad.clone()).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["members"]), (422, &json!(["name"])), "{bad}");
        }
        bed.advance(600).await;
        assert_eq!(remove(&ada, &id).await.code(), "step_up_required");
        assert_eq!(ada.post("/auth/passkeys/register/start", json!({})).await.code(), "step_up_required");
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        let tablet = bed.client();
        assert_eq!(enter(&tablet, &mut key).await.status, 200);
        let before = ada.cookie("auth").unwrap();
        assert_eq!(remove(&ada, &id).await.status, 204);
        assert_ne!(ada.cookie("auth").unwrap(), before);
        assert_eq!(ada.get("/me").await.status, 200);
        assert_eq!(tablet.get("/me").await.status, 401, "SE-09: it was begun with the passkey");
        assert_eq!(phone.get("/me").await.status, 200, "it was begun with a password");
        assert!(kinds(bed, "ada@example.com").await.contains(&"notice_factor_removed".to_owned()));
        assert!(is_rejected(&enter(&bed.client(), &mut key.clone()).await));
        assert_eq!(remove(&ada, &id).await.status, 404);
    }

    /// WebAuthn Level 3 §7.1 step 15: a password manager creates a passkey without a dialog
    async fn conditional_registration_requires_no_presence(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let mut key = VirtualAuthenticator::new(ORIGIN);
        key.fault(PasskeyFault::Unattended);
        assert_eq!(register(&ada, &mut key).await.status, 422);
        let conditional = json!({ "conditional": true });
        let begun = begin(&ada, "register", &conditional).await;
        let selection = &begun["options"]["authenticatorSelection"];
        assert_eq!((&selection["userVerification"], &selection["residentKey"]), (&json!("preferred"), &json!("required")));
        let credential = key.register(&begun["options"]);
        assert_eq!(finish(&ada, "register", &begun, &credential).await.status, 201);

        let refused = ada.get("/fresh").await;
        assert_eq!(refused.code(), "step_up_required", "the user was not asked");
        assert_eq!(refused.json()["methods"][0], "passkey");
        assert!(is_rejected(&enter(&bed.client(), &mut key).await), "a sign-in requires user verification");
        key.fault(None);
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200);
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        assert_eq!(ada.get("/fresh").await.status, 200);
        bed.advance(600).await;
        assert_eq!(ada.post("/auth/passkeys/register/start", &conditional).await.code(), "step_up_required");
    }

    /// Native clients: tokens in the body
    async fn native_client_registers_a_passkey(bed: &Bed) {
        let (native, access, _) = bed.native("ada@example.com").await;
        let mut key = VirtualAuthenticator::new(ORIGIN);
        let answer = register(&native, &mut key).await;
        assert_eq!(answer.status, 201);
        let next = answer.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
        assert_eq!(native.get("/me").await.status, 401, "SE-04");
        assert_ne!(next, access);
        let next = bed.client().bearer(&next);
        assert_eq!(next.get("/me").await.status, 200);
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(remove(&next, &id).await.status, 204);
        assert_eq!(next.get("/me").await.status, 200);
    }

    /// G9, PK-26: every invalid value of every member is rejected
    async fn malformed_credentials_are_rejected(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let wrong = [Value::Null, json!(7), json!(""), json!("!"), json!("AA=="), json!([]), json!({}), json!("A".repeat(40_000))];
        for (what, refused) in [("sign-in", 401), ("register", 422)] {
            let sample = |begun: &Value, key: &mut VirtualAuthenticator| match what {
                "sign-in" => key.authenticate(&begun["options"]),
                _ => VirtualAuthenticator::new(ORIGIN).register(&begun["options"]),
            };
            let members = match what {
                "sign-in" => vec!["id", "rawId", "type", "response", "clientDataJSON", "authenticatorData", "signature", "userHandle"],
                _ => vec!["id", "rawId", "type", "response", "clientDataJSON", "attestationObject", "transports"],
            };
            for member in members {
                for value in &wrong {
                    if member == "transports" && (*value == Value::Null || *value == json!([])) {
                        continue;
                    }
                    let begun = begin(&ada, what, &json!({})).await;
                    let mut credential = sample(&begun, &mut key);
                    let inside = credential["response"].get(member).is_some();
                    let place = if inside { &mut credential["response"][member] } else { &mut credential[member] };
                    *place = value.clone();
                    let client = if what == "register" { ada.clone() } else { bed.client() };
                    let answer = finish(&client, what, &begun, &credential).await;
                    assert_eq!(answer.status, refused, "{what} {member} {value}: {}", answer.json());
                }
            }
        }
        for body in [json!({}), json!({ "challenge": 7, "credential": {} }), json!({ "challenge": "x" })] {
            let answer = ada.post("/auth/passkeys/sign-in/finish", &body).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid_request".to_owned()), "{body}");
        }
        let huge = json!({ "challenge": "x", "credential": "A".repeat(70_000) });
        assert_eq!(ada.post("/auth/passkeys/sign-in/finish", &huge).await.status, 413);
        assert_eq!(ada.get("/auth/passkeys").await.json()["passkeys"].as_array().unwrap().len(), 1);
    }

    /// An account without a password
    async fn new_user_signs_up_with_a_passkey(bed: &Bed) {
        let (grace, mut key) = (bed.client(), VirtualAuthenticator::new(ORIGIN));
        let who = json!({ "email": "Grace@example.com", "display_name": "Grace" });
        let begun = begin(&grace, "sign-up", &who).await;
        assert_eq!(begun["options"]["authenticatorSelection"]["residentKey"], "required");
        let credential = key.register(&begun["options"]);
        let answer = finish(&grace, "sign-up", &begun, &credential).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        assert_eq!(answer.json()["user"]["email"], "grace@example.com");
        assert_eq!(answer.json()["session"]["factors"][0]["method"], "passkey");
        assert_eq!(enter(&bed.client(), &mut key).await.json()["user"]["display_name"], "Grace");
        let own = grace.get("/auth/passkeys").await.json();
        let last = remove(&grace, own["passkeys"][0]["id"].as_str().unwrap()).await;
        assert_eq!((last.status.as_u16(), last.code()), (409, "last_credential".to_owned()), "G14");
        let again = finish(&bed.client(), "sign-up", &begun, &credential).await;
        assert_eq!((again.status.as_u16(), again.code()), (422, "invalid_passkey".to_owned()), "used");
        let second = begin(&grace, "sign-up", &who).await;
        let other = VirtualAuthenticator::new(ORIGIN).register(&second["options"]);
        assert_eq!(finish(&grace, "sign-up", &second, &other).await.code(), "email_taken");
        let third = begin(&grace, "sign-up", &json!({ "email": "new@example.com" })).await;
        let same = key.register(&third["options"]);
        assert_eq!(finish(&grace, "sign-up", &third, &same).await.code(), "passkey_taken");
        assert_eq!(sign_in(&bed.client(), "new@example.com", PASSWORD).await.code(), "invalid_credentials");
        let bad = bed.client().post("/auth/passkeys/sign-up/start", json!({ "email": "nonsense" })).await;
        assert_eq!(bad.code(), "invalid_email");
    }

    /// A step-up with another passkey does not hide which one began the session.
    async fn removal_of_a_passkey_ends_sessions_after_a_step_up_with_another(bed: &Bed) {
        let (ada, mut lost) = with_key(bed, "ada@example.com").await;
        let first = ada.get("/auth/passkeys").await.json()["passkeys"][0]["id"].clone();
        let mut own = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(register(&ada, &mut own).await.status, 201);
        let phone = bed.client();
        assert_eq!(enter(&phone, &mut lost).await.status, 200);
        for _ in 0..2 {
            assert_eq!(step_up(&phone, &mut own).await.status, 200);
        }
        let factors = phone.get("/auth/session").await.json()["session"]["factors"].clone();
        assert_eq!(factors.as_array().unwrap().len(), 2, "one for each passkey");
        assert_eq!(remove(&ada, first.as_str().unwrap()).await.status, 204);
        assert_eq!(phone.get("/me").await.status, 401);
    }

    /// A failure of the store is not a mistake of the client, which can repeat the request.
    async fn passkey_sign_up_reports_a_failing_store(bed: &Bed) {
        let grace = bed.client();
        let begun = begin(&grace, "sign-up", &json!({ "email": "grace@example.com" })).await;
        let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
        bed.run("ALTER TABLE auth_challenges RENAME TO elsewhere").await;
        let failed = finish(&grace, "sign-up", &begun, &credential).await;
        assert_eq!((failed.status.as_u16(), failed.code()), (503, "unavailable".to_owned()));
        bed.run("ALTER TABLE elsewhere RENAME TO auth_challenges").await;
        assert_eq!(finish(&grace, "sign-up", &begun, &credential).await.status, 201);
    }

    /// Disabled if email addresses are verified, or if sign-up is disabled
    async fn passkey_sign_up_is_disabled_with_email_verification(bed: &Bed, { "verify_email": true }) {
        let who = json!({ "email": "grace@example.com" });
        let answer = bed.client().post("/auth/passkeys/sign-up/start", &who).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "sign_up_disabled".to_owned()));
    }

    /// PK-24
    async fn well_known_passkey_documents_are_served(bed: &Bed) {
        let page = format!("{ORIGIN}/settings/passkeys");
        let endpoints = bed.client().get("/.well-known/passkey-endpoints").await;
        assert_eq!((endpoints.status.as_u16(), endpoints.header("content-type")), (200, "application/json".to_owned()));
        assert_eq!(endpoints.json(), json!({ "enroll": page, "manage": page }));
        assert_eq!(bed.client().get("/.well-known/webauthn").await.status, 404, "there are no related origins");
        assert_eq!(bed.client().get("/.well-known/change-password").await.header("location"), "/settings/password");
        for document in ["passkey-endpoints", "change-password"] {
            let answer = bed.client().get(&format!("/.well-known/{document}")).await;
            assert_eq!(answer.header("cache-control"), "public, max-age=3600", "{document}");
        }
    }

    /// Transports are a hint of any number and name
    async fn transports_are_stored_and_returned(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let mut key = VirtualAuthenticator::new(ORIGIN);
        let begun = begin(&ada, "register", &json!({})).await;
        let mut credential = key.register(&begun["options"]);
        let own: Vec<String> = (0..20).map(|at| format!("smart-card_{at}")).collect();
        let mut sent = own.clone();
        sent.extend(["usb".to_owned(), "usb".to_owned(), "ü".to_owned(), "x".repeat(40), String::new()]);
        credential["response"]["transports"] = json!(sent);
        let answer = finish(&ada, "register", &begun, &credential).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        let mut kept = own;
        kept.push("usb".to_owned());
        assert_eq!(answer.json()["transports"], json!(kept));
        let again = begin(&ada, "register", &json!({})).await;
        assert_eq!(again["options"]["excludeCredentials"][0]["transports"], json!(kept));
        let proof = begin(&ada, "verify", &json!({})).await;
        assert_eq!(proof["options"]["allowCredentials"][0]["id"], credential["id"]);
        assert_eq!(proof["options"]["allowCredentials"][0]["transports"], json!(kept));
        assert_eq!(step_up(&ada, &mut key).await.status, 200);

        let mut silent = VirtualAuthenticator::new(ORIGIN);
        let mut credential = silent.register(&again["options"]);
        credential["response"]["transports"] = json!([]);
        assert_eq!(finish(&ada, "register", &again, &credential).await.status, 201);
        let third = begin(&ada, "register", &json!({})).await;
        let excluded = third["options"]["excludeCredentials"].as_array().unwrap();
        let silent = excluded.iter().find(|own| own["id"] == credential["id"]).unwrap();
        assert_eq!((excluded.len(), silent.get("transports")), (2, None));
    }

    /// Optional members may be null or missing in every ceremony
    async fn optional_members_may_be_null_or_missing(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        for missing in [false, true] {
            let without = |mut credential: Value| {
                let members = credential.as_object_mut().unwrap();
                for name in ["clientExtensionResults", "authenticatorAttachment"] {
                    match missing {
                        true => drop(members.remove(name)),
                        false => drop(members.insert(name.to_owned(), Value::Null)),
                    }
                }
                credential
            };
            let mut key = VirtualAuthenticator::new(ORIGIN);
            let begun = begin(&ada, "register", &json!({})).await;
            let credential = without(key.register(&begun["options"]));
            let answer = finish(&ada, "register", &begun, &credential).await;
            assert_eq!(answer.status, 201, "{missing} {}", answer.json());
            for (what, client) in [("sign-in", bed.client()), ("verify", ada.clone())] {
                let begun = begin(&client, what, &json!({})).await;
                let credential = without(key.authenticate(&begun["options"]));
                let answer = finish(&client, what, &begun, &credential).await;
                assert_eq!(answer.status, 200, "{what} {missing} {}", answer.json());
            }
            let (grace, mut key) = (bed.client(), VirtualAuthenticator::new(ORIGIN));
            let who = json!({ "email": format!("grace{missing}@example.com") });
            let begun = begin(&grace, "sign-up", &who).await;
            let credential = without(key.register(&begun["options"]));
            assert_eq!(finish(&grace, "sign-up", &begun, &credential).await.status, 201, "{missing}");
        }
    }

    /// The user handle of an account is the same in all ceremonies
    async fn user_handle_never_changes(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let phone = bed.client();
        sign_in(&phone, "ada@example.com", PASSWORD).await;
        let handle = |begun: &Value| begun["options"]["user"]["id"].clone();
        let one = begin(&ada, "register", &json!({})).await;
        let two = begin(&phone, "register", &json!({})).await;
        assert_eq!(handle(&one), handle(&two), "two first registrations");
        let listed = ada.get("/auth/passkeys").await.json();
        let empty = json!({ "rpId": "localhost", "userId": handle(&one), "allAcceptedCredentialIds": [] });
        assert_eq!(listed, json!({ "passkeys": [], "signal": empty }));
        let (mut first, mut second) = (VirtualAuthenticator::new(ORIGIN), VirtualAuthenticator::new(ORIGIN));
        let made = first.register(&one["options"]);
        let made = [finish(&ada, "register", &one, &made).await, {
            let made = second.register(&two["options"]);
            finish(&phone, "register", &two, &made).await
        }];
        for key in [&mut first, &mut second] {
            assert_eq!(enter(&bed.client(), key).await.status, 200);
        }
        for made in made {
            assert_eq!((made.status.as_u16(), &made.json()["user_verified"]), (201, &json!(true)));
            assert_eq!(remove(&ada, made.json()["id"].as_str().unwrap()).await.status, 204);
        }
        assert_eq!(handle(&begin(&ada, "register", &json!({})).await), handle(&one), "after the removal");
        assert_eq!(ada.get("/auth/passkeys").await.json()["signal"], empty);
        let bob = bed.browser("bob@example.com").await;
        assert_ne!(handle(&begin(&bob, "register", &json!({})).await), handle(&one));

        let (grace, mut key) = (bed.client(), VirtualAuthenticator::new(ORIGIN));
        let begun = begin(&grace, "sign-up", &json!({ "email": "grace@example.com" })).await;
        let credential = key.register(&begun["options"]);
        assert_eq!(finish(&grace, "sign-up", &begun, &credential).await.status, 201);
        let set = grace.post("/auth/password/set", json!({ "new_password": PASSWORD })).await;
        assert_eq!(set.status, 200, "{}", set.json());
        let own = grace.get("/auth/passkeys").await.json();
        assert_eq!(own["signal"]["userId"], handle(&begun));
        assert_eq!(remove(&grace, own["passkeys"][0]["id"].as_str().unwrap()).await.status, 204);
        assert_eq!(handle(&begin(&grace, "register", &json!({})).await), handle(&begun), "of a sign-up");
    }

    /// A ceremony expires after ten minutes
    async fn ceremony_expires_after_ten_minutes(bed: &Bed) {
        let (_, mut key) = with_key(bed, "ada@example.com").await;
        let client = bed.client();
        let begun = begin(&client, "sign-in", &json!({})).await;
        assert_eq!(begun["options"]["timeout"], 600_000);
        let credential = key.authenticate(&begun["options"]);
        bed.advance(599).await;
        assert_eq!(finish(&client, "sign-in", &begun, &credential).await.status, 200);
    }

    /// A name has 1 to 64 printable characters
    async fn passkey_name_must_be_printable(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let mut key = VirtualAuthenticator::new(ORIGIN);
        let begun = begin(&ada, "register", &json!({})).await;
        let credential = key.register(&begun["options"]);
        let finish_as = async |name: &str| {
            let body = json!({ "challenge": begun["challenge"], "credential": credential, "name": name });
            ada.post("/auth/passkeys/register/finish", &body).await
        };
        let bad = ["", "a\tb", "a\u{2028}b", "a\u{202e}b", &"x".repeat(65)];
        let refused = |answer: TestResponse, name: &str| {
            assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid_request".to_owned()), "{name:?}");
            assert_eq!(answer.json()["members"], json!(["name"]), "{name:?}");
        };
        for name in bad {
            refused(finish_as(name).await, name);
        }
        let longest = "ü".repeat(64);
        let made = finish_as(&longest).await;
        assert_eq!((made.status.as_u16(), &made.json()["name"]), (201, &json!(longest)));
        let path = format!("/auth/passkeys/{}", made.json()["id"].as_str().unwrap());
        for name in bad {
            refused(ada.json(http::Method::PATCH, &path, json!({ "name": name })).await, name);
        }
        let renamed = ada.json(http::Method::PATCH, &path, json!({ "name": "x" })).await;
        assert_eq!((renamed.status.as_u16(), &renamed.json()["user_verified"]), (200, &json!(true)));
    }

    /// The response to an unsupported key suggests another authenticator
    async fn unsupported_key_error_suggests_another_authenticator(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        for fault in [PasskeyFault::KeyLong, PasskeyFault::AlgorithmOther] {
            let mut key = VirtualAuthenticator::new(ORIGIN);
            key.fault(fault);
            let answer = register(&ada, &mut key).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid_passkey".to_owned()));
            let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
            assert!(detail.contains("another authenticator"), "{fault:?}: {detail}");
            let begun = begin(&bed.client(), "sign-up", &json!({ "email": "grace@example.com" })).await;
            let credential = key.register(&begun["options"]);
            let answer = finish(&bed.client(), "sign-up", &begun, &credential).await;
            let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
            assert!(detail.contains("another authenticator"), "{fault:?}: {detail}");
        }
        let mut key = VirtualAuthenticator::new(ORIGIN);
        key.fault(PasskeyFault::ChallengeOther);
        let other = register(&ada, &mut key).await.json()["detail"].to_string();
        assert!(!other.contains("another authenticator"), "{other}");
    }

    /// A verification cannot begin without a pending sign-in, or without a passkey
    async fn passkey_verification_requires_a_pending_sign_in_and_a_passkey(bed: &Bed, { "sign_in_code": true, "verify_email": true }) {
        let unknown = bed.client().post("/auth/passkeys/verify/start", json!({ "challenge": "ach_x" })).await;
        assert_eq!((unknown.status.as_u16(), unknown.code()), (401, "challenge_expired".to_owned()));
        let ada = bed.client();
        let begun = sign_up(&ada, "ada@example.com").await;
        let code = last_code(bed, "ada@example.com").await;
        ada.post("/auth/verify", json!({ "challenge": begun.json()["challenge"], "code": code })).await;
        bed.advance(60).await;
        let pending = sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!(pending.status, 202);
        let body = json!({ "challenge": pending.json()["challenge"] });
        let none = bed.client().post("/auth/passkeys/verify/start", &body).await;
        assert_eq!((none.status.as_u16(), none.code()), (404, "no_passkey".to_owned()));
    }

    /// Extension outputs and additional members of clients are ignored
    async fn unknown_members_are_ignored(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let dressed = |mut credential: Value| {
            credential["clientExtensionResults"] = json!({
                "appid": "no", "credProps": { "rk": "yes" }, "hmacCreateSecret": 7, "hmacGetSecret": null,
                "credProtect": "new", "minPinLength": -1, "prf": { "enabled": true }, "largeBlob": [],
            });
            credential["authenticatorAttachment"] = json!("hybrid");
            credential["isConditional"] = json!(true);
            credential["response"]["publicKeyAlgorithm"] = Value::Null;
            credential["response"]["future"] = json!([1]);
            credential
        };
        let mut key = VirtualAuthenticator::new(ORIGIN);
        let begun = begin(&ada, "register", &json!({})).await;
        let credential = dressed(key.register(&begun["options"]));
        let answer = finish(&ada, "register", &begun, &credential).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        for (what, client) in [("sign-in", bed.client()), ("verify", ada.clone())] {
            let begun = begin(&client, what, &json!({})).await;
            let credential = dressed(key.authenticate(&begun["options"]));
            let answer = finish(&client, what, &begun, &credential).await;
            assert_eq!(answer.status, 200, "{what} {}", answer.json());
        }
        // An empty user handle counts as absent, which is accepted if the user is known.
        for (what, client, status) in [("verify", ada.clone(), 200), ("sign-in", bed.client(), 401)] {
            let begun = begin(&client, what, &json!({})).await;
            let mut credential = key.authenticate(&begun["options"]);
            credential["response"]["userHandle"] = json!("");
            assert_eq!(finish(&client, what, &begun, &credential).await.status, status, "{what}");
        }
    }

    /// Only the newest prompt of a pending sign-in is valid
    async fn only_the_newest_prompt_is_valid(
        bed: &Bed,
        { "sign_in_code": true, "verify_email": true, "code_ttl_s": 1200 }
    ) {
        let ada = verified_user(bed, "ada@example.com").await;
        let mut key = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(register(&ada, &mut key).await.status, 201);
        bed.advance(60).await;
        let phone = bed.client();
        let pending = sign_in(&phone, "ada@example.com", PASSWORD).await.json();
        let handle = json!({ "challenge": pending["challenge"] });
        let first = begin(&phone, "verify", &handle).await;
        let second = begin(&phone, "verify", &handle).await;
        assert_ne!(first["options"]["challenge"], second["options"]["challenge"]);
        let entry = key.authenticate(&second["options"]);
        assert!(is_rejected(&finish(&phone, "sign-in", &second, &entry).await), "another purpose");
        let stale = key.authenticate(&first["options"]);
        assert!(is_rejected(&finish(&phone, "verify", &first, &stale).await), "an older prompt");
        let mut starts = JoinSet::new();
        for _ in 0..4 {
            let (phone, handle) = (phone.clone(), handle.clone());
            starts.spawn(async move { begin(&phone, "verify", &handle).await });
        }
        assert_eq!(starts.join_all().await.len(), 4);
        bed.advance(600).await;
        let begun = begin(&phone, "verify", &handle).await;
        let credential = key.authenticate(&begun["options"]);
        let done = finish(&phone, "verify", &begun, &credential).await;
        assert_eq!(done.status, 200, "{}", done.json());

        bed.advance(60).await;
        let pending = sign_in(&phone, "ada@example.com", PASSWORD).await.json();
        let begun = begin(&phone, "verify", &json!({ "challenge": pending["challenge"] })).await;
        for _ in 0..5 {
            let wrong = json!({ "challenge": pending["challenge"], "code": "wrong" });
            assert_eq!(phone.post("/auth/verify", &wrong).await.code(), "invalid_code");
        }
        let credential = key.authenticate(&begun["options"]);
        assert!(is_rejected(&finish(&phone, "verify", &begun, &credential).await), "out of attempts");
    }

    /// A changed backup eligibility is rejected; the event names the passkey, and the response of a
    /// step-up names the remedy
    async fn changed_backup_eligibility_error_names_the_remedy(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        key.fault(PasskeyFault::BackupEligible);
        assert_eq!(enter(&bed.client(), &mut key).await.json().get("detail"), None, "PK-23");
        let refused = step_up(&ada, &mut key).await;
        assert!(is_rejected(&refused));
        assert!(refused.json()["detail"].as_str().unwrap().contains("register it again"));
        let own = ada.get("/auth/passkeys").await.json()["passkeys"][0]["id"].clone();
        let user = id_of(&ada).await;
        let events = bed.bed.watch.all();
        let changed = events.iter().filter(|event| {
            event.kind == EventKind::PasskeyRefused
                && event.detail.get("reason") == Some(&json!("backup_eligibility"))
        });
        let named: Vec<_> = changed
            .map(|event| (event.user_id.as_ref().map(ToString::to_string), event.detail.get("passkey_id").cloned()))
            .collect();
        assert_eq!(named, vec![(Some(user), Some(own)); 2]);
    }

    /// Concurrent registrations do not exceed the limit of 20
    async fn concurrent_registrations_stay_within_the_limit(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        for _ in 0..17 {
            assert_eq!(register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
        }
        let mut ready = Vec::new();
        for _ in 0..4 {
            let client = bed.client();
            assert_eq!(enter(&client, &mut key).await.status, 200);
            let begun = begin(&client, "register", &json!({})).await;
            let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
            ready.push((client, begun, credential));
        }
        let mut tries = JoinSet::new();
        for (client, begun, credential) in ready {
            tries.spawn(async move {
                finish(&client, "register", &begun, &credential).await.status.as_u16()
            });
        }
        let mut answers = tries.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers, [201, 201, 403, 403]);
        let listed = ada.get("/auth/passkeys").await.json();
        assert_eq!(listed["passkeys"].as_array().unwrap().len(), 20);
        let more = ada.post("/auth/passkeys/register/start", json!({})).await;
        assert_eq!((more.status.as_u16(), more.code()), (403, "forbidden".to_owned()));
    }

    /// G18
    async fn passkey_options_are_rate_limited(bed: &Bed) {
        for _ in 0..300 {
            begin(&bed.client(), "sign-in", &json!({})).await;
        }
        let answer = bed.client().post("/auth/passkeys/sign-in/start", json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (429, "rate_limited".to_owned()));
        assert!(!answer.header("retry-after").is_empty());
    }
}
