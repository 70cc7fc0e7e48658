//! Options for proxies.

use super::AuthBuilder;

impl AuthBuilder {
    /// Trusts `X-Forwarded-For` from a proxy at this IP address or in this network
    /// (`"10.0.0.0/8"`): the client is then the rightmost hop that is not a trusted proxy. Without
    /// trusted proxies the client is the peer of the socket, if the server was started with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    ///
    /// `"unix"` trusts a peer without an IP address, which is one behind a Unix socket. If the proxy
    /// sets another header than `X-Forwarded-For`, see
    /// [`client_ip_header`](Self::client_ip_header).
    ///
    /// # Security
    ///
    /// Add networks that contain only proxies: every other machine in them can forge its IP
    /// address. Use `"unix"` only if the server listens on nothing but Unix sockets, or with
    /// `into_make_service_with_connect_info::<SocketAddr>()` on all others.
    pub fn trusted_proxy(mut self, network: impl Into<String>) -> Self {
        self.proxies.push(network.into());
        self
    }

    /// Sets the header in which the [trusted proxies](Self::trusted_proxy) write the IP address of
    /// the client; `X-Forwarded-For` by default. Without a trusted proxy, this is an error at build.
    ///
    /// | header | content |
    /// |---|---|
    /// | `X-Forwarded-For` | all hops; the client is the rightmost one that is not a trusted proxy |
    /// | `Forwarded` | the same by RFC 7239, in the parameter `for` |
    /// | any other, such as `CF-Connecting-IP` or `Fly-Client-IP` | one IP address, if a trusted proxy is the peer |
    ///
    /// ```
    /// # use authlayer::AuthBuilder;
    /// # fn doc(builder: AuthBuilder) -> AuthBuilder {
    /// builder.trusted_proxy("172.16.0.0/12").client_ip_header("Fly-Client-IP")
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// Name a header that your proxy always sets or removes. Most proxies forward headers that they
    /// do not know, so that a client could choose its IP address.
    pub fn client_ip_header(mut self, name: impl Into<String>) -> Self {
        self.client_ip_header = Some(name.into());
        self
    }
}
