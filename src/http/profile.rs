//! The extractor of the application's user type.

use std::{any::Any, ops::Deref, sync::Arc};

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::context::Context;
use crate::error::{AuthError, ErrorKind};

/// The application's data of the authenticated user: added by a custom store or a resolver with
/// [`User::with_profile`](crate::User::with_profile), or read from further columns by
/// [`UserTable::profile`](crate::UserTable::profile).
///
/// ```
/// use authlayer::UserProfile;
///
/// struct Plan {
///     seats: u32,
/// }
///
/// async fn seats(plan: UserProfile<Plan>) -> String {
///     plan.seats.to_string()
/// }
/// ```
///
/// # Errors
///
/// Those of [`AuthUser`](crate::AuthUser), and 500 if users have no profile or one of another type.
#[derive(Clone, Debug)]
pub struct UserProfile<T>(pub Arc<T>);

impl<T> Deref for UserProfile<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Any + Send + Sync, S: Send + Sync> FromRequestParts<S> for UserProfile<T> {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        let user = Context::of(parts)?.require().await?;
        let profile = user.user().profile::<T>();
        profile.map(Self).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            AuthError::new(ErrorKind::Misconfigured)
                .with_source(format!("users have no profile of the type {wanted}"))
        })
    }
}
