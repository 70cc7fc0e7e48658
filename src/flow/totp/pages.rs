//! The enrollment that a page shows again after a wrong code.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::TotpService;
use crate::{
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::AuthError,
    services::{EnrollmentSource, Enrollments},
    session::AuthUser,
};

/// Returns the enrollments of a service, for pages.
pub(super) fn enrollments(service: &TotpService) -> Enrollments {
    Enrollments(Arc::new(StartedEnrollments(service.clone())))
}

struct StartedEnrollments(TotpService);

#[async_trait]
impl EnrollmentSource for StartedEnrollments {
    async fn started(&self, user: &AuthUser, challenge: &str) -> Result<Value, AuthError> {
        let (service, session) = (&self.0, user.session());
        let Some(handle) = OneTimeToken::parse(TokenPurpose::Challenge, challenge) else {
            return Ok(Value::Null);
        };
        match service.find(&handle, user.user(), session).await? {
            Some((attempts, _)) if attempts > 0 => {
                service.describe(user.user(), &handle).map(|own| json!(own))
            }
            _ => Ok(Value::Null),
        }
    }
}
