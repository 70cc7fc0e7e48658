//! Checks of the origin of the application, and of the cookies that follow from it.

use authlayer::{Auth, Password, SessionOptions, SqliteStore};

use super::check::{Check, Status};

pub(super) async fn checks(origin: Option<&str>) -> Vec<Check> {
    let Some(origin) = origin else {
        let advice = "set AUTHLAYER_ORIGIN or pass --origin";
        return vec![Check::skipped("origin", advice), Check::skipped("cookies", advice)];
    };
    let store = match SqliteStore::memory().await {
        Ok(store) => store,
        Err(error) => return vec![Check::failed("origin", &error, "")],
    };
    let builder = Auth::builder(store).origin(origin).flow(Password::new()).cleanup_interval(None);
    if let Err(error) = builder.build() {
        return vec![
            Check::failed("origin", &error, "write https://app.example.com, without a path"),
            Check::skipped("cookies", "correct the origin"),
        ];
    }
    let name = SessionOptions::default().cookie.name;
    match origin.starts_with("https://") {
        true => vec![
            Check::ok("origin", origin),
            Check::ok("cookies", format!("__Host-{name} and __Host-{name}-refresh, Secure")),
        ],
        false => vec![
            Check::of("origin", Status::Warning, origin, "use https in production"),
            Check::of(
                "cookies",
                Status::Warning,
                format!("{name} and {name}-refresh, not Secure"),
                "only for development on this machine",
            ),
        ],
    }
}
