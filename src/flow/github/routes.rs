//! The routes of a provider; they are the same for all.

use axum::Router;

use crate::flow::oauth::{self, OAuthService};

pub(super) fn router(service: OAuthService) -> Router {
    oauth::router(service)
}
