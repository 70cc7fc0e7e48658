//! Sign-in with Strava, an OAuth 2.0 provider without OpenID Connect, on
//! <http://localhost:3000/auth/oauth/strava/start>.
//!
//! ```sh
//! STRAVA_ID=… STRAVA_SECRET=… cargo run --example provider --features oauth
//! ```

use std::{env, fmt, net::SocketAddr, time::Duration};

use authlayer::{
    Auth, AuthUser, OAuth, Provider, RequireUser, SqliteStore,
    flow::{ProviderError, ProviderProfile, ProviderRequest},
};
use axum::{Router, routing::get};
use reqwest::redirect::Policy;
use serde::Deserialize;

/// The provider.
pub struct Strava {
    /// The base URL, without a slash at the end.
    pub url: String,
    /// The client id of the application.
    pub client_id: String,
    /// The client secret of the application.
    pub client_secret: String,
    /// An HTTP client that follows no redirects.
    pub http: reqwest::Client,
}

/// The client secret is not printed.
impl fmt::Debug for Strava {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strava").field("url", &self.url).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Token {
    athlete: Athlete,
}

#[derive(Deserialize)]
struct Athlete {
    id: u64,
    firstname: String,
    profile: String,
}

impl Provider for Strava {
    fn id(&self) -> &str {
        "strava"
    }

    fn issuer(&self) -> &str {
        &self.url
    }

    async fn authorization_url(&self, request: &ProviderRequest) -> Result<String, ProviderError> {
        // State, redirect URI and the code challenge of PKCE.
        let endpoint = format!("{}/oauth/authorize", self.url);
        Ok(request.authorization_url(&endpoint, &self.client_id, "read"))
    }

    async fn redeem_code(
        &self,
        code: &str,
        request: &ProviderRequest,
    ) -> Result<ProviderProfile, ProviderError> {
        // The code with its redirect URI and the code verifier of PKCE.
        let mut form = request.token_form(code);
        form.push(("client_id", self.client_id.clone()));
        form.push(("client_secret", self.client_secret.clone()));
        let request = self.http.post(format!("{}/oauth/token", self.url)).form(&form);
        let Token { athlete } = request.send().await?.error_for_status()?.json().await?;
        // Strava returns no email address: the identity is found by issuer and subject alone.
        Ok(ProviderProfile::new(athlete.id.to_string())
            .display_name(athlete.firstname)
            .avatar_url(athlete.profile))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let http = reqwest::Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(10));
    let strava = Strava {
        url: "https://www.strava.com".to_owned(),
        client_id: env::var("STRAVA_ID")?,
        client_secret: env::var("STRAVA_SECRET")?,
        http: http.build()?,
    };
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin("http://localhost:3000")
        .flow(OAuth::new(strava))
        .build()?;
    let app = Router::new()
        .route("/", get(|user: AuthUser| async move { format!("{:?}", user.display_name) }))
        .route_layer(RequireUser::new())
        .nest("/auth", auth.router())
        .layer(auth.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("open http://localhost:3000/auth/oauth/strava/start");
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
