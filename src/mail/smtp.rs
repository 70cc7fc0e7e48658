//! Delivery over SMTP (RFC 5321) with TLS.

use std::{fmt, time::Duration, time::SystemTime};

use http::Uri;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Mime, Tokio1Executor,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue, Subject},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use percent_encoding::percent_decode_str;

use super::{DeliveryError, Mailer, Message};

const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;
/// Suppresses automatic replies such as out-of-office messages (RFC 3834).
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");
const PATIENCE: Duration = Duration::from_secs(20);

/// The configuration of an [`SmtpMailer`] is invalid.
///
/// ```
/// use authlayer::{SmtpMailer, mail::SmtpError};
///
/// let mailer = SmtpMailer::new("http://localhost", "Example <no-reply@example.com>");
/// assert!(matches!(mailer, Err(SmtpError::Url)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpError {
    /// The URL is malformed or has an unsupported scheme.
    #[error("invalid SMTP URL: write smtps://user:password@host, or smtp://… for STARTTLS")]
    Url,
    /// `smtp+plain` is used with a host that is not loopback.
    #[error("smtp+plain is allowed only for a loopback host")]
    Insecure,
    /// The sender is not a valid mailbox.
    #[error(
        "invalid sender: write it as \"Example <no-reply@example.com>\", or percent-encoded as `from` in \
         the URL: smtps://…?from=no-reply@example.com"
    )]
    Sender,
    /// The certificate cannot be parsed, or TLS cannot be configured.
    #[error("TLS: {0}")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Delivers messages to an SMTP server over implicit TLS (RFC 8314) or STARTTLS (RFC 3207). TLS is
/// required; a server without it gets no message.
///
/// A message is `multipart/alternative` (RFC 2046 §5.1.4) of text and HTML; one without HTML is plain
/// text. The id of a message is its `Message-ID`, so that the server can recognize a repeated delivery. A
/// permanent rejection by the server (5xx) is not tried again.
///
/// ```
/// use authlayer::{AuthBuilder, SmtpMailer, mail::SmtpError};
///
/// fn configure(builder: AuthBuilder) -> Result<AuthBuilder, SmtpError> {
///     let url = "smtps://app:password@smtp.example.com";
///     Ok(builder.mailer(SmtpMailer::new(url, "Example <no-reply@example.com>")?))
/// }
/// ```
pub struct SmtpMailer {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    certificate: Option<Certificate>,
    sender: Mailbox,
    patience: Duration,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Implicit,
    StartTls,
    Plain,
}

impl SmtpMailer {
    /// Creates a mailer from a URL with the sender as its `from`, for example of an environment
    /// variable. The sender is a percent-encoded mailbox, as in
    /// `smtps://app:password@smtp.example.com?from=Example%20%3Cno-reply@example.com%3E`. The forms
    /// of the URL are those of [`new`](Self::new).
    ///
    /// ```
    /// use authlayer::{SmtpMailer, mail::SmtpError};
    ///
    /// # fn doc() -> Result<(), SmtpError> {
    /// let mailer = SmtpMailer::from_url("smtps://app:secret@localhost?from=no-reply@example.com")?;
    /// # Ok(()) }
    /// # assert!(doc().is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// [`SmtpError`] if the URL is invalid or has no valid sender, or TLS cannot be configured.
    pub fn from_url(url: &str) -> Result<Self, SmtpError> {
        let uri: Uri = url.parse().map_err(|_| SmtpError::Url)?;
        let query = uri.query().unwrap_or_default().as_bytes();
        let sender = form_urlencoded::parse(query).find(|(name, _)| name == "from");
        let sender = sender.map(|(_, sender)| sender.into_owned()).unwrap_or_default();
        Self::new(url, &sender)
    }

