//! Sessions without a flow.

use std::fmt;

use http::{HeaderValue, Request, header};

use crate::{
    auth::Auth,
    clock::whole_millis,
    model::{ClientInfo, Email, Factor, FactorProof, Session, Transport, User},
    services::new_user_id,
    session::NewSession,
};

/// Creates a session without a flow, a server or a password hash. Hooks are not called, and no
/// second factor is requested.
///
/// ```
/// # async fn doc(auth: authlayer::Auth, app: axum::Router) {
/// use authlayer::{Factor, testing::{self, SignInAs, TestClient}};
///
/// let ada = SignInAs::email("ada@example.com").role("editor").factor(Factor::Passkey);
/// let ada = testing::sign_in(&auth, ada).await;
/// let response = TestClient::new(app).with_session(&ada).get("/edit").await;
/// assert_eq!(response.status, 200);
/// # }
/// ```
///
/// # Panics
///
/// Panics if the store fails, if the user is disabled, or if the storage mode does not create users
/// or does not store roles.
pub async fn sign_in(auth: &Auth, user: impl Into<SignInAs>) -> TestSession {
    let SignInAs { identity, roles, mut factors } = user.into();
    let (core, users) = (&auth.core, auth.users());
    let now = whole_millis(core.clock.now());
    let mut user = match identity {
        Identity::User(user) => *user,
        Identity::Email(email) => {
            let found = users.find_by_email(email.as_str()).await.expect("the store responds");
            match found {
                Some(found) => found,
                None => {
                    let mut user = User::new(new_user_id(now).expect("random bytes"), now);
                    user.email = Some(email);
                    user.email_verified_at = Some(now);
                    user.roles.clone_from(&roles);
                    users.create(&user).await.expect("the user can be created")
                }
            }
        }
    };
    if roles.iter().any(|role| !user.has_role(role)) {
        let add = |user: &mut User| {
            let new = roles.iter().filter(|role| !user.has_role(role));
            let new: Vec<_> = new.cloned().collect();
            user.roles.extend(new);
        };
        user = users.edit(&user.id, add).await.expect("the roles can be stored");
    }
    if factors.is_empty() {
        factors.push(Factor::Password);
    }
    let proof = |factor: Factor| {
        factor.register();
        FactorProof::new(factor, now)
    };
    let factors = factors.into_iter().map(proof).collect();
    let options = core.sessions.options();
    let uses_cookies = options.resolve_transport(Some(Transport::Cookie)).is_ok();
    let transport = if uses_cookies { Transport::Cookie } else { Transport::Bearer };
    let new = NewSession::new(factors, transport, ClientInfo::default());
    let issued = core.sessions.create_with(&user, new).await.expect("the user is active");
    let access = issued.access.expose().to_owned();
    let refresh = issued.refresh.expose().to_owned();
    let (cookies, bearer) = if uses_cookies {
        let names = &core.cookies;
        (vec![(names.access.clone(), access), (names.refresh.clone(), refresh)], None)
    } else {
        (Vec::new(), Some(access))
    };
    let origin = core.origins.first().to_string();
    TestSession { user, session: issued.session, cookies, bearer, origin }
}

/// The user and the factors of [`sign_in`].
///
/// ```
/// use authlayer::{Factor, testing::SignInAs};
///
/// let admin = SignInAs::email("ada@example.com").role("admin").factor(Factor::Passkey);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SignInAs {
    identity: Identity,
    roles: Vec<String>,
    factors: Vec<Factor>,
}

#[derive(Clone, Debug)]
enum Identity {
    User(Box<User>),
    Email(Email),
}

impl SignInAs {
    fn new(identity: Identity) -> Self {
        Self { identity, roles: Vec::new(), factors: Vec::new() }
    }

    /// Signs in the user with this verified email address, who is created if it does not exist.
    ///
    /// # Panics
    ///
    /// Panics if the text is not a valid email address.
    pub fn email(address: &str) -> Self {
        Self::new(Identity::Email(Email::parse(address).expect("an email address")))
    }

    /// Adds a role to the user, if the user does not have it.
    pub fn role(mut self, role: &str) -> Self {
        self.roles.push(role.to_owned());
        self
    }

    /// Adds a factor that is verified now; [`Factor::Password`] if none is added.
    pub fn factor(mut self, factor: Factor) -> Self {
        self.factors.push(factor);
        self
    }
}

impl From<&str> for SignInAs {
    fn from(address: &str) -> Self {
        Self::email(address)
    }
}

impl From<&User> for SignInAs {
    fn from(user: &User) -> Self {
        Self::new(Identity::User(Box::new(user.clone())))
    }
}

/// A session for requests.
///
/// ```
/// use authlayer::testing::TestSession;
/// use http::Request;
///
/// fn get(session: &TestSession, path: &str) -> http::Result<Request<String>> {
///     Ok(session.authenticate(Request::get(path).body(String::new())?))
/// }
/// ```
#[derive(Clone)]
pub struct TestSession {
    user: User,
    session: Session,
    cookies: Vec<(String, String)>,
    /// The access token, if the application does not use cookies.
    bearer: Option<String>,
    origin: String,
}

impl TestSession {
    /// Returns the user.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Returns the session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Adds the cookies of the session and the origin of the application to a request. If cookies
    /// are disabled, it adds the access token.
    pub fn authenticate<B>(&self, mut request: Request<B>) -> Request<B> {
        let value = |text: String| HeaderValue::try_from(text).expect("a header");
        let headers = request.headers_mut();
        if let Some(token) = &self.bearer {
            headers.insert(header::AUTHORIZATION, value(format!("Bearer {token}")));
        }
        if !self.cookies.is_empty() {
            let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            headers.append(header::COOKIE, value(pairs.collect::<Vec<_>>().join("; ")));
        }
        headers.entry(header::ORIGIN).or_insert_with(|| value(self.origin.clone()));
        request
    }

    pub(super) fn cookies(&self) -> impl Iterator<Item = &(String, String)> {
        self.cookies.iter()
    }

    pub(super) fn bearer(&self) -> Option<&str> {
        self.bearer.as_deref()
    }
}

/// Redacted: the tokens are secrets.
impl fmt::Debug for TestSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.session.id;
        f.debug_struct("TestSession").field("id", id).finish_non_exhaustive()
    }
}
