//! An application's own forms of sign-in, with second factors, and sign-out.
//!
//! The form gets everything that the routes do: limits, cookies, the check of its origin, the end of
//! the session before. `Client` is the client of the request, and `return_to` is checked.

use std::{net::SocketAddr, sync::Arc};

use authlayer::{
    Auth, AuthError, AuthUser, Client, Password, RequireUser, SignInOutcome, SignedOut,
    SqliteStore, flow::PasswordService, services::PendingChallenges, session::Sessions,
};
use axum::{
    Form, Router,
    extract::{Query, State},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use minijinja::{Environment, context};
use serde::Deserialize;

#[derive(Clone)]
struct App {
    password: PasswordService,
    pending: PendingChallenges,
    sessions: Sessions,
    templates: Arc<Environment<'static>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SignIn {
    email: String,
    password: String,
    code: String,
    return_to: Option<String>,
}

impl App {
    fn page(&self, form: &SignIn, wants_code: bool, error: Option<&AuthError>) -> Html<String> {
        let (email, return_to, error) = (&form.email, &form.return_to, error.map(AuthError::title));
        let values = context! { email, return_to, wants_code, error };
        let page = self.templates.get_template("sign-in.html").and_then(|page| page.render(values));
        Html(page.unwrap_or_else(|error| error.to_string()))
    }

    fn respond(
        &self,
        outcome: Result<SignInOutcome, AuthError>,
        form: &SignIn,
        code: bool,
    ) -> Response {
        match outcome {
            Ok(SignInOutcome::Complete(signed_in)) => signed_in.redirect(),
            Ok(SignInOutcome::Pending(pending)) => pending.redirect_to("/sign-in/code"),
            Err(error) => (error.status(), self.page(form, code, Some(&error))).into_response(),
        }
    }
}

async fn sign_in(State(app): State<App>, client: Client, Form(form): Form<SignIn>) -> Response {
    let client = client.with_return_to(form.return_to.as_deref());
    let outcome = app.password.sign_in(&client, &form.email, &form.password).await;
    app.respond(outcome, &form, false)
}

async fn code(State(app): State<App>, client: Client, Form(form): Form<SignIn>) -> Response {
    let outcome = app.pending.verify(&client, None, &form.code).await;
    app.respond(outcome, &form, true)
}

async fn sign_out(
    State(app): State<App>,
    client: Client,
) -> Result<(SignedOut, Redirect), AuthError> {
    Ok((app.sessions.sign_out(&client, None).await?, Redirect::to("/sign-in")))
}

/// The name of the template ends with `.html`, so its values are escaped.
const PAGE: &str = r#"<!doctype html><html lang="en"><title>Sign in</title><h1>Sign in</h1>
{% if error %}<p role="alert">{{ error }}</p>{% endif %}
<form method="post">
{% if return_to %}<input type="hidden" name="return_to" value="{{ return_to }}">{% endif %}
{% if wants_code %}<label>Code <input name="code" autocomplete="one-time-code"></label>
{% else %}<label>Email address <input name="email" autocomplete="username" value="{{ email }}"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
{% endif %}<button>Continue</button></form></html>"#;

const INBOX: &str =
    r#"<h1>Inbox</h1><form method="post" action="/sign-out"><button>Sign out</button></form>"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .flow(Password::new())
        .build()?;
    let mut templates = Environment::new();
    templates.add_template("sign-in.html", PAGE)?;
    let (password, pending) = (auth.service::<Password>()?, auth.pending());
    let sessions = auth.sessions().clone();
    let app = App { password, pending, sessions, templates: Arc::new(templates) };

    let show =
        async |State(app): State<App>, Query(form): Query<SignIn>| app.page(&form, false, None);
    let show_code = async |State(app): State<App>| app.page(&SignIn::default(), true, None);
    let router = Router::new()
        .route("/inbox", get(async |_: AuthUser| Html(INBOX)))
        .route_layer(RequireUser::new().or_redirect("/sign-in"))
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-in/code", get(show_code).post(code))
        .route("/sign-out", post(sign_out))
        .nest("/auth", auth.router())
        .layer(auth.layer())
        .with_state(app);

    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("open http://localhost:{port}/inbox");
    Ok(axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