    /// Creates a mailer from a URL and a sender.
    ///
    /// | scheme | transport | default port |
    /// |---|---|---|
    /// | `smtps://user:password@host` | implicit TLS | 465 |
    /// | `smtp://user:password@host` | STARTTLS | 587 |
    /// | `smtp+plain://localhost` | no TLS, loopback only | 25 |
    ///
    /// The user and the password are percent-encoded. The sender is a mailbox such as `Example
    /// <no-reply@example.com>`.
    ///
    /// # Errors
    ///
    /// [`SmtpError`] if the URL or the sender is invalid, or TLS cannot be configured.
    pub fn new(url: &str, sender: &str) -> Result<Self, SmtpError> {
        let uri: Uri = url.parse().map_err(|_| SmtpError::Url)?;
        let authority = uri.authority().ok_or(SmtpError::Url)?;
        let (security, port) = match uri.scheme_str() {
            Some("smtps") => (Security::Implicit, SUBMISSIONS),
            Some("smtp") => (Security::StartTls, SUBMISSION),
            Some("smtp+plain") => (Security::Plain, 25),
            _ => return Err(SmtpError::Url),
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let local = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if security == Security::Plain && !local {
            return Err(SmtpError::Insecure);
        }
        let credentials = match authority.as_str().rsplit_once('@') {
            Some((user, _)) => {
                let (user, password) = user.split_once(':').ok_or(SmtpError::Url)?;
                let decode = |text| percent_decode_str(text).decode_utf8().map(String::from);
                let user = decode(user).map_err(|_| SmtpError::Url)?;
                Some(Credentials::new(user, decode(password).map_err(|_| SmtpError::Url)?))
            }
            None => None,
        };
        let sender = sender.parse().map_err(|_| SmtpError::Sender)?;
        Self {
            transport: AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host).build(),
            port: authority.port_u16().unwrap_or(port),
            certificate: None,
            patience: PATIENCE,
            host,
            security,
            credentials,
            sender,
        }
        .connected()
    }

    /// Adds a trusted root certificate in PEM to the public certificate authorities.
    ///
    /// # Errors
    ///
    /// [`SmtpError::Tls`] if the certificate cannot be parsed.
    pub fn add_root_certificate(mut self, pem: &[u8]) -> Result<Self, SmtpError> {
        self.certificate = Some(Certificate::from_pem(pem).map_err(SmtpError::Tls)?);
        self.connected()
    }

    /// Sets the time limit for the delivery of one message. The default is 20 seconds.
    ///
    /// # Errors
    ///
    /// [`SmtpError::Tls`] if TLS cannot be configured.
    pub fn timeout(mut self, patience: Duration) -> Result<Self, SmtpError> {
        self.patience = patience;
        self.connected()
    }

    /// Connects to the server with TLS and signs in, without sending a message.
    ///
    /// ```no_run
    /// # async fn doc(mailer: authlayer::SmtpMailer) {
    /// if let Err(error) = mailer.check().await {
    ///     eprintln!("the mail server is not available: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DeliveryError`] if the server is not reachable, has no TLS, or rejects the credentials.
    pub async fn check(&self) -> Result<(), DeliveryError> {
        match tokio::time::timeout(self.patience, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(DeliveryError::new("the server does not respond to NOOP")),
            Ok(Err(error)) if error.is_permanent() => Err(DeliveryError::permanent(error)),
            Ok(Err(error)) => Err(DeliveryError::new(error)),
            Err(elapsed) => Err(DeliveryError::new(elapsed)),
        }
    }

    fn connected(mut self) -> Result<Self, SmtpError> {
        let mut tls = TlsParameters::builder(self.host.clone());
        if let Some(certificate) = &self.certificate {
            tls = tls.add_root_certificate(certificate.clone());
        }
        let tls = tls.build().map_err(SmtpError::Tls)?;
        let tls = match self.security {
            Security::Implicit => Tls::Wrapper(tls),
            Security::StartTls => Tls::Required(tls),
            Security::Plain => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(tls)
            .timeout(Some(self.patience));
        if let Some(credentials) = &self.credentials {
            builder = builder.credentials(credentials.clone());
        }
        self.transport = builder.build();
        Ok(self)
    }

    fn mime(&self, message: Message) -> Result<Mime, DeliveryError> {
        let to = message.to.as_str().parse().map_err(DeliveryError::permanent)?;
        let domain = self.sender.email.domain();
        let since = u64::try_from(message.sent_at.as_millisecond()).unwrap_or_default();
        let written = SystemTime::UNIX_EPOCH + Duration::from_millis(since);
        let mime = Mime::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, to))
            .header(Subject::from(message.subject))
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .date(written);
        let built = if message.html.is_empty() {
            mime.singlepart(SinglePart::plain(message.text))
        } else {
            mime.multipart(MultiPart::alternative_plain_html(message.text, message.html))
        };
        built.map_err(DeliveryError::permanent)
    }
}

impl Mailer for SmtpMailer {
    async fn send(&self, message: Message) -> Result<(), DeliveryError> {
        let mime = self.mime(message)?;
        // The timeout of the transport does not include the TLS handshake.
        match tokio::time::timeout(self.patience, self.transport.send(mime)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Err(DeliveryError::permanent(error)),
            Ok(Err(error)) => Err(DeliveryError::new(error)),
            Err(elapsed) => Err(DeliveryError::new(elapsed)),
        }
    }
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}
