//! Messages of flows to users and to email addresses.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Client, Core, EmailDelivery, Messages, Owner, Services, TokenChallenges, code::locale_of,
    consumed::Stored,
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    hook::Purpose,
    mail::{LinkChallenge, MailContent, MessageKind, Occasion, outbox::Place},
    model::{Email, User, UserId},
};

/// The time after which one more message can be sent to an address.
const INTERVAL: Duration = Duration::from_secs(60);
/// The purpose of messages that are counted and not sent.
const DECOY: &str = "decoy";

/// A message to send. [`Registry::message`](crate::Registry::message) registers its text.
///
/// ```
/// use authlayer::{AuthError, Client, MessageKind, User, services::{Notice, Services}};
///
/// const CARD_BLOCKED: MessageKind = MessageKind::custom("notice_card_blocked");
///
/// async fn notify(services: &Services, client: &Client, user: &User) -> Result<(), AuthError> {
///     let notice = Notice::to_user(CARD_BLOCKED, user).value("card", "1234");
///     services.mail().send(client, notice).await
/// }
/// ```
#[must_use = "a notice is sent by `Mail::send`"]
pub struct Notice {
    pub(super) kind: MessageKind,
    pub(super) to: Option<Email>,
    user: Option<UserId>,
    locale: Option<String>,
    values: Map<String, Value>,
    link: Option<Result<NoticeLink, AuthError>>,
}

/// A challenge whose handle is sent in a link.
struct NoticeLink {
    tokens: TokenChallenges<()>,
    user: Option<UserId>,
    stored: Stored,
    page: &'static str,
}

/// A notice that a challenge stores.
#[derive(Serialize, Deserialize)]
struct StoredNotice {
    kind: String,
    to: Option<Email>,
    user: Option<UserId>,
    locale: Option<String>,
    values: Map<String, Value>,
}

/// Sends messages of flows, outside the request path.
///
/// ```
/// use authlayer::services::{Mail, Services};
///
/// fn mail(services: &Services) -> Mail {
///     services.mail()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Mail(Services);

impl Notice {
    /// Creates a message to the email address of a user, in the language of the user. A user
    /// without an email address receives nothing.
    ///
    /// ```
    /// # use authlayer::{MessageKind, User, services::Notice};
    /// # fn doc(kind: MessageKind, user: &User) -> Notice {
    /// Notice::to_user(kind, user)
    /// # }
    /// ```
    pub fn to_user(kind: MessageKind, user: &User) -> Self {
        let (to, locale) = (user.email.clone(), locale_of(user).map(ToOwned::to_owned));
        Self { kind, to, user: Some(user.id.clone()), locale, values: Map::new(), link: None }
    }

    /// Creates a message to an email address that is not that of a user, such as a former one, in the
    /// language of the request.
    ///
    /// ```
    /// # use authlayer::{Email, MessageKind, services::Notice};
    /// # fn doc(kind: MessageKind, former: &Email) -> Notice {
    /// Notice::to_address(kind, former)
    /// # }
    /// ```
    pub fn to_address(kind: MessageKind, address: &Email) -> Self {
        let (user, locale, values, link) = (None, None, Map::new(), None);
        Self { kind, to: Some(address.clone()), user, locale, values, link }
    }

    /// Adds a value, which replaces its name in braces in the text of the message.
    ///
    /// ```
    /// # use authlayer::services::Notice;
    /// # fn doc(notice: Notice) -> Notice {
    /// notice.value("card", "1234")
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// The value is a single line and is not interpreted as HTML, but mail programs turn URLs into
    /// links: a value from another person can be misleading.
    pub fn value(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a link to a page of the application, with the handle of a new challenge in the fragment
    /// (`#token=…`). The challenge is created when the message is sent, and is not bound to a
    /// browser. Consuming it verifies the email address of the recipient.
    ///
    /// ```
    /// use authlayer::{
    ///     AuthError, Client, MessageKind, User,
    ///     services::{Notice, Services, TokenChallenges},
    /// };
    ///
    /// const INVITATION: MessageKind = MessageKind::custom("invitation");
    ///
    /// async fn invite(
    ///     services: &Services,
    ///     links: &TokenChallenges<()>,
    ///     client: &Client,
    ///     user: &User,
    /// ) -> Result<(), AuthError> {
    ///     let notice = Notice::to_user(INVITATION, user).link(links, &user.id, "/welcome", ());
    ///     services.mail().send(client, notice).await
    /// }
    /// ```
    pub fn link<'a, T: Serialize>(
        mut self,
        tokens: &TokenChallenges<T>,
        owner: impl Into<Owner<'a>>,
        page: &'static str,
        data: T,
    ) -> Self {
        let owner = owner.into();
        self.link =
            Some(serde_json::to_value(data).map_err(AuthError::misconfigured).map(|data| {
                NoticeLink {
                    tokens: tokens.erased(),
                    user: owner.user_id(),
                    stored: Stored::of(owner, data),
                    page,
                }
            }));
        self
    }

