//! Deliveries of codes outside the mailer, such as SMS.

use std::{any::Any, borrow::Cow, fmt, future::Future, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Core, Services};
use crate::{
    crypto::random,
    error::{AuthError, ErrorKind},
    mail::{
        DeliveryError, MailContent, MessageKind, MessageText, Occasion,
        outbox::Place,
        queue::{Delivering, QueuePlace},
    },
    model::{ClientInfo, Email, Factor, Transition},
};

/// A delivery of codes, for example by SMS, voice call or post.
pub trait CodeDelivery: Send + Sync + 'static {
    /// Delivers a code. It is called outside the request path; a transient error is retried for
    /// about 13 minutes.
    fn deliver(
        &self,
        code: CodeMessage<'_>,
    ) -> impl Future<Output = Result<(), DeliveryError>> + Send;
}

impl<D: CodeDelivery + ?Sized> CodeDelivery for Arc<D> {
    fn deliver(
        &self,
        code: CodeMessage<'_>,
    ) -> impl Future<Output = Result<(), DeliveryError>> + Send {
        D::deliver(self, code)
    }
}

/// A code for a recipient. `Debug` is redacted.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct CodeMessage<'a> {
    /// The recipient, as specified by the flow.
    pub to: &'a str,
    /// The code.
    pub code: &'a str,
    /// The validity in minutes.
    pub minutes: u64,
    /// The preferred language of the user, or else of the request, as a tag of BCP 47.
    pub locale: Option<&'a str>,
}

impl fmt::Debug for CodeMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeMessage").finish_non_exhaustive()
    }
}

/// Options of challenges that are verified with a code.
///
/// | option | default |
/// |---|---|
/// | [`code_length`](Self::code_length) | 6 digits; 6 to 10 |
/// | [`lifetime`](Self::lifetime) | 10 minutes, at most an hour |
/// | [`max_attempts`](Self::max_attempts) | 5; 1 to 10 |
/// | [`resend_interval`](Self::resend_interval) | a minute between two codes to a recipient, after the first three |
/// | [`replaces_older`](Self::replaces_older) | off |
/// | [`survives`](Self::survives), [`ends_on`](Self::ends_on) | ends with a claim, a new email address or password, a ban, and the revocation of all sessions |
/// | [`link`](Self::link) | none |
#[derive(Clone, Debug)]
#[must_use]
pub struct CodeOptions {
    pub(crate) digits: u32,
    pub(crate) lifetime: Duration,
    pub(crate) attempts: u32,
    pub(crate) interval: Duration,
    /// The page of the link that is sent together with the code.
    pub(crate) link: Option<LinkPage>,
    pub(crate) replaces_older: bool,
    pub(crate) survives: &'static [Transition],
    pub(crate) ends_on: &'static [Transition],
}

/// The page of a link that is sent together with a code.
#[derive(Clone, Debug)]
pub(crate) enum LinkPage {
    /// The page that signs in: that of the ready pages, or else this one.
    SignIn(String),
    /// A page of the application.
    Custom(&'static str),
}

impl Default for CodeOptions {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            digits: 6,
            lifetime: minute * 10,
            attempts: 5,
            interval: minute,
            link: None,
            replaces_older: false,
            survives: &[],
            ends_on: &[],
        }
    }
}

impl CodeOptions {
    /// Sets the number of digits.
    pub fn code_length(mut self, digits: u8) -> Self {
        self.digits = digits.into();
        self
    }

    /// Sets the lifetime of a challenge.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the number of attempts of a challenge.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the time after which another code can be sent to a recipient.
    pub fn resend_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Retains challenges of a user through these transitions. By default they end when the account
    /// is claimed or disabled, when its email address or password changes, and when all sessions
    /// are revoked. They always end when the user is deleted.
    ///
    /// ```
    /// use authlayer::services::{CodeOptions, Transition};
    /// let options = CodeOptions::default().survives(&[Transition::PasswordChanged]);
    /// ```
    ///
    /// # Security
    ///
    /// A challenge that survives can be consumed with the code or link from before the change.
    pub fn survives(mut self, transitions: &'static [Transition]) -> Self {
        self.survives = transitions;
        self
    }

    /// Ends challenges of a user with these transitions too.
    ///
    /// ```
    /// use authlayer::services::{CodeOptions, Transition};
    /// let options = CodeOptions::default().ends_on(&[Transition::SecondFactorRemoved]);
    /// ```
    pub fn ends_on(mut self, transitions: &'static [Transition]) -> Self {
        self.ends_on = transitions;
        self
    }

