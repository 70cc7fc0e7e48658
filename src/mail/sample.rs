//! Messages as they are sent, with made-up content, for previews and for the check of templates.

use jiff::Timestamp;

use super::{MailContent, MessageKind, Occasion};
use crate::model::Email;

const LINK: &str = "https://app.example.com/account/reset?token=example";
const BROWSER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";

impl MailContent {
    /// Returns the made-up content of a kind of message to an email address.
    pub(crate) fn sample(kind: MessageKind, to: Email) -> Self {
        let about = Occasion {
            at: Timestamp::from_second(1_767_225_600).ok(),
            ip: Some("203.0.113.9".to_owned()),
            user_agent: Some(BROWSER.to_owned()),
            ..Occasion::default()
        };
        let mut content = Self::new(kind, to);
        if has_code(kind) {
            content = content.with_code("012345", 10);
        }
        if has_link(kind) {
            content = content.with_link(LINK.to_owned(), 10);
        }
        content.name = (kind == MessageKind::NewDevice).then(|| "Ada".to_owned());
        content.about(about)
    }
}

/// Returns whether messages of a kind have a code. A custom kind may have one.
fn has_code(kind: MessageKind) -> bool {
    matches!(
        kind,
        MessageKind::SignUpCode
            | MessageKind::SignInCode
            | MessageKind::SignInLink
            | MessageKind::ChangeCode
            | MessageKind::EmailChangeCode
            | MessageKind::StepUpCode
            | MessageKind::RecoveryCode
            | MessageKind::Custom(_)
    )
}

/// Returns whether messages of a kind have a link. A custom kind may have one.
fn has_link(kind: MessageKind) -> bool {
    matches!(
        kind,
        MessageKind::SignInLink
            | MessageKind::ResetLink
            | MessageKind::Invitation
            | MessageKind::EmailChanged
            | MessageKind::EmailChangeRequested
            | MessageKind::RecoveryRequested
            | MessageKind::Custom(_)
    )
}