    /// Returns the form that a challenge stores, without a link.
    pub(super) fn to_value(&self) -> Value {
        let Self { kind, to, user, locale, values, .. } = self;
        let (to, user, locale) = (to.clone(), user.clone(), locale.clone());
        let kind = kind.as_str().to_owned();
        json!(StoredNotice { kind, to, user, locale, values: values.clone() })
    }

    /// Reads the form that a challenge stores. A kind that no flow of this process registered is
    /// none.
    pub(super) fn read(core: &Core, stored: &Value) -> Option<Self> {
        let StoredNotice { kind, to, user, locale, values } =
            serde_json::from_value(stored.clone()).ok()?;
        let kind = core.message_kind(&kind)?;
        Some(Self { kind, to, user, locale, values, link: None })
    }

    /// Sets the language, unless that of a user is known.
    pub(super) fn in_language_or(mut self, locale: Option<&str>) -> Self {
        self.locale = self.locale.or_else(|| locale.map(ToOwned::to_owned));
        self
    }

    /// Queues the message at a reserved place, only in memory: it is sent in place of a code, which is
    /// not stored either.
    pub(super) fn queue_in_memory(
        self,
        core: &Core,
        client: &Client,
        place: Place,
    ) -> Result<(), AuthError> {
        match self.letter(core, client) {
            Some(letter) => place.send(&letter),
            None => Ok(()),
        }
    }

    /// Returns the message without its link, or `None` without a recipient.
    fn letter(&self, core: &Core, client: &Client) -> Option<MailContent> {
        let to = self.to.clone()?;
        let about = Occasion::of(client.info()).at(whole_millis(core.clock.now()));
        let letter = MailContent::new(self.kind, to).about(about);
        // A user who is the recipient may be another person than the client.
        let requested = client.info().language.as_deref().filter(|_| self.user.is_none());
        let mut letter = letter.in_language(self.locale.as_deref().or(requested));
        letter.words = core.words_of(self.kind);
        letter.values = self.values.clone();
        Some(letter)
    }

    /// Queues the message at a reserved place. With a link, its challenge is created off the
    /// request path.
    fn queue(self, core: &Core, client: &Client, place: Place) -> Result<(), AuthError> {
        let Some(letter) = self.letter(core, client) else { return Ok(()) };
        let to = letter.to.clone();
        let Some(link) = self.link.transpose()? else {
            return place.send_stored(&letter, self.user.as_ref());
        };
        let NoticeLink { tokens, user, stored, page } = link;
        let mut stored = stored.requested_by(client);
        stored.recipient = Some(to.as_str().to_owned());
        stored.is_email = true;
        let core = core.shared().ok_or(ErrorKind::Unavailable)?;
        let event = core.event(EventKind::MailFailed).reason(self.kind.as_str());
        let event = self.user.iter().fold(event, |event, user| event.user(user));
        let owner = self.user;
        tokio::spawn(async move {
            let sent = async {
                let (key, _) = tokens.insert(&core, user.as_ref(), &stored).await?;
                let minutes = tokens.options.lifetime.as_secs().div_ceil(60);
                let start = format!("{}{page}#token=", core.origins.of_links());
                let mut letter = letter.with_link(format!("{start}{}", &*key.text), minutes);
                // A handle that is typed has the form of its kind.
                letter.challenge = (!tokens.options.is_typed).then_some(LinkChallenge {
                    id: key.id,
                    start,
                    is_replaced: true,
                });
                place.send_stored(&letter, owner.as_ref())
            };
            if let Err(error) = sent.await {
                tracing::warn!(cause = %error, "the link of a message was not created");
                core.events.record(event);
            }
        });
        Ok(())
    }
}

