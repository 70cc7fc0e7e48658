//! The pages of an application, and the values of its configuration that they show.

use std::sync::Arc;

use axum::Router;
use minijinja::Value;
use serde_json::{Value as Json, json};

use super::{PagesService, values::view};
use crate::services::Core;

/// The pages of an application.
#[derive(Clone)]
pub(super) struct PageSite {
    pub(super) core: Arc<Core>,
    pub(super) pages: PagesService,
    /// The routes of the flows, without middleware.
    pub(super) routes: Router,
    pub(super) offers: Arc<Offers>,
}

/// The values that are the same for every request.
pub(super) struct Offers {
    /// The sections of the account page.
    pub(super) sections: Value,
    /// The sign-in methods, to which a page links.
    pub(super) ways: Value,
    /// The requirements for the password of a new user, who has no other factor.
    pub(super) first_password: Value,
    /// The requirements for the password of a user whose factors are not known.
    pub(super) new_password: Value,
}

impl PageSite {
    pub(super) fn new(core: &Arc<Core>, pages: &PagesService, routes: Router) -> Self {
        let offers = Arc::new(Offers::of(core));
        Self { core: Arc::clone(core), pages: pages.clone(), routes, offers }
    }
}

impl Offers {
    fn of(core: &Core) -> Self {
        let has = |path: &str| core.has_route(path);
        let sections = json!({
            "password": has("/password/change"),
            "email": has("/email/change"),
            "passkeys": has("/passkeys"),
            "totp": has("/totp"),
            "recovery_codes": has("/recovery-codes"),
            "identities": has("/identities"),
            "api_keys": has("/api-keys"),
            "recovery": has("/account/recovery"),
            "usernames": core.usernames.is_enabled(),
            "two_step": has("/totp") || has("/passkeys"),
        });
        let ways = json!({
            "password": has("/sign-in"),
            "sign_up": core.passwords().is_ok_and(|own| own.allows_sign_up()),
            "forgot": has("/password/forgot"),
            "email": has("/email-sign-in"),
            "passkey": has("/passkeys/sign-in/start"),
            "usernames": core.usernames.is_enabled(),
        });
        Self {
            sections: view(sections),
            ways: view(ways),
            first_password: view(requirements(core, true)),
            new_password: view(requirements(core, false)),
        }
    }
}

/// Returns the requirements for a new password, for password managers and as a hint. The server
/// decides.
fn requirements(core: &Core, is_new_user: bool) -> Json {
    let Ok(passwords) = core.passwords() else { return Json::Null };
    let own = passwords.requirements();
    let length = own.min_length_alone;
    let classes: String = own.classes.iter().map(|name| format!(" required: {name};")).collect();
    json!({
        "min": if is_new_user { length } else { own.min_length },
        "length": length,
        "rules": format!("minlength: {length}; maxlength: {};{classes}", own.max_length),
    })
}
