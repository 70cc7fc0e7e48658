//! Members that many requests have in common.

use super::{Member, Schema};

pub(crate) const EMAIL: Member = Member::new("email", Schema::format("email", "ada@example.com"));
pub(crate) const PASSWORD: Member = new_password("password");
pub(crate) const NEW_PASSWORD: Member = new_password("new_password");
pub(crate) const DISPLAY_NAME: Member =
    Member::new("display_name", Schema::text_of((0, 200), "Ada Lovelace")).optional();
pub(crate) const TRANSPORT: Member =
    Member::new("transport", Schema::one_of(&["cookie", "bearer"])).optional();
pub(crate) const PERSISTENT: Member = Member::new("persistent", Schema::Boolean(true)).optional();
pub(crate) const DEVICE_TOKEN: Member =
    Member::text("device_token", "adt_0123456789abcdef").optional();
pub(crate) const CHALLENGE: Member = Member::text("challenge", "ach_0123456789abcdef");
pub(crate) const CODE: Member = Member::text("code", "123456");
pub(crate) const TOKEN: Member = Member::text("token", "alk_0123456789abcdef");
pub(crate) const REDIRECT_TO: Member = Member::text("redirect_to", "/welcome").optional();
/// The name of a credential.
pub(crate) const NAME: Member =
    Member::new("name", Schema::text_of((1, 64), "Ada's laptop")).optional();

const fn new_password(name: &'static str) -> Member {
    Member::new(name, Schema::text("violet otter mends 7 clocks"))
}
