//! A stream of server-sent events that ends with the session of its user.

#[allow(dead_code, missing_docs, reason = "shared by the examples; each uses a part")]
mod common;

use std::convert::Infallible;

use authlayer::{Auth, ConnectedUser, Password, SqliteStore};
use axum::{
    Router,
    response::sse::{Event, Sse},
    routing::get,
};
use futures_util::{Stream, StreamExt, stream};

/// Sends the subject, and again after each change of its roles, scopes, tenant or attributes. The
/// stream ends with the session.
async fn listen(user: ConnectedUser) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (user, live) = user.into_parts();
    let first = stream::iter([user.subject()]);
    let changes = stream::unfold(live, async |mut live| Some((live.changed().await?, live)));
    Sse::new(first.chain(changes).map(|subject| {
        let event = Event::default().event("subject").json_data(subject);
        Ok(event.unwrap_or_else(|_| Event::default().event("unreadable")))
    }))
}

#[tokio::main]
async fn main() -> common::Outcome {
    let port = common::port()?;
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .flow(Password::new())
        .build()?;
    let app = Router::new()
        .route("/events", get(listen))
        .nest("/auth", auth.router())
        .layer(auth.layer());
    common::serve(port, app).await
}
