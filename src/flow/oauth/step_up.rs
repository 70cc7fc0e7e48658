//! The time of an authentication at a provider.

use jiff::{SignedDuration, Timestamp};

use crate::{
    error::AuthError,
    outbound::trouble,
    provider::{ProviderProfile, ProviderRequest},
};

/// The maximum difference between our clock and that of a provider.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// Checks that the user authenticated at the provider after the start of a step-up. A sign-in or a
/// link passes.
///
/// # Errors
///
/// [`ErrorKind::ProviderError`](crate::ErrorKind::ProviderError) if the time is missing, before the
/// start, or in the future.
pub(super) fn check_step_up(
    request: &ProviderRequest,
    profile: &ProviderProfile,
    now: Timestamp,
) -> Result<(), AuthError> {
    let Some(begun) = request.step_up else { return Ok(()) };
    let at = profile.proved_at;
    let at = at.ok_or_else(|| trouble("the time of authentication is missing after a step-up"))?;
    let is_later = at.duration_since(begun) >= -LEEWAY && at.duration_since(now) <= LEEWAY;
    is_later.then_some(()).ok_or_else(|| {
        trouble("the time of authentication is before the start of the step-up, or in the future")
    })
}
