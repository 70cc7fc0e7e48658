//! Identities behind a gateway.

use authlayer::{
    ForwardedSubject, Subject, TrustGatewayLayer, set_forwarded_subject, testing::TestApp,
};
use axum::{Json, Router, routing::get};
use http::HeaderMap;
use serde_json::{Value, json};

async fn service(networks: &[&str]) -> TestApp {
    let who = get(async |ForwardedSubject(subject): ForwardedSubject| Json(subject));
    let headers = get(async |headers: HeaderMap| {
        let ours = headers.keys().filter(|name| name.as_str().starts_with("x-auth")).count();
        Json(json!({ "left": ours }))
    });
    let trust = TrustGatewayLayer::new(networks.iter().copied()).unwrap();
    TestApp::serve(Router::new().route("/who", who).route("/headers", headers).layer(trust)).await
}

fn forwarded(subject: &Subject) -> String {
    let mut headers = HeaderMap::new();
    headers.insert("x-auth-subject", "forged".parse().unwrap());
    headers.insert("x-auth-anything", "forged".parse().unwrap());
    set_forwarded_subject(&mut headers, Some(subject)).unwrap();
    assert_eq!(headers.len(), 1, "no header of the client is forwarded");
    headers["x-auth-subject"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn service_behind_a_gateway_receives_the_same_subject() {
    let mut subject = Subject::service("billing");
    subject.roles = vec!["accountant".to_owned(), "\u{e9}".to_owned()];
    let header = forwarded(&subject);
    let app = service(&["127.0.0.0/8"]).await;
    let client = app.client().with("x-auth-subject", header.clone());
    let seen: Subject = serde_json::from_value(client.get("/who").await.json()).unwrap();
    assert_eq!(seen, subject);
    assert_eq!(
        client.get("/headers").await.json(),
        json!({ "left": 0 }),
        "only the extractor has the subject"
    );
}

#[tokio::test]
async fn subject_header_is_ignored_from_untrusted_networks() {
    let header = forwarded(&Subject::service("billing"));
    for networks in [&["10.0.0.0/8"][..], &[]] {
        let app = service(networks).await;
        let client = app.client().with("x-auth-subject", header.clone());
        assert_eq!(client.get("/who").await.code(), "unauthenticated", "{networks:?}");
        assert_eq!(client.get("/headers").await.json(), json!({ "left": 0 }));
    }
    let app = service(&["127.0.0.1"]).await;
    assert_eq!(app.client().get("/who").await.status, 401, "without a subject header");
    for bad in ["", "x", "e30x", "bnVsbA", &"A".repeat(20_000)] {
        let client = app.client().with("x-auth-subject", bad);
        let answer = client.get("/who").await;
        assert!([401, 431].contains(&answer.status.as_u16()), "{bad:.20}: {}", answer.status);
    }
    let twice = app.client().with("x-auth-subject", header.clone()).with("x-auth-subject", header);
    assert_eq!(twice.get("/who").await.status, 401, "twice");
    assert!(TrustGatewayLayer::new(["everybody"]).is_err());
}

#[tokio::test]
async fn missing_subject_is_forwarded_as_anonymous() {
    let mut headers = HeaderMap::new();
    headers.insert("x-auth-subject", "forged".parse().unwrap());
    set_forwarded_subject(&mut headers, None).unwrap();
    assert!(headers.is_empty());
    let header = forwarded(&Subject::anonymous());
    let app = service(&["127.0.0.1"]).await;
    let seen = app.client().with("x-auth-subject", header).get("/who").await.json();
    assert_eq!((&seen["kind"], &seen["id"]), (&json!("anonymous"), &Value::Null));
}
