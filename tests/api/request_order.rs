//! The order of checks: the body arrives, the user is authenticated, the body is parsed.

use authlayer::testing::{TestClient, VirtualAuthenticator};
use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    codes::kinds,
    passkeys::begin,
    providers::with_providers,
    support::{Bed, PASSWORD, on_every_store, sign_in},
};

const JSON: (&str, &str) = ("content-type", "application/json");

/// A request whose last byte is not sent yet.
struct Held(TcpStream, u8);

/// Sends all but the last byte of a request, once the server wants its body.
async fn hold_back(bed: &Bed, client: &TestClient, path: &str, body: &Value) -> Held {
    let cookies: Vec<_> =
        client.cookies().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body = body.to_string().into_bytes();
    let (last, rest) = body.split_last().unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
        cookie: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        cookies.join("; "),
        body.len()
    );
    let mut stream = TcpStream::connect(bed.app.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // Every decision that does not need the body has been made when this response arrives.
    let wanted = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut response = vec![0; wanted.len()];
    stream.read_exact(&mut response).await.unwrap();
    assert_eq!(response, wanted, "{path}: {}", String::from_utf8_lossy(&response));
    stream.write_all(rest).await.unwrap();
    Held(stream, *last)
}

impl Held {
    /// Sends the rest, and reads the status of the response.
    async fn finish(mut self) -> u16 {
        self.0.write_all(&[self.1]).await.unwrap();
        let mut response = Vec::new();
        self.0.read_to_end(&mut response).await.unwrap();
        let response = String::from_utf8_lossy(&response).into_owned();
        response.split(' ').nth(1).and_then(|status| status.parse().ok()).expect(&response)
    }
}

async fn sign_out_everywhere(client: &TestClient) {
    let path = "/auth/sessions?scope=all";
    assert_eq!(client.send(Method::DELETE, path, &[], b"").await.status, 200);
}

