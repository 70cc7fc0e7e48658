//! The endpoints of a provider.

/// The endpoints of an OAuth 2.0 provider.
///
/// ```
/// use authlayer::flow::oauth2::OAuth2Endpoints;
///
/// let endpoints = OAuth2Endpoints {
///     authorization: "https://id.acme.example/authorize".to_owned(),
///     token: "https://id.acme.example/token".to_owned(),
///     user_info: "https://api.acme.example/me".to_owned(),
/// };
/// # drop(endpoints);
/// ```
#[derive(Clone, Debug)]
pub struct OAuth2Endpoints {
    /// The authorization endpoint, to which the browser is redirected.
    pub authorization: String,
    /// The token endpoint.
    pub token: String,
    /// The URL that returns the profile of the user as JSON.
    pub user_info: String,
}
