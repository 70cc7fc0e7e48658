//! The mail queue between a response and the delivery of its message.

use std::{sync::Arc, time::Duration};

use authlayer::{
    Auth, EmailCodes, ErrorKind, EventKind, Password, PasswordReset, RateLimits, SqliteStore,
    crypto::password::{Argon2Params, PasswordHashing},
    flow::password::SignUp,
    mail::{DefaultTemplates, DeliveryError, Mailer, Message, english},
    model::ClientInfo,
    store::EventQuery,
    testing::{EventRecorder, Mailbox},
};
use serde_json::json;
use tokio::{sync::Semaphore, time::timeout};

use crate::support::until;

/// Accepts a message when the test permits it.
#[derive(Clone, Debug)]
struct Held {
    let_go: Arc<Semaphore>,
    inner: Mailbox,
}

impl Mailer for Held {
    async fn send(&self, message: Message) -> Result<(), DeliveryError> {
        self.let_go.acquire().await.map_err(DeliveryError::permanent)?.forget();
        self.inner.send(message).await
    }
}

fn password() -> Password {
    let cheap = Argon2Params { m_kib: 64, t: 1, p: 1 };
    Password::new().insecure_scheme(PasswordHashing::argon2id_with(cheap))
}

async fn signs_up(auth: &Auth, email: &str) {
    let metadata = json!({ "locale": "de-AT" }).as_object().unwrap().clone();
    let sign_up = SignUp::new(email, crate::support::PASSWORD).user_metadata(metadata);
    let service = auth.service::<Password>().unwrap();
    let outcome = service.sign_up(&crate::support::client_of(auth), sign_up).await.unwrap();
    assert!(matches!(outcome, authlayer::SignInOutcome::Complete(_)));
}

/// A full queue returns 503 for every email address, and an orderly shutdown loses no accepted
/// message.
#[tokio::test]
async fn full_queue_reveals_nothing_and_shutdown_loses_no_message() {
    let held = Held { let_go: Arc::new(Semaphore::new(0)), inner: Mailbox::default() };
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.com")
        .mailer(held.clone())
        .mail_queue_capacity(1)
        .rate_limits(RateLimits::disabled())
        .flow(password())
        .flow(PasswordReset::new())
        .build()
        .unwrap();
    signs_up(&auth, "ada@example.com").await;
    let reset = auth.service::<PasswordReset>().unwrap();
    reset.request("ada@example.com", &ClientInfo::default()).await.unwrap();
    assert!(held.inner.all().is_empty(), "the response precedes the delivery");
    for email in ["ada@example.com", "nobody@example.com"] {
        let refused = reset.request(email, &ClientInfo::default()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{email}");
    }
    held.let_go.add_permits(1);
    auth.shutdown(Duration::from_secs(60)).await;
    assert_eq!(held.inner.all().len(), 1);
    reset.request("nobody@example.com", &ClientInfo::default()).await.unwrap();
}

/// A permanent delivery failure emits an event, and messages use the language of the user.
#[tokio::test]
async fn rejected_message_emits_an_event_and_messages_are_localized() {
    let held = Held { let_go: Arc::new(Semaphore::new(1)), inner: Mailbox::default() };
    let watch = EventRecorder::default();
    let german = |kind| authlayer::mail::MessageText { subject: "Neues Passwort", ..english(kind) };
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.com")
        .mailer(held.clone())
        .event_sink(watch.clone())
        .templates(DefaultTemplates::default().language("de", german))
        .flow(password())
        .flow(PasswordReset::new().resend_interval(Duration::ZERO))
        .build()
        .unwrap();
    signs_up(&auth, "ada@example.com").await;
    let reset = auth.service::<PasswordReset>().unwrap();
    reset.request("ada@example.com", &ClientInfo::default()).await.unwrap();
    auth.shutdown(Duration::from_secs(60)).await;
    assert_eq!(held.inner.all()[0].subject, "Neues Passwort");
    held.let_go.close();
    reset.request("ada@example.com", &ClientInfo::default()).await.unwrap();
    auth.shutdown(Duration::from_secs(60)).await;
    assert_eq!(watch.count(EventKind::MailFailed), 1);
}

/// An unresponsive mail server delays neither the audit log nor requests, and the process exits
/// by the deadline.
#[tokio::test]
async fn shutdown_does_not_wait_for_an_unresponsive_mail_server() {
    let held = Held { let_go: Arc::new(Semaphore::new(0)), inner: Mailbox::default() };
    let watch = EventRecorder::default();
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.com")
        .mailer(held.clone())
        .mail_queue_capacity(2)
        .event_sink(watch.clone())
        .audit_log(Duration::from_secs(3600))
        .flow(password())
        .flow(PasswordReset::new().resend_interval(Duration::ZERO))
        .build()
        .unwrap();
    signs_up(&auth, "ada@example.com").await;
    let reset = auth.service::<PasswordReset>().unwrap();
    reset.request("ada@example.com", &ClientInfo::default()).await.unwrap();

    let stopping = tokio::spawn({
        let auth = auth.clone();
        async move { auth.shutdown(Duration::from_secs(2)).await }
    });
    let audit = auth.audit_log().unwrap();
    let kept = async |kind| {
        let query = EventQuery::default().kind(kind);
        audit.query(&query, 10).await.unwrap().len()
    };
    until("the audit log is written first", async || kept(EventKind::SignedUp).await == 1).await;
    assert!(!stopping.is_finished());
    reset.request("ada@example.com", &ClientInfo::default()).await.unwrap();
    timeout(Duration::from_secs(30), stopping).await.expect("an end").unwrap();
    // The second message counts if it was queued before the shutdown of the queue.
    let failed = watch.count(EventKind::MailFailed);
    assert!((1..=2).contains(&failed), "{failed}");
    assert_eq!(kept(EventKind::MailFailed).await, failed);
    assert!(held.inner.all().is_empty());
}

#[tokio::test]
async fn flows_that_send_email_require_a_mailer() {
    for (flow, word) in [(0, "codes: "), (1, "reset: ")] {
        let builder = Auth::builder(SqliteStore::memory().await.unwrap());
        let builder = builder.origin("https://app.example.com").flow(password());
        let built = match flow {
            0 => builder.flow(EmailCodes::new()).build(),
            _ => builder.flow(PasswordReset::new()).build(),
        };
        let said = built.unwrap_err().to_string();
        assert!(said.starts_with(word) && said.contains("mailer"), "{said}");
    }
    for codes in [
        EmailCodes::new().code_length(5),
        EmailCodes::new().max_attempts(11),
        EmailCodes::new().lifetime(Duration::from_secs(3601)),
    ] {
        let builder = Auth::builder(SqliteStore::memory().await.unwrap());
        let builder = builder.origin("https://app.example.com").mailer(Mailbox::default());
        assert!(builder.flow(codes).build().is_err());
    }
}
