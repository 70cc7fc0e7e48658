//! An OAuth 2.0 provider, without HTTP.

use super::{OAuth2, token};
use crate::{
    outbound::{ExtraHeaders, RequestBody, Wire, basic, form, origin},
    provider::{Provider, ProviderError, ProviderProfile, ProviderRequest},
};

#[derive(Debug)]
pub(super) struct OAuth2Provider {
    options: OAuth2,
    token: Wire,
    api: Wire,
    headers: ExtraHeaders,
    /// For the revocation of tokens, at its URL.
    revocation: Option<(Wire, String)>,
}

impl OAuth2Provider {
    pub(super) fn new(options: OAuth2) -> Result<Self, String> {
        let wire = |url: &str| Wire::new(options.client.clone(), url);
        wire(&options.endpoints.authorization)?;
        let (token, api) = (wire(&options.endpoints.token)?, wire(&options.endpoints.user_info)?);
        let headers = ExtraHeaders::new(&options.headers)?;
        let revocation = match options.revocation_url.clone() {
            Some(url) => Some((wire(&url)?, url)),
            None => None,
        };
        Ok(Self { options, token, api, headers, revocation })
    }
}

impl OAuth2Provider {
    /// Authenticates the client in the header, which is returned, or with parameters of the body
    /// (RFC 6749 §2.3.1).
    fn authenticate<'a>(&'a self, pairs: &mut Vec<(&'static str, &'a str)>) -> Option<String> {
        let options = &self.options;
        match &options.secret {
            Some(secret) if !options.client_secret_post => Some(basic(&options.client_id, secret)),
            secret => {
                pairs.push(("client_id", &options.client_id));
                pairs.extend(secret.iter().map(|secret| ("client_secret", &**secret)));
                None
            }
        }
    }
}

impl Provider for OAuth2Provider {
    fn id(&self) -> &str {
        &self.options.id
    }

    fn issuer(&self) -> &str {
        &self.options.issuer
    }

    fn accepts_pkce(&self) -> bool {
        self.options.pkce
    }

    async fn authorization_url(&self, request: &ProviderRequest) -> Result<String, ProviderError> {
        let scope = request.scope(&self.options.scopes);
        let challenge = request.code_challenge();
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &*self.options.client_id),
            ("redirect_uri", request.redirect_uri()),
            ("state", request.state()),
        ];
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        if self.options.pkce {
            pairs.push(("code_challenge", &challenge));
            pairs.push(("code_challenge_method", "S256"));
        }
        let params = request.params(&self.options.parameters);
        pairs.extend(params.iter().map(|(name, value)| (&**name, &**value)));
        let endpoint = &self.options.endpoints.authorization;
        let sign = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{sign}{}", form(&pairs)))
    }

    /// The provider has no issuer (RFC 8414). An `iss` in a callback must have the origin of the
    /// authorization endpoint.
    async fn check_issuer(&self, iss: Option<&str>) -> Result<bool, ProviderError> {
        let own = origin(&self.options.endpoints.authorization);
        Ok(iss.is_none_or(|iss| own.is_some() && origin(iss) == own))
    }

    async fn redeem_code(
        &self,
        code: &str,
        request: &ProviderRequest,
    ) -> Result<ProviderProfile, ProviderError> {
        let options = &self.options;
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", request.redirect_uri()),
        ];
        if options.pkce {
            pairs.push(("code_verifier", request.code_verifier()));
        }
        let header = self.authenticate(&mut pairs);
        let (url, headers) = (&options.endpoints.token, &self.headers);
        let body = match options.token_request_json {
            true => RequestBody::json(&pairs),
            false => RequestBody::form(&pairs),
        };
        let answer = self.token.post_with(url, body, header, headers).await?;
        let tokens = answer.text().ok_or("the token endpoint returned no UTF-8");
        let tokens = tokens.and_then(|body| token::read(answer.status(), body));
        let tokens = tokens.map_err(ProviderError::new)?;
        let url = &options.endpoints.user_info;
        let answer = self.api.fetch_with(url, Some(&tokens.access_token), headers).await?;
        if !answer.is_success() {
            let status = answer.status();
            return Err(ProviderError::new(format!("the user info returned the status {status}")));
        }
        let profile = options.map.profile(&answer.json()?);
        let profile = profile.ok_or("the user info has no valid subject");
        Ok(profile.map_err(ProviderError::new)?.tokens(tokens))
    }

    async fn revoke_token(&self, refresh_token: &str) -> Result<bool, ProviderError> {
        let Some((wire, url)) = &self.revocation else { return Ok(false) };
        let mut pairs = vec![("token", refresh_token), ("token_type_hint", "refresh_token")];
        let header = self.authenticate(&mut pairs);
        wire.revoke(url, &pairs, header).await?;
        Ok(true)
    }
}
