//! Passkeys: registration, sign-in, second factor, step-up, and everything that is refused.

use authlayer::{
    EventKind,
    testing::{Answer, Client, PasskeyFault, SoftPasskey},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    codes::{kinds, last_code, proved},
    support::{Bed, PASSWORD, id_of, on_every_store, sign_in, sign_up},
};

pub(crate) const ORIGIN: &str = "http://localhost:3000";

pub(crate) async fn begin(client: &Client, what: &str, body: &Value) -> Value {
    let answer = client.post(&format!("/auth/passkeys/{what}/start"), body).await;
    assert_eq!(answer.status, 200, "{what}: {}", answer.json());
    answer.json()
}

pub(crate) async fn finish(
    client: &Client,
    what: &str,
    begun: &Value,
    credential: &Value,
) -> Answer {
    let body =
        json!({ "challenge": begun["challenge"], "credential": credential, "name": "My key" });
    client.post(&format!("/auth/passkeys/{what}/finish"), &body).await
}

pub(crate) async fn register(client: &Client, key: &mut SoftPasskey) -> Answer {
    let begun = begin(client, "register", &json!({})).await;
    let credential = key.register(&begun["options"]);
    finish(client, "register", &begun, &credential).await
}

pub(crate) async fn enter(client: &Client, key: &mut SoftPasskey) -> Answer {
    let begun = begin(client, "sign-in", &json!({})).await;
    let credential = key.authenticate(&begun["options"]);
    finish(client, "sign-in", &begun, &credential).await
}

pub(crate) async fn step_up(client: &Client, key: &mut SoftPasskey) -> Answer {
    let begun = begin(client, "verify", &json!({})).await;
    let credential = key.authenticate(&begun["options"]);
    finish(client, "verify", &begun, &credential).await
}

/// A browser with a passkey.
pub(crate) async fn with_key(bed: &Bed, email: &str) -> (Client, SoftPasskey) {
    let (client, mut key) = (bed.browser(email).await, SoftPasskey::new(ORIGIN));
    let answer = register(&client, &mut key).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    (client, key)
}

async fn remove(client: &Client, id: &str) -> Answer {
    client.send(http::Method::DELETE, &format!("/auth/passkeys/{id}"), &[], b"").await
}

fn is_refused(answer: &Answer) -> bool {
    (answer.status.as_u16(), answer.code()) == (401, "invalid_passkey".to_owned())
}

