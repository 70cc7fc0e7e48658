//! Previews of emails.

use crate::{
    auth::Auth,
    mail::{MailContent, MessageKind, RenderedMail},
    model::Email,
    services::Messages,
};

/// Renders every kind of email in a language, with made-up content: the kinds of this crate, and
/// those that a flow registered with [`Registry::message`](crate::Registry::message).
///
/// ```
/// # async fn doc(store: authlayer::SqliteStore) -> Result<(), Box<dyn std::error::Error>> {
/// use authlayer::{Auth, testing::{Mailbox, mail_previews}};
///
/// let builder = Auth::builder(store).origin("https://app.example.com").mailer(Mailbox::new());
/// for (kind, mail) in mail_previews(&builder.build()?, "en") {
///     println!("{}: {}", kind.as_str(), mail.subject);
/// }
/// # Ok(()) }
/// ```
///
/// # Panics
///
/// Panics if there is no mailer, a kind has no words, or a code or link is missing in its text.
pub fn mail_previews(auth: &Auth, language: &str) -> Vec<(MessageKind, RenderedMail)> {
    let core = &auth.core;
    let outbox = core.outbox.as_ref().expect("there is a mailer");
    let registered = core.offered::<Messages>();
    let own = registered.iter().flat_map(|own| own.0.iter());
    let own = own.map(|(kind, words)| (*kind, Some(*words)));
    let kinds = MessageKind::ALL.iter().map(|kind| (*kind, None)).chain(own);
    let preview = |(kind, words): (MessageKind, _)| {
        let to = Email::parse("ada@example.com").expect("a valid address");
        let mut content = MailContent::sample(kind, to).in_language(Some(language));
        content.words = words;
        let mail = outbox.preview(&content);
        let mut rest = mail.text.clone();
        for part in [&content.code, &content.link].into_iter().flatten() {
            assert!(mail.text.contains(part), "the mail `{}` lacks {part}", kind.as_str());
            rest = rest.replace(part, "");
        }
        let has_words = !mail.subject.trim().is_empty() && rest.contains(char::is_alphabetic);
        assert!(has_words, "the mail `{}` has no words", kind.as_str());
        (kind, mail)
    };
    kinds.map(preview).collect()
}