    /// Consumes the older challenges of the same user, or of the same session if they are issued for
    /// a session.
    ///
    /// ```
    /// use authlayer::services::CodeOptions;
    /// let options = CodeOptions::default().replaces_older();
    /// ```
    pub fn replaces_older(mut self) -> Self {
        self.replaces_older = true;
        self
    }

    /// Sends a link to a page of the application together with the code, with a token in the fragment
    /// (`#token=…`). Only codes that are delivered [by email](super::Mail::codes) have one.
    /// [`CodeChallenges::consume_link`](super::CodeChallenges::consume_link) accepts the token.
    ///
    /// ```
    /// use authlayer::services::CodeOptions;
    /// let options = CodeOptions::default().link("/confirm");
    /// ```
    pub fn link(mut self, page: &'static str) -> Self {
        self.link = Some(LinkPage::Custom(page));
        self
    }

    /// Sends a link to the page that signs in, of the ready pages or of the application.
    pub(crate) fn sign_in_link(mut self, page: String) -> Self {
        self.link = Some(LinkPage::SignIn(page));
        self
    }

    /// Returns the description of the first invalid option.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let is_short = !self.lifetime.is_zero() && self.lifetime <= Duration::from_secs(3600);
        match () {
            () if !(6..=10).contains(&self.digits) => {
                Some("code_length must be between 6 and 10 digits")
            }
            () if !is_short => Some("lifetime must be more than zero and at most 1 hour"),
            () if !(1..=10).contains(&self.attempts) => {
                Some("max_attempts must be between 1 and 10")
            }
            () => None,
        }
    }
}

/// Delivers codes by email, from [`Mail::codes`](super::Mail::codes).
///
/// ```
/// use authlayer::{MessageKind, services::{EmailDelivery, Services}};
///
/// fn delivery(services: &Services) -> EmailDelivery {
///     services.mail().codes(MessageKind::custom("confirm_order"))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct EmailDelivery {
    services: Services,
    kind: MessageKind,
}

impl EmailDelivery {
    pub(super) fn new(services: Services, kind: MessageKind) -> Self {
        Self { services, kind }
    }
}

/// Used by a delivery around it, such as one that chooses between email and SMS.
impl CodeDelivery for EmailDelivery {
    async fn deliver(&self, code: CodeMessage<'_>) -> Result<(), DeliveryError> {
        let core = self.services.core().map_err(DeliveryError::new)?;
        let outbox = core.outbox.as_ref();
        let outbox = outbox.ok_or_else(|| DeliveryError::permanent("there is no mailer"))?;
        let to = Email::parse(code.to).map_err(DeliveryError::permanent)?;
        let mut mail = MailContent::new(self.kind, to).with_code(code.code, code.minutes);
        mail.words = core.words_of(self.kind);
        outbox.attempt(&mail.in_language(code.locale)).await
    }
}

type Deliver = dyn Fn(Message) -> Delivering + Send + Sync;

/// A registered delivery of codes.
#[derive(Clone)]
pub(crate) struct Delivery {
    /// The name of the kind of challenge, by which messages are counted.
    pub(super) name: &'static str,
    pub(super) factor: Factor,
    pub(super) options: CodeOptions,
    channel: Channel,
}

#[derive(Clone)]
enum Channel {
    Custom(Arc<Deliver>),
    Mail(MessageKind),
}

#[derive(Clone)]
struct Message {
    to: String,
    code: Zeroizing<String>,
    minutes: u64,
    locale: Option<String>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A delivery that was counted, with a reserved place in the queue.
pub(super) struct Counted {
    place: Reserved,
    delivery: Delivery,
    to: String,
}

enum Reserved {
    Custom(QueuePlace, Arc<Deliver>),
    Mail(Place, MessageKind, Option<MessageText>),
}

/// A delivery with its code.
pub(super) struct Prepared {
    place: Reserved,
    delivery: Delivery,
    message: Message,
    link: Option<String>,
    about: Occasion,
}

impl Delivery {
    pub(crate) fn new(
        name: &'static str,
        factor: Factor,
        options: CodeOptions,
        delivery: impl CodeDelivery,
    ) -> Self {
        let any: &dyn Any = &delivery;
        if let Some(email) = any.downcast_ref::<EmailDelivery>() {
            return Self::by_mail(name, factor, options, email.kind);
        }
        let delivery = Arc::new(delivery);
        let deliver = move |message: Message| -> Delivering {
            let delivery = Arc::clone(&delivery);
            Box::pin(async move {
                let Message { to, code, minutes, locale } = &message;
                let locale = locale.as_deref();
                delivery.deliver(CodeMessage { to, code, minutes: *minutes, locale }).await
            })
        };
        Self { name, factor, options, channel: Channel::Custom(Arc::new(deliver)) }
    }

