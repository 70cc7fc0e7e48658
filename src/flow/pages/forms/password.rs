//! The requirements for a new password, for password managers and as a hint.

use serde_json::{Value, json};

use crate::flow::pages::visit::Visit;

/// Returns what a page says about a new password: of a new user, who has no other factor, or of a
/// user whose factors are not known. The server decides.
pub(super) fn requirements(visit: &Visit, is_new_user: bool) -> Value {
    let Ok(passwords) = visit.site.core.passwords() else { return Value::Null };
    let own = passwords.requirements();
    let length = own.min_length_alone;
    let classes: String = own.classes.iter().map(|name| format!(" required: {name};")).collect();
    json!({
        "min": if is_new_user { length } else { own.min_length },
        "length": length,
        "rules": format!("minlength: {length}; maxlength: {};{classes}", own.max_length),
    })
}
