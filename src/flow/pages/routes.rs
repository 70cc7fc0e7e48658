//! The router of the pages.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderName, HeaderValue, header};

use super::{PagesService, forms, site::PageSite, visit::Visit};
use crate::{
    error::ErrorKind,
    http::{AuthLayer, Public},
    registry::Registry,
    services::Core,
};

/// The files of a path with their hash never change.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NO_SNIFF: (HeaderName, HeaderValue) =
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// Redirects password managers to the form for the password.
pub(super) fn well_known(registry: &mut Registry, service: &PagesService, origin: &str) {
    let page = format!("{origin}{}#password", service.path("security"));
    registry.well_known_default("change-password", get(async move || Redirect::to(&page)));
}

/// Returns the pages of the registered flows.
pub(crate) fn router(core: &Arc<Core>, pages: &PagesService, routes: Router) -> Router {
    let site = PageSite::new(core, pages, routes);
    let hash = &pages.assets().hash;
    let all: [(&str, &str, MethodRouter<PageSite>); 21] = [
        ("/sign-in", "/sign-in", get(forms::show_sign_in).post(forms::sign_in)),
        ("/sign-up", "/sign-up", get(forms::show_sign_up).post(forms::sign_up)),
        ("/email", "/email-sign-in", get(forms::show_email).post(forms::email)),
        ("/verify", "/verify", get(forms::show_verify).post(forms::verify)),
        ("/verify/resend", "/verify/resend", get(to_verify).post(forms::resend)),
        ("/sign-out", "/sign-out", get(forms::show_sign_out).post(forms::sign_out)),
        ("/end-impersonation", "/impersonation/end", post(forms::end_impersonation)),
        ("/forgot", "/password/forgot", get(forms::show_forgot).post(forms::forgot)),
        ("/reset", "/password/reset", get(forms::open_reset).post(forms::reset)),
        (
            "/sign-in-link",
            "/email-sign-in/link",
            get(forms::open_sign_in_link).post(forms::sign_in_link),
        ),
        ("/undo-email-change", "/email/undo", get(forms::open_undo).post(forms::undo_email_change)),
        (
            "/cancel-recovery",
            "/account/recovery/cancel",
            get(forms::open_cancel_recovery).post(forms::cancel_recovery),
        ),
        (
            "/device",
            "/device-authorization/request",
            get(forms::show_device).post(forms::decide_device),
        ),
        ("/step-up", "/account", get(forms::show_step_up).post(forms::step_up)),
        ("/security", "/account", get(forms::show_security)),
        ("/security/{form}", "/account", get(forms::change_security).post(forms::change_security)),
        ("/admin", "/admin/users", get(forms::show_users)),
        ("/admin/new", "/admin/users", get(forms::show_new_user).post(forms::create_user)),
        ("/admin/users/{id}", "/admin/users", get(forms::show_user)),
        (
            "/admin/users/{id}/{form}",
            "/admin/users",
            get(forms::change_user).post(forms::change_user),
        ),
        ("/admin/events", "/admin/events", get(forms::show_events)),
    ];
    // The sign-in page also has providers and passkeys, where there are no passwords.
    let is_served = |page: &str, route: &str| page == "/sign-in" || core.has_route(route);
    let served = all.into_iter().filter(|(page, route, _)| is_served(page, route));
    served
        .fold(Router::new(), |router, (page, _, methods)| router.route(page, methods))
        .route("/", get(to_security))
        .route(&format!("/assets/{hash}/style.css"), get(style))
        .route(&format!("/assets/{hash}/script.js"), get(script))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(site)
        .layer(AuthLayer::new(core))
        .layer(Public)
}

async fn to_verify(visit: Visit) -> Response {
    visit.to_page("verify")
}

async fn to_security(visit: Visit) -> Response {
    visit.to_page("security")
}

async fn style(State(site): State<PageSite>) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    ([kind, (header::CACHE_CONTROL, IMMUTABLE), NO_SNIFF], site.pages.assets().style.clone())
        .into_response()
}

async fn script(State(site): State<PageSite>) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    ([kind, (header::CACHE_CONTROL, IMMUTABLE), NO_SNIFF], site.pages.assets().script)
        .into_response()
}

async fn not_found(visit: Visit) -> Response {
    visit.error(&ErrorKind::NotFound.into())
}

async fn wrong_method(visit: Visit) -> Response {
    visit.error(&ErrorKind::MethodNotAllowed.into())
}
