//! The sealer of a flow.

use super::Registry;
use crate::crypto::seal::Sealer;

impl Registry {
    /// Returns the sealer of the flow that is being registered, for secrets that it must store. It
    /// is `None` if the application has set no
    /// [`sealing_keys`](crate::AuthBuilder::sealing_keys).
    ///
    /// ```
    /// use authlayer::{ConfigError, Flow, Registry, Sealer};
    ///
    /// struct Tokens;
    ///
    /// impl Flow for Tokens {
    ///     type Service = Sealer;
    ///
    ///     fn name(&self) -> &str {
    ///         "tokens"
    ///     }
    ///
    ///     fn register(self, registry: &mut Registry) -> Result<Sealer, ConfigError> {
    ///         let missing = "needs AuthBuilder::sealing_keys for the tokens that it stores";
    ///         registry.sealer().ok_or_else(|| ConfigError::flow("tokens", missing))
    ///     }
    /// }
    /// ```
    pub fn sealer(&self) -> Option<Sealer> {
        self.core.sealing_keys.as_ref().map(|keys| keys.sealer(&self.flow))
    }
}
