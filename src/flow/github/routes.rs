//! The routes of a provider; they are the same for all.

use axum::Router;

use super::OAuthService;

pub(super) fn router(service: OAuthService) -> Router {
    super::oauth::router(service)
}
