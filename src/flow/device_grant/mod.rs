//! Device authorization grant (RFC 8628): programs without a browser, such as a command line, get a
//! session of a user who approves them in a browser.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`client`](DeviceGrant::client) | none; at least one is required | the programs that may ask |
//! | [`verification_uri`](DeviceGrant::verification_uri) | the page of the flow `Pages` | the page on which the user types the code |
//!
//! | route | response |
//! |---|---|
//! | `POST /device-authorization` | 200: a code for the program, and one for the user |
//! | `POST /token` | 200: the tokens of the session, once the user has approved the program |
//! | `POST /device-authorization/request` | 200: which program asks, and from where |
//! | `POST /device-authorization/decide` | 204: the program is approved or denied |
//! | `GET /.well-known/oauth-authorization-server`, at the root of the host | 200: the metadata (RFC 8414) |
//!
//! - A program gets a session of the user with all of their rights. For less there are API keys.
//! - The session uses bearer tokens. Its factor is `device_grant`, which is no recent authentication.
//!   It continues after the session that approved it, and ends with all sessions of the user.
//! - Both codes are valid for ten minutes and stored as hashes. An approval is delivered once. What
//!   ends all sessions of the user ends an approval that is not delivered yet.
//! - The first session that looks up the code of a request claims it; no other session can decide.
//! - Approval requires recent authentication, is an event, and is reported to the user by email.
//!
//! The identity of a program is not verified: any program can send the id of another one. The page
//! must show the name and the IP address, and ask the user whether they started the program.

mod decisions;
mod flow;
mod routes;
mod service;
mod stored;

pub use decisions::DeviceRequest;
pub use service::DeviceGrantService;

/// The options of the device authorization grant.
///
/// ```
/// use authlayer::{AuthBuilder, DeviceGrant};
///
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// builder.flow(
///     DeviceGrant::new()
///         .client("notes-cli", "Notes for the command line")
///         .verification_uri("https://app.example.com/device"),
/// )
/// # }
/// ```
///
/// Merge [`Auth::well_known`](crate::Auth::well_known) into the root of the host, so that programs
/// find the metadata.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct DeviceGrant {
    clients: Vec<(String, String)>,
    verification_uri: Option<String>,
}

impl DeviceGrant {
    /// Creates the flow without a client.
    ///
    /// ```
    /// # use authlayer::DeviceGrant;
    /// DeviceGrant::new().client("notes-cli", "Notes for the command line");
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a program to ask, by its `client_id`. The name is what users see.
    ///
    /// ```
    /// # use authlayer::DeviceGrant;
    /// DeviceGrant::new().client("notes-cli", "Notes").client("notes-tv", "Notes for television");
    /// ```
    ///
    /// # Security
    ///
    /// The id is public, and the name shows what a program says that it is.
    pub fn client(mut self, id: impl Into<String>, name: impl Into<String>) -> Self {
        self.clients.push((id.into(), name.into()));
        self
    }

    /// Sets the URL of the page on which the user types the code of a program. It gets the code as
    /// `user_code` in its query if the user follows a link. Without it, it is the page of the flow
    /// `Pages`.
    ///
    /// ```
    /// # use authlayer::DeviceGrant;
    /// DeviceGrant::new()
    ///     .client("notes-cli", "Notes")
    ///     .verification_uri("https://app.example.com/device");
    /// ```
    ///
    /// # Security
    ///
    /// The page must not look up the code before the user has confirmed it: the link may come from
    /// another person.
    pub fn verification_uri(mut self, uri: impl Into<String>) -> Self {
        self.verification_uri = Some(uri.into());
        self
    }
}
