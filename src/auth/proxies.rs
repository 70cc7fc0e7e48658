//! The option of the header that proxies set.

use super::AuthBuilder;

impl AuthBuilder {
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
