//! Options for the origins of the application.

use super::AuthBuilder;

impl AuthBuilder {
    /// Adds a public origin of the application, such as `https://app.example.com`, without a
    /// trailing slash. The first one is that of links and callback URLs, unless
    /// [`link_origin`](Self::link_origin) or [`callback_origin`](Self::callback_origin) sets another
    /// one.
    ///
    /// # Security
    ///
    /// Requests from these origins pass the cross-origin check, and their URLs are allowed redirect
    /// targets. Plain `http` is allowed on loopback only (`localhost`, `*.localhost`, `127.0.0.1` and
    /// `[::1]`, for development); cookies then have neither the `__Host-` prefix nor the `Secure`
    /// attribute.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.list(origin);
        self
    }

    /// Adds one origin of a private IP address with plain `http`, such as
    /// `http://192.168.1.20:3000`, so that a phone in the local network can open the application while
    /// it is developed. It is in addition to an [`origin`](Self::origin) on loopback.
    ///
    /// ```
    /// # use authlayer::{Auth, Password, SqliteStore};
    /// # async fn build(store: SqliteStore) -> Result<Auth, authlayer::ConfigError> {
    /// let mut builder = Auth::builder(store).origin("http://localhost:3000");
    /// if let Ok(origin) = std::env::var("PHONE_ORIGIN") {
    ///     builder = builder.development_origin(origin);
    /// }
    /// builder.flow(Password::new()).build()
    /// # }
    /// ```
    ///
    /// Links in messages lead to the first origin; [`link_origin`](Self::link_origin) can name this one.
    /// [Passkeys](crate::flow) are left out at this origin, as at every IP address: browsers support
    /// them only on domains, and beyond loopback only with `https`.
    ///
    /// # Errors
    ///
    /// [`build`](Self::build) fails with [`InvalidOrigin::Development`](crate::InvalidOrigin) if it is
    /// not `http` on a private IP address, and with `InvalidOrigin::DevelopmentBesideHttps` beside an
    /// `https` origin.
    ///
    /// # Security
    ///
    /// Everything in the local network can read passwords and sessions, and act as the user: `build`
    /// logs a warning. It is for development only, and a deployment with an `https` origin rejects it.
    pub fn development_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.development(origin);
        self
    }

    /// Accepts every origin whose host is below a domain, with the scheme of the first
    /// [`origin`](Self::origin), such as `https://acme.example.com` for the tenants of an application.
    /// A port is a part of the suffix: `localhost:3000`.
    ///
    /// ```
    /// # use authlayer::{Auth, Password, SqliteStore};
    /// # async fn build(store: SqliteStore) -> Result<Auth, authlayer::ConfigError> {
    /// let auth = Auth::builder(store)
    ///     .origin("https://example.com")
    ///     .origin_suffix("example.com")
    ///     .flow(Password::new())
    ///     .build()?;
    /// # Ok(auth) }
    /// ```
    ///
    /// # Security
    ///
    /// Every host below the domain is trusted as an [`origin`](Self::origin) is. Use a domain of which
    /// others can neither register subdomains nor publish pages on them.
    pub fn origin_suffix(mut self, domain: impl Into<String>) -> Self {
        self.origins.suffix(domain);
        self
    }

    /// Accepts the origins for which a function returns `true`, such as domains that tenants have
    /// added since the process started. It is called for each request whose `Origin` is not listed,
    /// with an origin that has the scheme of the first [`origin`](Self::origin): compare it as a
    /// whole, with a set in memory, and do no I/O.
    ///
    /// ```
    /// # use authlayer::{Auth, Password, SqliteStore};
    /// use std::{collections::HashSet, sync::{Arc, RwLock}};
    ///
    /// # async fn build(store: SqliteStore) -> Result<Auth, authlayer::ConfigError> {
    /// let domains: Arc<RwLock<HashSet<String>>> = Arc::default();
    /// let known = Arc::clone(&domains);
    /// let auth = Auth::builder(store)
    ///     .origin("https://app.example.com")
    ///     .origins(move |origin| known.read().is_ok_and(|known| known.contains(origin)))
    ///     .flow(Password::new())
    ///     .build()?;
    /// # Ok(auth) }
    /// ```
    ///
    /// # Security
    ///
    /// The origins that it accepts are trusted as an [`origin`](Self::origin) is. `ends_with` and
    /// `contains` accept origins of attackers: `https://evilexample.com` ends with `example.com`.
    pub fn origins(mut self, accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.origins.predicate(accepts);
        self
    }

    /// Sets the origin of links in messages, and of the pages in documents below `/.well-known`: that
    /// of the pages, if the router has another one. It must be one of the origins.
    ///
    /// ```
    /// # use authlayer::{Auth, Password, SqliteStore};
    /// # async fn build(store: SqliteStore) -> Result<Auth, authlayer::ConfigError> {
    /// let auth = Auth::builder(store)
    ///     .origin("https://api.example.com")
    ///     .origin("https://app.example.com")
    ///     .link_origin("https://app.example.com")
    ///     .flow(Password::new())
    ///     .build()?;
    /// # Ok(auth) }
    /// ```
    pub fn link_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.links(origin);
        self
    }

    /// Sets the origin of the router, from which the callback URLs of providers are built
    /// (RFC 9700 §2.1). It must be one of the origins.
    ///
    /// ```
    /// # use authlayer::{Auth, Password, SqliteStore};
    /// # async fn build(store: SqliteStore) -> Result<Auth, authlayer::ConfigError> {
    /// let auth = Auth::builder(store)
    ///     .origin("https://app.example.com")
    ///     .origin("https://api.example.com")
    ///     .callback_origin("https://api.example.com")
    ///     .flow(Password::new())
    ///     .build()?;
    /// # Ok(auth) }
    /// ```
    pub fn callback_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.callbacks(origin);
        self
    }
}