on_every_store! {
    async fn session_revoked_before_the_last_byte_writes_nothing(bed: &Bed) {
        let email = "ada@example.com";
        let ada = bed.browser(email).await;
        let mut key = VirtualAuthenticator::new("http://localhost:3000");
        let begun = begin(&ada, "register", &json!({})).await;
        let credential = key.register(&begun["options"]);
        let mut held = Vec::new();
        for (path, body) in [
            ("/auth/api-keys", json!({ "name": "planted" })),
            ("/auth/passkeys/register/finish", json!({ "challenge": begun["challenge"], "credential": credential })),
            ("/auth/password/change", json!({ "current_password": PASSWORD, "new_password": "zq8 xw2v fig" })),
            ("/auth/password/verify", json!({ "password": PASSWORD })),
            ("/auth/email/change", json!({ "new_email": "thief@example.com" })),
            ("/auth/ticket", json!({})),
        ] {
            held.push((path, hold_back(bed, &ada, path, &body).await));
        }
        sign_out_everywhere(&ada).await;
        for (path, held) in held {
            assert_eq!(held.finish().await, 401, "{path}");
        }
        let ada = bed.client();
        assert_eq!(sign_in(&ada, email, PASSWORD).await.status, 200, "the password is unchanged");
        assert_eq!(ada.get("/auth/api-keys").await.json()["api_keys"], json!([]));
        assert_eq!(ada.get("/auth/passkeys").await.json()["passkeys"], json!([]));
        assert!(kinds(bed, "thief@example.com").await.is_empty());
    }

    /// Errors in a body are reported only to authenticated users.
    async fn user_is_authenticated_before_the_body_is_validated(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let made = ada.post("/auth/api-keys", json!({ "name": "x", "scopes": [] })).await.json();
        let program = bed.client().bearer(made["key"].as_str().unwrap());
        let (anonymous, broken) = (bed.client(), bed.client().bearer("aat_broken"));
        let long = vec![b'x'; 20 * 1024];
        let of = async |client: &TestClient, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]| {
            let answer = client.send(method, path, headers, body).await;
            (answer.status.as_u16(), answer.code())
        };
        type Headers<'a> = &'a [(&'a str, &'a str)];
        let bodies: [(Headers<'_>, &[u8]); 4] = [(&[], b"x"), (&[JSON], b"{"), (&[JSON], b"[]"), (&[JSON], b"{}")];
        let writes = [
            (Method::POST, "/auth/api-keys"), (Method::DELETE, "/auth/api-keys/x"),
            (Method::POST, "/auth/password/change"), (Method::POST, "/auth/password/verify"),
            (Method::POST, "/auth/password/set"), (Method::POST, "/auth/email/change"),
            (Method::POST, "/auth/email/verify"), (Method::POST, "/auth/ticket"),
            (Method::POST, "/auth/passkeys/register/start"), (Method::PATCH, "/auth/passkeys/x"),
            (Method::DELETE, "/auth/passkeys/x"), (Method::DELETE, "/auth/sessions/x"),
            (Method::DELETE, "/auth/sessions"), (Method::DELETE, "/auth/account"),
        ];
        for (method, path) in &writes {
            for (headers, body) in bodies {
                for client in [&anonymous, &broken] {
                    let found = of(client, method.clone(), path, headers, body).await;
                    assert_eq!(found, (401, "unauthenticated".to_owned()), "{method} {path}");
                }
                let found = of(&program, method.clone(), path, headers, body).await;
                assert_eq!(found, (403, "forbidden".to_owned()), "{method} {path}");
            }
            let found = of(&anonymous, method.clone(), path, &[], &long).await;
            assert_eq!(found, (413, "payload_too_large".to_owned()), "{method} {path}");
            let found = of(&ada, method.clone(), path, &[], b"x").await;
            assert_eq!(found, (415, "unsupported_media_type".to_owned()), "{method} {path}");
        }
        for path in ["/auth/session", "/auth/sessions", "/auth/api-keys", "/auth/passkeys"] {
            assert_eq!(of(&program, Method::GET, path, &[], b"").await, (403, "forbidden".to_owned()), "{path}");
        }
        // A route without a required user ignores an API key.
        let found = of(&program, Method::POST, "/auth/sign-in", &[JSON], b"{").await;
        assert_eq!(found, (400, "invalid_request".to_owned()));
        bed.advance(600).await;
        for (path, status) in [("/auth/api-keys", 403), ("/auth/email/change", 403), ("/auth/password/change", 422)] {
            assert_eq!(of(&ada, Method::POST, path, &[JSON], b"{}").await.0, status, "{path}");
        }
    }

    async fn route_without_members_accepts_an_empty_body_or_an_object(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let text: &[(&str, &str)] = &[("content-type", "text/plain")];
        for path in ["/auth/ticket", "/auth/passkeys/register/start", "/auth/passkeys/sign-in/start"] {
            for (headers, body, passes, status) in [
                (&[][..], &b""[..], true, 0), (text, b"", true, 0), (&[JSON], b"", true, 0),
                (&[JSON], b"{\"unknown\":1}", true, 0),
                (text, b"{}", false, 415), (&[], b"{}", false, 415), (&[JSON], b"{", false, 400), (&[JSON], b"[]", false, 422),
            ] {
                let answer = ada.send(Method::POST, path, headers, body).await;
                let status = if passes { answer.status.as_u16() } else { status };
                assert_eq!(answer.status.as_u16(), status, "{path}");
                assert_eq!(answer.status.is_success(), passes, "{path}: {}", answer.json());
            }
        }
        let begun = bed.client().send(Method::POST, "/auth/passkeys/verify/start", text, b"x").await;
        assert_eq!(begun.status, 415, "the body may name a pending sign-in");
        let begun = bed.client().send(Method::POST, "/auth/passkeys/verify/start", text, b"").await;
        assert_eq!(begun.code(), "unauthenticated");
    }
}

with_providers! {
    async fn link_is_not_started_by_a_revoked_session(world: &World) {
        let ada = world.bed.browser("ada@example.com").await;
        let mut held = Vec::new();
        for path in ["/auth/oauth/fake/link", "/auth/oauth/fake/step-up"] {
            held.push(hold_back(&world.bed, &ada, path, &json!({ "redirect_to": "/" })).await);
        }
        sign_out_everywhere(&ada).await;
        for held in held {
            assert_eq!(held.finish().await, 401);
        }
    }
}
