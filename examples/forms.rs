//! A sign-in form of the application, with second factors: <http://localhost:3000/inbox>.
//!
//! ```sh
//! cargo run --example forms
//! ```

use std::net::SocketAddr;

use authlayer::{
    Auth, AuthError, AuthUser, Client, Password, RequireUser, SignInOutcome, SqliteStore,
    flow::PasswordService, services::PendingChallenges,
};
use axum::{
    Form, Router,
    extract::{Query, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

#[derive(Clone)]
struct App {
    password: PasswordService,
    pending: PendingChallenges,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SignIn {
    email: String,
    password: String,
    code: String,
    return_to: Option<String>,
}

fn page(form: &SignIn, asks_for_code: bool, error: Option<&AuthError>) -> Html<String> {
    let error = error
        .map_or(String::new(), |error| format!(r#"<p role="alert">{}</p>"#, escape(error.title())));
    let return_to = form.return_to.as_deref().map_or(String::new(), |target| {
        format!(r#"<input type="hidden" name="return_to" value="{}">"#, escape(target))
    });
    let fields = if asks_for_code {
        r#"<input name="code" autocomplete="one-time-code">"#.to_owned()
    } else {
        format!(
            r#"<input name="email" type="email" autocomplete="username" value="{}">
            <input name="password" type="password" autocomplete="current-password">"#,
            escape(&form.email)
        )
    };
    Html(format!(
        r#"<!doctype html><h1>Sign in</h1>{error}
        <form method="post">{return_to}{fields}<button>Continue</button></form>"#
    ))
}

/// Escapes text for HTML. A template engine does this for you.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

async fn sign_in(State(app): State<App>, client: Client, Form(form): Form<SignIn>) -> Response {
    let client = client.with_return_to(form.return_to.as_deref());
    respond(app.password.sign_in(&client, &form.email, &form.password).await, &form, false)
}

/// The challenge of the pending sign-in is in a cookie.
async fn code(State(app): State<App>, client: Client, Form(form): Form<SignIn>) -> Response {
    respond(app.pending.verify(&client, None, &form.code).await, &form, true)
}

fn respond(outcome: Result<SignInOutcome, AuthError>, form: &SignIn, code: bool) -> Response {
    match outcome {
        Ok(SignInOutcome::Complete(signed_in)) => signed_in.redirect(),
        Ok(SignInOutcome::Pending(pending)) => pending.redirect_to("/sign-in/code"),
        Err(error) => (error.status(), page(form, code, Some(&error))).into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin("http://localhost:3000")
        .flow(Password::new())
        .build()?;
    let app = App { password: auth.service::<Password>()?, pending: auth.pending() };
    let router = Router::new()
        .route("/inbox", get(|user: AuthUser| async move { user.id.to_string() }))
        .route_layer(RequireUser::new().or_redirect("/sign-in"))
        .route(
            "/sign-in",
            get(async |Query(form): Query<SignIn>| page(&form, false, None)).post(sign_in),
        )
        .route("/sign-in/code", get(async || page(&SignIn::default(), true, None)).post(code))
        .nest("/auth", auth.router())
        .layer(auth.layer())
        .with_state(app);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("open http://localhost:3000/inbox");
    Ok(axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
