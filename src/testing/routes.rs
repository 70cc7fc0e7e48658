//! The paths of routes.

use crate::{auth::Auth, services::RoutePaths};

/// Returns the path patterns of all routes of [`Auth::router`], sorted: those of this crate and of
/// other flows.
///
/// ```
/// use authlayer::{Auth, testing::route_paths};
///
/// fn has_sign_in(auth: &Auth) -> bool {
///     route_paths(auth).contains(&"/sign-in".to_owned())
/// }
/// ```
pub fn route_paths(auth: &Auth) -> Vec<String> {
    let paths = auth.core.offered::<RoutePaths>();
    let mut paths: Vec<_> = paths.map(|own| own.0.iter().cloned().collect()).unwrap_or_default();
    paths.sort_unstable();
    paths
}
