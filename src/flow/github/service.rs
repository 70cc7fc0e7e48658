//! GitHub, without HTTP.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::GitHub;
use crate::{
    error::{AuthError, ErrorKind},
    identity::{Ended, Profile, Provider, Request, Rules},
    outbound::{Wire, form, trouble},
};

const SCOPE: &str = "read:user user:email";

#[derive(Debug)]
pub(super) struct GitHubProvider {
    options: GitHub,
    web: Wire,
    api: Wire,
}

impl GitHubProvider {
    pub(super) fn new(mut options: GitHub) -> Result<Self, String> {
        for url in [&mut options.web_url, &mut options.api_url] {
            url.truncate(url.trim_end_matches('/').len());
        }
        let client = || options.knobs.client.clone();
        let (web, api) =
            (Wire::new(client(), &options.web_url)?, Wire::new(client(), &options.api_url)?);
        Ok(Self { options, web, api })
    }

    async fn token(&self, code: &str, request: &Request) -> Result<String, AuthError> {
        let pairs = [
            ("client_id", &*self.options.client_id),
            ("client_secret", &self.options.secret),
            ("code", code),
            ("redirect_uri", &request.redirect_uri),
            ("code_verifier", &request.verifier),
        ];
        let url = format!("{}/login/oauth/access_token", self.options.web_url);
        let (good, body) = self.web.post(&url, form(&pairs), None).await?;
        // GitHub answers 200 with an `error` for a code that is not good.
        match body.get("access_token").and_then(Value::as_str) {
            Some(token) if good && body.get("error").is_none() => Ok(token.to_owned()),
            _ => Err(trouble("GitHub gave no token for the code")),
        }
    }

    /// The primary address, if it is verified.
    async fn email(&self, token: &str) -> Result<Option<String>, AuthError> {
        let url = format!("{}/user/emails", self.options.api_url);
        let body = self.api.get(&url, Some(token)).await?;
        let all = body.as_array().ok_or_else(|| trouble("GitHub listed no addresses"))?;
        let is = |entry: &Value, name: &str| entry.get(name) == Some(&Value::Bool(true));
        let own = all.iter().find(|entry| is(entry, "primary") && is(entry, "verified"));
        Ok(own.and_then(|own| own.get("email")).and_then(Value::as_str).map(ToOwned::to_owned))
    }
}

#[async_trait]
impl Provider for GitHubProvider {
    fn id(&self) -> &'static str {
        "github"
    }

    fn issuer(&self) -> &str {
        &self.options.web_url
    }

    fn rules(&self) -> &Rules {
        &self.options.knobs.rules
    }

    async fn authorization_url(&self, request: &Request) -> Result<String, AuthError> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&*request.verifier));
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.options.client_id),
            ("redirect_uri", &request.redirect_uri),
            ("scope", SCOPE),
            ("state", &request.state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok(format!("{}/login/oauth/authorize?{query}", self.options.web_url))
    }

    /// GitHub sends none so far; one that is another's is refused all the same.
    async fn check_issuer(&self, iss: Option<&str>) -> Result<(), AuthError> {
        let own = format!("{}/login/oauth", self.options.web_url);
        match iss {
            Some(iss) if iss != self.options.web_url && iss != own => {
                Err(ErrorKind::InvalidState.into())
            }
            _ => Ok(()),
        }
    }

    async fn redeem(&self, code: &str, request: &Request) -> Result<Profile, AuthError> {
        let token = self.token(code, request).await?;
        let url = format!("{}/user", self.options.api_url);
        let user = self.api.get(&url, Some(&token)).await?;
        let id = user.get("id").and_then(Value::as_u64).filter(|id| *id > 0);
        let id = id.ok_or_else(|| trouble("GitHub named no user"))?;
        let email = self.email(&token).await?.ok_or(ErrorKind::EmailNotVerified)?;
        let text = |name: &str| user.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        Ok(Profile {
            subject: id.to_string(),
            email: Some(email),
            email_verified: true,
            display_name: text("name").or_else(|| text("login")),
            username: text("login"),
            avatar_url: text("avatar_url"),
            ..Profile::default()
        })
    }

    async fn end_session_url(&self, _: Option<&str>) -> Result<Option<String>, AuthError> {
        Ok(None)
    }

    async fn read_logout(&self, _: &str) -> Result<Option<Ended>, AuthError> {
        Ok(None)
    }
}
