//! Checks of rules for users and API keys.

use axum::extract::MatchedPath;
use http::{StatusCode, request::Parts};

use super::{client::client_of, context::Context};
use crate::{
    error::AuthError,
    event::EventKind,
    model::{AvailableFactors, Rule},
    services::Core,
    session::AuthUser,
};

/// Checks in a handler whether a user satisfies a rule, and for an API key its scopes.
pub(crate) async fn check(core: &Core, user: &AuthUser, rule: &Rule) -> Result<(), AuthError> {
    match user.owner() {
        None => permit(core, rule, user).await,
        Some(owner) => {
            let now = core.clock.now();
            Ok(rule.check_key(user.user(), user.session(), now, owner)?)
        }
    }
}

/// Checks a rule. The credentials of the user are read only if they decide, or if the response has
/// to name them.
async fn permit(core: &Core, rule: &Rule, auth: &AuthUser) -> Result<(), AuthError> {
    let now = core.clock.now();
    let check = |available| rule.check(auth.user(), auth.session(), available, now);
    if !rule.wants_freshness() {
        match check(AvailableFactors::default()) {
            Ok(()) => return Ok(()),
            Err(denial) if denial.step_up.is_none() && !denial.setup_required => {
                return Err(denial.into());
            }
            Err(_) => {}
        }
    }
    let available = core.available_factors(auth.user(), auth.session()).await?;
    let checked = match check(available.clone()) {
        Err(denial) if denial.step_up.is_some() && rule.wants_freshness() => {
            check(core.with_recovery(available, auth.user(), auth.session()).await?)
        }
        checked => checked,
    };
    checked.map_err(|denial| match denial.setup_required {
        true => AuthError::from(denial).with_extension("setup", core.setup_factors()),
        false => denial.into(),
    })
}

/// Returns the user of a request who passes the rule of a guard. With `anew`, the cache is bypassed.
pub(super) async fn admit(
    parts: &Parts,
    anew: bool,
    rule: &Rule,
    api_keys: bool,
) -> Result<AuthUser, AuthError> {
    let context = Context::of(parts)?;
    let (user, refusal) = match context.caller(anew).await {
        Ok(user) => match pass(context, &user, rule, api_keys).await {
            Ok(()) => return Ok(user),
            Err(refusal) => (Some(user), refusal),
        },
        Err(refusal) => (None, refusal),
    };
    record_denial(parts, user.as_ref(), &refusal);
    Err(refusal)
}

/// Records that a guard rejected a request, if the application requested these events. A failure to
/// decide is no rejection.
pub(super) fn record_denial(parts: &Parts, user: Option<&AuthUser>, refusal: &AuthError) {
    let Some(core) = parts.extensions.get::<Context>().map(Context::core) else { return };
    let is_rejection = matches!(refusal.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if !core.records_access_denied || !is_rejection {
        return;
    }
    let event = core.event(EventKind::AccessDenied).client(&client_of(parts, core));
    let mut event = event.reason(refusal.kind().code());
    if let Some(subject) = user.map(AuthUser::subject) {
        (event.user_id, event.session_id) = (subject.id, subject.session_id);
    }
    if let Some(route) = parts.extensions.get::<MatchedPath>() {
        event = event.with("route", route.as_str());
    }
    let missing = refusal.extensions().iter().find(|(name, _)| *name == "missing");
    if let Some((_, missing)) = missing {
        event = event.with("missing", missing.clone());
    }
    core.events.record(event);
}

/// Checks the rule of a guard, and accepts an API key for the request if it passes by a scope, or
/// if the route accepts any key.
async fn pass(
    context: &Context,
    user: &AuthUser,
    rule: &Rule,
    api_keys: bool,
) -> Result<(), AuthError> {
    let now = context.core().clock.now();
    let Some(owner) = user.owner() else {
        return permit(context.core(), rule, user).await;
    };
    let (user, session) = (user.user(), user.session());
    if api_keys {
        match rule.check_key(user, session, now, owner) {
            Ok(()) => {}
            // A key cannot prove anything.
            Err(denial) if denial.step_up.is_some() || denial.setup_required => {
                return Err(Core::not_by_key());
            }
            Err(denial) => return Err(denial.into()),
        }
    } else if !rule.admits_key(user, session, now, owner) {
        return Err(Core::not_by_key());
    }
    context.accept_key();
    Ok(())
}
