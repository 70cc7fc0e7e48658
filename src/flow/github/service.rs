//! The GitHub provider, without HTTP.

use std::error::Error as _;

use serde_json::{Map, Value};

use super::GitHub;
use crate::{
    error::{AuthError, ErrorKind},
    outbound::{Wire, form, trouble},
    provider::{
        Provider, ProviderError, ProviderProfile, ProviderRequest, ProviderTokens, ascii_domain,
    },
};

const SCOPE: &str = "read:user user:email";
/// Maximum pages of 100 email addresses each.
const MAX_PAGES: usize = 10;

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
        let client = || options.client.clone();
        let (web, api) =
            (Wire::new(client(), &options.web_url)?, Wire::new(client(), &options.api_url)?);
        Ok(Self { options, web, api })
    }

    async fn token(
        &self,
        code: &str,
        request: &ProviderRequest,
    ) -> Result<ProviderTokens, AuthError> {
        let pairs = [
            ("client_id", &*self.options.client_id),
            ("client_secret", &self.options.secret),
            ("code", code),
            ("redirect_uri", &request.redirect_uri),
            ("code_verifier", &request.verifier),
        ];
        let url = format!("{}/login/oauth/access_token", self.options.web_url);
        let (good, body) = self.web.post(&url, form(&pairs), None).await?;
        // GitHub responds to an invalid code with 200 and an `error`.
        match body.get("access_token").and_then(Value::as_str) {
            Some(token) if good && body.get("error").is_none() => {
                let mut tokens = ProviderTokens::new(token);
                tokens.read_members(|name| body.get(name).cloned());
                Ok(tokens)
            }
            _ => Err(trouble("GitHub did not issue a token for the code")),
        }
    }

    /// Returns the primary email address, and whether GitHub has verified it. Returns `None` if the
    /// app has no permission to read email addresses.
    async fn email(&self, token: &str) -> Result<Option<(String, bool)>, AuthError> {
        let base = format!("{}/user/emails", self.options.api_url);
        let mut url = format!("{base}?per_page=100");
        for _ in 0..MAX_PAGES {
            let answer = self.api.fetch(&url, Some(token)).await?;
            match answer.status() {
                200 => {}
                status @ (403 | 404) => {
                    tracing::warn!(
                        status,
                        "GitHub does not list email addresses: grant the app permission to read \
                         them, otherwise new users cannot sign in"
                    );
                    return Ok(None);
                }
                status => return Err(trouble(format!("/user/emails returned {status}"))),
            }
            let page = answer.json()?;
            let all = page.as_array().ok_or_else(|| trouble("/user/emails returned no list"))?;
            let is = |entry: &Value, name: &str| entry.get(name) == Some(&Value::Bool(true));
            if let Some(own) = all.iter().find(|entry| is(entry, "primary")) {
                let address = own.get("email").and_then(Value::as_str);
                return Ok(address.map(|text| (ascii_domain(text), is(own, "verified"))));
            }
            // The token is sent only to the configured API, regardless of the host in the link.
            match answer.next().and_then(|next| next.split_once('?')) {
                Some((_, query)) => url = format!("{base}?{query}"),
                None => break,
            }
        }
        Ok(None)
    }

    /// Returns the profile of a GitHub user. Without a verified primary email address, a linked
    /// identity can sign in, but no user is created.
    async fn profile(&self, id: u64, user: &Map<String, Value>, token: &str) -> ProviderProfile {
        let (address, newcomer) = match self.email(token).await {
            Ok(Some(address)) => (Some(address), None),
            Ok(None) => (None, Some(ErrorKind::EmailNotVerified)),
            Err(error) => {
                let cause = error.source().map(tracing::field::display);
                tracing::warn!(cause, "GitHub did not list the email addresses of a user");
                (None, Some(ErrorKind::ProviderError))
            }
        };
        let text = |name: &str| user.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        ProviderProfile {
            subject: id.to_string(),
            email_verified: address.as_ref().is_some_and(|(_, verified)| *verified),
            email: address.map(|(text, _)| text),
            newcomer,
            display_name: text("name").or_else(|| text("login")),
            username: text("login"),
            avatar_url: text("avatar_url"),
            ..ProviderProfile::default()
        }
    }
}

impl Provider for GitHubProvider {
    fn id(&self) -> &'static str {
        "github"
    }

    fn issuer(&self) -> &str {
        &self.options.web_url
    }

    async fn authorization_url(&self, request: &ProviderRequest) -> Result<String, ProviderError> {
        let challenge = request.code_challenge();
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

    /// GitHub sends no `iss` so far; a different issuer is rejected.
    async fn check_issuer(&self, iss: Option<&str>) -> Result<bool, ProviderError> {
        let own = format!("{}/login/oauth", self.options.web_url);
        Ok(iss.is_none_or(|iss| iss == self.options.web_url || iss == own))
    }

    async fn redeem_code(
        &self,
        code: &str,
        request: &ProviderRequest,
    ) -> Result<ProviderProfile, ProviderError> {
        let tokens = self.token(code, request).await?;
        let token = &*tokens.access_token;
        let url = format!("{}/user", self.options.api_url);
        let user = self.api.get(&url, Some(token)).await?;
        let id = user.get("id").and_then(Value::as_u64).filter(|id| *id > 0);
        match (id, user) {
            (Some(id), Value::Object(user)) => {
                let profile = self.profile(id, &user, token).await;
                Ok(profile.tokens(tokens))
            }
            _ => Err(ProviderError::new("/user returned no valid user id")),
        }
    }
}
