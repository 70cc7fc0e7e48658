//! The option to leave stored messages to other processes.

use super::AuthBuilder;

impl AuthBuilder {
    /// Sets whether this process delivers at its start the messages that other processes stored; on by
    /// default. Turn it off, with [`cleanup_interval`](Self::cleanup_interval), in a command that
    /// administers users and ends: the processes that serve requests deliver them.
    ///
    /// ```
    /// # use authlayer::AuthBuilder;
    /// # fn doc(builder: AuthBuilder) -> AuthBuilder {
    /// builder.cleanup_interval(None).deliver_stored_mails(false)
    /// # }
    /// ```
    pub fn deliver_stored_mails(mut self, deliver: bool) -> Self {
        self.delivers_stored = deliver;
        self
    }
}