impl Core {
    /// Returns the kind of message with this name, if it is known or a flow registered it.
    pub(super) fn message_kind(&self, name: &str) -> Option<MessageKind> {
        let registered = self.offered::<Messages>().into_iter().flat_map(|own| own.0.keys());
        let mut kinds = MessageKind::ALL.iter().chain(registered);
        kinds.find(|own| own.as_str() == name).copied()
    }

    /// Returns the text of a message that a flow registered.
    pub(super) fn words_of(&self, kind: MessageKind) -> Option<crate::mail::MessageText> {
        self.offered::<Messages>().and_then(|own| own.0.get(&kind)).copied()
    }
}

impl Services {
    /// Returns the service that sends messages.
    ///
    /// ```
    /// # use authlayer::services::{Mail, Services};
    /// # fn doc(services: &Services) -> Mail {
    /// services.mail()
    /// # }
    /// ```
    pub fn mail(&self) -> Mail {
        Mail(self.clone())
    }
}

impl Mail {
    /// Sends a message. It is counted: above the limit of the network the request is rejected, and
    /// above that of the address the message is not sent, with the same result.
    ///
    /// ```
    /// # use authlayer::{AuthError, Client, services::{Mail, Notice}};
    /// # async fn doc(mail: Mail, client: &Client, notice: Notice) -> Result<(), AuthError> {
    /// mail.send(client, notice).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] with `retry_after`; [`ErrorKind::Misconfigured`] without a
    /// mailer; [`ErrorKind::Unavailable`], for example if the queue is full.
    pub async fn send(&self, client: &Client, notice: Notice) -> Result<(), AuthError> {
        let core = self.0.core()?;
        let user = notice.user.as_ref().map(UserId::as_str);
        let to = notice.to.as_ref().map(Email::as_str).or(user).unwrap_or_default();
        match self.count(&core, client, notice.kind.as_str(), to).await? {
            Some(place) => notice.queue(&core, client, place),
            None => Ok(()),
        }
    }

    /// Counts a message like [`send`](Self::send), and sends none: for a recipient who is not
    /// registered, which the response must not disclose.
    ///
    /// ```
    /// use authlayer::{AuthError, Client, Email, MessageKind, services::{Notice, Services}};
    ///
    /// const REMINDER: MessageKind = MessageKind::custom("username_reminder");
    ///
    /// async fn remind(services: &Services, client: &Client, to: &Email) -> Result<(), AuthError> {
    ///     match services.users().find_by_email(to.as_str()).await? {
    ///         Some(user) => services.mail().send(client, Notice::to_user(REMINDER, &user)).await,
    ///         None => services.mail().send_decoy(client, to.as_str()).await,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_decoy(&self, client: &Client, recipient: &str) -> Result<(), AuthError> {
        let core = self.0.core()?;
        self.count(&core, client, DECOY, recipient).await.map(drop)
    }

    /// Returns a delivery of codes by email, for [`Registry::codes`](crate::Registry::codes). A
    /// verified code verifies the address.
    ///
    /// ```
    /// use authlayer::{Factor, MessageKind, Registry, services::{CodeChallenges, CodeOptions}};
    ///
    /// const CONFIRM: MessageKind = MessageKind::custom("confirm_order");
    ///
    /// fn confirmations(registry: &mut Registry) -> CodeChallenges<u64> {
    ///     let delivery = registry.services().mail().codes(CONFIRM);
    ///     registry.message(CONFIRM, "Confirm your order", "Your code to confirm your order:");
    ///     registry.codes("confirm_order", Factor::EmailCode, CodeOptions::default(), delivery)
    /// }
    /// ```
    pub fn codes(&self, kind: MessageKind) -> EmailDelivery {
        EmailDelivery::new(self.0.clone(), kind)
    }

    /// Reserves a place in the queue and counts a message. Returns `None` above the limit of the
    /// address.
    async fn count(
        &self,
        core: &Arc<Core>,
        client: &Client,
        purpose: &'static str,
        to: &str,
    ) -> Result<Option<Place>, AuthError> {
        client.begin(core, Purpose::Custom(purpose)).await?;
        let outbox = core.outbox.as_ref().ok_or(ErrorKind::Misconfigured)?;
        let place = outbox.place()?;
        core.limits.mail_from(purpose, client.info().ip.as_deref()).await?;
        let wait = core.limits.mail_to(purpose, to, INTERVAL).await?;
        Ok(wait.is_none().then_some(place))
    }
}

/// Redacted: values may be personal data.
impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notice").field("kind", &self.kind).finish_non_exhaustive()
    }
}