    /// Creates a delivery by email.
    pub(crate) fn by_mail(
        name: &'static str,
        factor: Factor,
        options: CodeOptions,
        kind: MessageKind,
    ) -> Self {
        Self { name, factor, options, channel: Channel::Mail(kind) }
    }

    pub(super) fn is_email(&self) -> bool {
        matches!(self.channel, Channel::Mail(_))
    }

    /// Returns the recipient in the form in which messages are counted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidEmail`] for a delivery by email.
    pub(super) fn recipient<'a>(&self, to: &'a str) -> Result<Cow<'a, str>, AuthError> {
        if !self.is_email() {
            return Ok(Cow::Borrowed(to));
        }
        let email = Email::parse(to).map_err(|_| ErrorKind::InvalidEmail)?;
        Ok(Cow::Owned(email.as_str().to_owned()))
    }

    /// Reserves a place in the queue, and counts a message of this client to a recipient.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] for the network; [`ErrorKind::Unavailable`].
    pub(super) async fn count(
        &self,
        core: &Core,
        client: &ClientInfo,
        to: &str,
    ) -> Result<(Counted, Option<Timestamp>), AuthError> {
        let place = match &self.channel {
            Channel::Custom(deliver) => Reserved::Custom(core.queue.place()?, Arc::clone(deliver)),
            Channel::Mail(kind) => {
                let outbox = core.outbox.as_ref().ok_or(ErrorKind::Misconfigured)?;
                Reserved::Mail(outbox.place()?, *kind, core.words_of(*kind))
            }
        };
        core.limits.mail_from(self.name, client.ip.as_deref()).await?;
        let wait = core.limits.mail_to(self.name, to, self.options.interval).await?;
        Ok((Counted { place, delivery: self.clone(), to: to.to_owned() }, wait))
    }

    /// Like [`count`](Self::count), for a code that must be sent now.
    pub(super) async fn prepare(
        &self,
        core: &Core,
        client: &ClientInfo,
        to: &str,
    ) -> Result<Counted, AuthError> {
        let (counted, wait) = self.count(core, client, to).await?;
        let Some(until) = wait else { return Ok(counted) };
        let left = until.duration_since(core.clock.now()).as_secs().max(1);
        Err(AuthError::new(ErrorKind::RateLimited).with_extension("retry_after", left))
    }
}

impl Counted {
    /// Returns the place of an email.
    pub(super) fn into_mail_place(self) -> Option<Place> {
        match self.place {
            Reserved::Custom(..) => None,
            Reserved::Mail(place, ..) => Some(place),
        }
    }

    pub(super) fn with_code(self, code: &str, locale: Option<&str>) -> Prepared {
        let Self { place, delivery, to } = self;
        let minutes = delivery.options.lifetime.as_secs().div_ceil(60);
        let (code, locale) = (Zeroizing::new(code.to_owned()), locale.map(ToOwned::to_owned));
        let message = Message { to, code, minutes, locale };
        Prepared { place, delivery, message, link: None, about: Occasion::default() }
    }
}

impl Prepared {
    pub(super) fn interval(&self) -> Duration {
        self.delivery.options.interval
    }

    /// Adds the link and the circumstances of the request, which only emails have.
    pub(super) fn with_link(self, link: Option<String>, about: Occasion) -> Self {
        Self { link, about, ..self }
    }

    /// Queues the delivery.
    pub(super) fn send(self) -> Result<(), AuthError> {
        let Self { place, delivery, message, link, about } = self;
        match place {
            Reserved::Custom(place, deliver) => {
                let id = URL_SAFE_NO_PAD.encode(random::bytes::<16>()?);
                place.deliver(delivery.name, id, None, move || deliver(message.clone()));
                Ok(())
            }
            Reserved::Mail(place, kind, words) => {
                let Message { to, code, minutes, locale } = message;
                let to = Email::parse(&to).map_err(|_| ErrorKind::InvalidEmail)?;
                let mut mail = MailContent::new(kind, to).with_code(&code, minutes);
                mail.words = words;
                let mail = match link {
                    Some(link) => mail.with_link(link, minutes),
                    None => mail,
                };
                place.send(&mail.about(about).in_language(locale.as_deref()))
            }
        }
    }
}
