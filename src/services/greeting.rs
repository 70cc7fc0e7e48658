//! The name in messages.

use crate::model::User;

/// The maximum length of a name in a message, in characters.
const MAX_NAME_LEN: usize = 64;

/// Returns the name of a user with a verified email address, since another person can register with
/// an address that is not theirs. A longer name is left out.
pub(super) fn greeted_name(user: &User) -> Option<String> {
    user.email_verified_at?;
    let name = user.display_name.as_deref().map(str::trim)?;
    (!name.is_empty() && name.chars().count() <= MAX_NAME_LEN).then(|| name.to_owned())
}
