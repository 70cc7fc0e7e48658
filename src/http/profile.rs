//! The extractor of the application's own type of user.

use std::{any::Any, ops::Deref, sync::Arc};

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::context::Context;
use crate::error::{AuthError, ErrorKind};

/// The application's own value of the user who is signed in: what a custom store or a resolver
/// added by [`User::with_profile`](crate::User::with_profile), or what
/// [`UserTable::profile`](crate::UserTable::profile) reads of the further columns.
///
/// # Errors
///
/// Those of [`AuthUser`](crate::AuthUser), and 500 where users have no profile, or one of
/// another type.
#[derive(Clone, Debug)]
pub struct Profile<T>(pub Arc<T>);

impl<T> Deref for Profile<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Any + Send + Sync, S: Send + Sync> FromRequestParts<S> for Profile<T> {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        let user = Context::of(parts)?.require().await?;
        let profile = user.user().profile::<T>();
        profile.map(Self).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            AuthError::new(ErrorKind::Misconfigured)
                .because(format!("users have no profile of the type {wanted}"))
        })
    }
}
