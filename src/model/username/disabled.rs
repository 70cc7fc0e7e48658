//! Without the feature `usernames` there are no Unicode tables, and no text is a username.

pub(super) fn normalize(_: &str) -> Option<String> {
    None
}

pub(super) fn skeleton(text: &str) -> String {
    text.to_owned()
}