on_every_store! {
    /// PK-01, PK-13, PK-14, PK-15, PK-20, SE-04
    async fn a_passkey_is_made_and_signs_in(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let before = ada.cookie("auth").unwrap();
        let mut key = SoftPasskey::new(ORIGIN);
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
        assert_eq!(elsewhere.get("/auth/identities").await.json()["passkeys"], Value::Null, "no provider is registered here");
    }

    /// PK-16, PK-22, SE-04
    async fn a_session_steps_up(bed: &Bed) {
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
        assert!(is_refused(&finish(&ada, "verify", &begun, &credential).await), "another's passkey");
        let begun = begin(&ada, "verify", &json!({})).await;
        let credential = key.authenticate(&begun["options"]);
        assert!(is_refused(&finish(&bob, "verify", &begun, &credential).await), "G3: another's session");
        assert_eq!(ada.get("/me").await.status, 200, "the session stays");
        let eve = bed.browser("eve@example.com").await;
        let none = eve.post("/auth/passkeys/verify/start", &json!({})).await;
        assert_eq!((none.status.as_u16(), none.code()), (404, "no_passkey".to_owned()));
        assert_eq!(bed.client().post("/auth/passkeys/verify/start", &json!({})).await.code(), "unauthenticated");
    }

    /// A passkey may stand in for a code; and alone it is enough
    async fn a_pending_sign_in_takes_a_passkey(bed: &Bed, { "sign_in_code": true, "verify_email": true }) {
        let ada = bed.client();
        let begun = sign_up(&ada, "ada@example.com").await;
        let code = last_code(bed, "ada@example.com").await;
        ada.post("/auth/verify", &json!({ "challenge": begun.json()["challenge"], "code": code })).await;
        let mut key = SoftPasskey::new(ORIGIN);
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
        let again = phone.post("/auth/passkeys/verify/start", &json!({ "challenge": handle })).await;
        assert_eq!(again.code(), "challenge_expired", "the sign-in is over");
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200, "a passkey alone");
        let wrong = phone.post("/auth/passkeys/verify/start", &json!({ "challenge": "ach_x" })).await;
        assert_eq!(wrong.code(), "challenge_expired");
    }

    /// G7, PK-04, PK-05, PK-06, PK-07, PK-08, PK-09, PK-10, PK-11, PK-12, PK-26: what makes no passkey
    async fn a_bad_registration_is_refused(bed: &Bed) {
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
            let mut key = SoftPasskey::new(ORIGIN);
            key.fault(fault);
            let answer = register(&ada, &mut key).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid_passkey".to_owned()), "{fault:?}");
        }
        assert_eq!(ada.get("/auth/passkeys").await.json()["passkeys"], json!([]));
        let mut key = SoftPasskey::new(ORIGIN);
        key.set_id_length(1023);
        assert_eq!(register(&ada, &mut key).await.status, 201, "the longest id");
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200);
    }

    /// G4, G7, PK-04, PK-05, PK-06, PK-07, PK-08, PK-09, PK-17, PK-18, PK-19, PK-23: what signs nobody in, in one answer
    async fn a_bad_assertion_is_refused(bed: &Bed) {
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
            assert!(is_refused(&answer), "{fault:?}: {}", answer.json());
            assert!(client.cookie("auth").is_none(), "{fault:?}");
            bodies.push(answer.body);
            if fault == PasskeyFault::BackupEligible {
                let mut events = bed.bed.watch.all().into_iter();
                let named = events.any(|event| event.detail.get("reason") == Some(&json!("backup_eligibility")));
                assert!(named, "the event names the reason");
            }
        }
        assert_eq!(bed.bed.watch.count(EventKind::PasskeyCloned), 1);
        let unknown = enter(&bed.client(), &mut SoftPasskey::new(ORIGIN)).await;
        bodies.push(unknown.body);
        assert!(bodies.iter().all(|body| *body == bodies[0]), "PK-23: one answer");
        key.fault(None);
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200);
    }

    /// G1, G10, PK-03
    async fn a_ceremony_is_good_once(bed: &Bed) {
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
        assert!(is_refused(&finish(&client, "sign-in", &begun, &bad).await));
        assert!(is_refused(&finish(&client, "sign-in", &begun, &good).await), "G10: used up");
        let begun = begin(&client, "sign-in", &json!({})).await;
        let late = key.authenticate(&begun["options"]);
        bed.advance(600).await;
        assert!(is_refused(&finish(&client, "sign-in", &begun, &late).await), "expired");
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        let begun = begin(&ada, "register", &json!({})).await;
        let mut second = SoftPasskey::new(ORIGIN);
        let made = second.register(&begun["options"]);
        let replay = begun.clone();
        assert_eq!(finish(&ada, "register", &begun, &made).await.status, 201);
        assert_eq!(finish(&ada, "register", &replay, &made).await.code(), "invalid_passkey", "G15");
    }

    /// G2, G3, PK-02, SE-17: a ceremony of another purpose or user
    async fn a_ceremony_has_one_purpose(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let bob = bed.browser("bob@example.com").await;
        let registration = begin(&ada, "register", &json!({})).await;
        let proof = begin(&ada, "verify", &json!({})).await;
        let client = bed.client();
        for begun in [&registration, &proof] {
            let mut options = begun["options"].clone();
            options["rpId"] = json!("localhost");
            let credential = key.authenticate(&options);
            assert!(is_refused(&finish(&client, "sign-in", begun, &credential).await));
        }
        let entry = begin(&client, "sign-in", &json!({})).await;
        let credential = key.authenticate(&entry["options"]);
        assert!(is_refused(&finish(&ada, "verify", &entry, &credential).await));
        let mut new = SoftPasskey::new(ORIGIN);
        let made = new.register(&registration["options"]);
        assert_eq!(finish(&bob, "register", &registration, &made).await.code(), "invalid_passkey", "G3");
        assert_eq!(bob.get("/auth/passkeys").await.json()["passkeys"], json!([]));
        let verify = bed.client().post("/auth/verify", &json!({ "challenge": entry["challenge"], "code": "123456" })).await;
        assert_eq!(verify.code(), "challenge_expired");
    }

    /// G6, PK-12: an id is one user's
    async fn a_passkey_has_one_owner(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let mallory = bed.browser("mallory@example.com").await;
        let answer = register(&mallory, &mut key.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "passkey_taken".to_owned()));
        let again = register(&ada, &mut key).await;
        assert_eq!(again.code(), "passkey_taken");
    }

    /// PK-23: the same shape for an address that nobody has; and it must be the owner's
    async fn an_address_tells_nothing(bed: &Bed) {
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
    async fn a_disabled_user_stays_out_with_a_passkey(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        bed.change(&id_of(&ada).await, json!({ "status": "disabled" })).await;
        assert!(is_refused(&enter(&bed.client(), &mut key).await));
    }

    /// G12, G13, G14, SE-09, SE-11, PK-21
    async fn passkeys_are_named_and_removed(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let phone = bed.client();
        sign_in(&phone, "ada@example.com", PASSWORD).await;
        let id = ada.get("/auth/passkeys").await.json()["passkeys"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/auth/passkeys/{id}");
        let bob = bed.browser("bob@example.com").await;
        let patch = async |client: &Client, body: Value| client.json(http::Method::PATCH, &path, &body).await;
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
        assert_eq!(ada.post("/auth/passkeys/register/start", &json!({})).await.code(), "step_up_required");
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
        assert!(is_refused(&enter(&bed.client(), &mut key.clone()).await));
        assert_eq!(remove(&ada, &id).await.status, 404);
    }

    /// Native clients: tokens in the body
    async fn a_native_client_registers(bed: &Bed) {
        let (native, access, _) = bed.native("ada@example.com").await;
        let mut key = SoftPasskey::new(ORIGIN);
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

    /// G9, PK-26: every member wrong in every way is refused and breaks nothing
    async fn malformed_answers_are_refused(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let wrong = [Value::Null, json!(7), json!(""), json!("!"), json!("AA=="), json!([]), json!({}), json!("A".repeat(40_000))];
        for (what, refused) in [("sign-in", 401), ("register", 422)] {
            let sample = |begun: &Value, key: &mut SoftPasskey| match what {
                "sign-in" => key.authenticate(&begun["options"]),
                _ => SoftPasskey::new(ORIGIN).register(&begun["options"]),
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
    async fn somebody_new_signs_up_with_a_passkey(bed: &Bed) {
        let (grace, mut key) = (bed.client(), SoftPasskey::new(ORIGIN));
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
        let other = SoftPasskey::new(ORIGIN).register(&second["options"]);
        assert_eq!(finish(&grace, "sign-up", &second, &other).await.code(), "email_taken");
        let third = begin(&grace, "sign-up", &json!({ "email": "new@example.com" })).await;
        let same = key.register(&third["options"]);
        assert_eq!(finish(&grace, "sign-up", &third, &same).await.code(), "passkey_taken");
        assert_eq!(sign_in(&bed.client(), "new@example.com", PASSWORD).await.code(), "invalid_credentials");
        let bad = bed.client().post("/auth/passkeys/sign-up/start", &json!({ "email": "nonsense" })).await;
        assert_eq!(bad.code(), "invalid_email");
    }

    /// Where addresses are proved, or nobody signs up
    async fn a_sign_up_with_a_passkey_can_be_off(bed: &Bed, { "verify_email": true }) {
        let who = json!({ "email": "grace@example.com" });
        let answer = bed.client().post("/auth/passkeys/sign-up/start", &who).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "sign_up_disabled".to_owned()));
    }

    /// PK-24
    async fn browsers_and_managers_find_their_documents(bed: &Bed) {
        let origins = bed.client().get("/.well-known/webauthn").await;
        assert_eq!((origins.status.as_u16(), origins.header("content-type")), (200, "application/json".to_owned()));
        assert_eq!(origins.json(), json!({ "origins": [ORIGIN] }));
        let page = format!("{ORIGIN}/settings/passkeys");
        let endpoints = bed.client().get("/.well-known/passkey-endpoints").await;
        assert_eq!(endpoints.json(), json!({ "enroll": page, "manage": page }));
        assert_eq!(bed.client().get("/.well-known/change-password").await.header("location"), "/settings/password");
    }

    /// Transports are a hint of any number and name
    async fn transports_are_taken_and_given_back(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let mut key = SoftPasskey::new(ORIGIN);
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

        let mut silent = SoftPasskey::new(ORIGIN);
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
            let mut key = SoftPasskey::new(ORIGIN);
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
            let (grace, mut key) = (bed.client(), SoftPasskey::new(ORIGIN));
            let who = json!({ "email": format!("grace{missing}@example.com") });
            let begun = begin(&grace, "sign-up", &who).await;
            let credential = without(key.register(&begun["options"]));
            assert_eq!(finish(&grace, "sign-up", &begun, &credential).await.status, 201, "{missing}");
        }
    }

    /// The user handle of an account is the same from the first ceremony on
    async fn the_user_handle_never_changes(bed: &Bed) {
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
        let (mut first, mut second) = (SoftPasskey::new(ORIGIN), SoftPasskey::new(ORIGIN));
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

        let (grace, mut key) = (bed.client(), SoftPasskey::new(ORIGIN));
        let begun = begin(&grace, "sign-up", &json!({ "email": "grace@example.com" })).await;
        let credential = key.register(&begun["options"]);
        assert_eq!(finish(&grace, "sign-up", &begun, &credential).await.status, 201);
        let set = grace.post("/auth/password/set", &json!({ "new_password": PASSWORD })).await;
        assert_eq!(set.status, 200, "{}", set.json());
        let own = grace.get("/auth/passkeys").await.json();
        assert_eq!(own["signal"]["userId"], handle(&begun));
        assert_eq!(remove(&grace, own["passkeys"][0]["id"].as_str().unwrap()).await.status, 204);
        assert_eq!(handle(&begin(&grace, "register", &json!({})).await), handle(&begun), "of a sign-up");
    }

    /// A ceremony lives ten minutes
    async fn a_ceremony_lives_ten_minutes(bed: &Bed) {
        let (_, mut key) = with_key(bed, "ada@example.com").await;
        let client = bed.client();
        let begun = begin(&client, "sign-in", &json!({})).await;
        assert_eq!(begun["options"]["timeout"], 600_000);
        let credential = key.authenticate(&begun["options"]);
        bed.advance(599).await;
        assert_eq!(finish(&client, "sign-in", &begun, &credential).await.status, 200);
    }

    /// A name has 1 to 64 printable characters
    async fn a_name_is_printable(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let mut key = SoftPasskey::new(ORIGIN);
        let begun = begin(&ada, "register", &json!({})).await;
        let credential = key.register(&begun["options"]);
        let finish_as = async |name: &str| {
            let body = json!({ "challenge": begun["challenge"], "credential": credential, "name": name });
            ada.post("/auth/passkeys/register/finish", &body).await
        };
        let bad = ["", "a\tb", "a\u{2028}b", "a\u{202e}b", &"x".repeat(65)];
        let refused = |answer: Answer, name: &str| {
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
            refused(ada.json(http::Method::PATCH, &path, &json!({ "name": name })).await, name);
        }
        let renamed = ada.json(http::Method::PATCH, &path, &json!({ "name": "x" })).await;
        assert_eq!((renamed.status.as_u16(), &renamed.json()["user_verified"]), (200, &json!(true)));
    }

    /// A key that is not supported: the answer asks for another authenticator
    async fn an_unsupported_key_is_explained(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        for fault in [PasskeyFault::KeyLong, PasskeyFault::AlgorithmOther] {
            let mut key = SoftPasskey::new(ORIGIN);
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
        let mut key = SoftPasskey::new(ORIGIN);
        key.fault(PasskeyFault::ChallengeOther);
        let other = register(&ada, &mut key).await.json()["detail"].to_string();
        assert!(!other.contains("another authenticator"), "{other}");
    }

    /// A proof cannot begin without its sign-in, or without a passkey
    async fn a_proof_needs_a_pending_sign_in_and_a_passkey(bed: &Bed, { "sign_in_code": true, "verify_email": true }) {
        let unknown = bed.client().post("/auth/passkeys/verify/start", &json!({ "challenge": "ach_x" })).await;
        assert_eq!((unknown.status.as_u16(), unknown.code()), (401, "challenge_expired".to_owned()));
        let ada = bed.client();
        let begun = sign_up(&ada, "ada@example.com").await;
        let code = last_code(bed, "ada@example.com").await;
        ada.post("/auth/verify", &json!({ "challenge": begun.json()["challenge"], "code": code })).await;
        bed.advance(60).await;
        let pending = sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!(pending.status, 202);
        let body = json!({ "challenge": pending.json()["challenge"] });
        let none = bed.client().post("/auth/passkeys/verify/start", &body).await;
        assert_eq!((none.status.as_u16(), none.code()), (404, "no_passkey".to_owned()));
    }

    /// Extension outputs and members that clients add stop no ceremony
    async fn unknown_members_stop_no_ceremony(bed: &Bed) {
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
        let mut key = SoftPasskey::new(ORIGIN);
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
        // An empty user handle is none: enough where the user is known.
        for (what, client, status) in [("verify", ada.clone(), 200), ("sign-in", bed.client(), 401)] {
            let begun = begin(&client, what, &json!({})).await;
            let mut credential = key.authenticate(&begun["options"]);
            credential["response"]["userHandle"] = json!("");
            assert_eq!(finish(&client, what, &begun, &credential).await.status, status, "{what}");
        }
    }

    /// Of the prompts of one pending sign-in the newest counts
    async fn the_newest_prompt_counts(
        bed: &Bed,
        { "sign_in_code": true, "verify_email": true, "code_ttl_s": 1200 }
    ) {
        let ada = proved(bed, "ada@example.com").await;
        let mut key = SoftPasskey::new(ORIGIN);
        assert_eq!(register(&ada, &mut key).await.status, 201);
        bed.advance(60).await;
        let phone = bed.client();
        let pending = sign_in(&phone, "ada@example.com", PASSWORD).await.json();
        let handle = json!({ "challenge": pending["challenge"] });
        let first = begin(&phone, "verify", &handle).await;
        let second = begin(&phone, "verify", &handle).await;
        assert_ne!(first["options"]["challenge"], second["options"]["challenge"]);
        let entry = key.authenticate(&second["options"]);
        assert!(is_refused(&finish(&phone, "sign-in", &second, &entry).await), "another purpose");
        let stale = key.authenticate(&first["options"]);
        assert!(is_refused(&finish(&phone, "verify", &first, &stale).await), "an older prompt");
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
        assert!(is_refused(&finish(&phone, "verify", &begun, &credential).await), "out of attempts");
    }

    /// A changed backup eligibility is refused; the event names the passkey, and a step-up what to do
    async fn changed_backup_eligibility_is_explained(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        key.fault(PasskeyFault::BackupEligible);
        assert_eq!(enter(&bed.client(), &mut key).await.json().get("detail"), None, "PK-23");
        let refused = step_up(&ada, &mut key).await;
        assert!(is_refused(&refused));
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

    /// Parallel registrations do not pass the limit of 20
    async fn parallel_registrations_stay_within_the_limit(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        for _ in 0..17 {
            assert_eq!(register(&ada, &mut SoftPasskey::new(ORIGIN)).await.status, 201);
        }
        let mut ready = Vec::new();
        for _ in 0..4 {
            let client = bed.client();
            assert_eq!(enter(&client, &mut key).await.status, 200);
            let begun = begin(&client, "register", &json!({})).await;
            let credential = SoftPasskey::new(ORIGIN).register(&begun["options"]);
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
        let more = ada.post("/auth/passkeys/register/start", &json!({})).await;
        assert_eq!((more.status.as_u16(), more.code()), (403, "forbidden".to_owned()));
    }

    /// G18
    async fn options_are_limited(bed: &Bed) {
        for _ in 0..300 {
            begin(&bed.client(), "sign-in", &json!({})).await;
        }
        let answer = bed.client().post("/auth/passkeys/sign-in/start", &json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (429, "rate_limited".to_owned()));
        assert!(!answer.header("retry-after").is_empty());
    }
}
