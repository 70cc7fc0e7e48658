//! An authenticated WebSocket that closes with code 4401 when the session of its user ends.
//!
//! A page of the application connects with its cookie. Another client requests a ticket with its
//! token from `POST /auth/ticket`, and connects to `/ws?ticket=…` within half a minute. A ticket
//! can be used once.

#[allow(dead_code, missing_docs, reason = "shared by the examples; each uses a part")]
mod common;

use authlayer::{Auth, ConnectedUser, Password, SqliteStore};
use axum::{
    Router,
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    response::Response,
    routing::any,
};

async fn connect(user: ConnectedUser, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| talk(user, socket))
}

async fn talk(user: ConnectedUser, mut socket: WebSocket) {
    let (user, mut live) = user.into_parts();
    let name = user.display_name.clone().unwrap_or_else(|| user.id.to_string());
    loop {
        tokio::select! {
            // Returns within a second after a sign-out on any node, a ban or the expiry.
            () = live.ended() => {
                let frame = CloseFrame { code: 4401, reason: "signed out".into() };
                let _gone = socket.send(Message::Close(Some(frame))).await;
                return;
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    // Roles may have changed since the connection was opened.
                    let may_shout = live.subject().is_some_and(|now| now.roles.contains(&"loud".into()));
                    let text = if may_shout { text.to_uppercase() } else { text.to_string() };
                    if socket.send(Message::text(format!("{name}: {text}"))).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                _ => return,
            }
        }
    }
}

#[tokio::main]
async fn main() -> common::Outcome {
    let port = common::port()?;
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .flow(Password::new())
        .build()?;
    let app =
        Router::new().route("/ws", any(connect)).nest("/auth", auth.router()).layer(auth.layer());
    common::serve(port, app).await
}
