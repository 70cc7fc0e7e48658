//! Random bytes from the operating system.

use crate::error::{AuthError, ErrorKind};

/// Returns `N` random bytes from the operating system.
///
/// ```
/// use authlayer::crypto::random;
///
/// let nonce: [u8; 16] = random::bytes()?;
/// # let _ = nonce;
/// # Ok::<_, authlayer::AuthError>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Unavailable`] if the random source fails; there is no weaker fallback.
#[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
pub fn bytes<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| AuthError::new(ErrorKind::Unavailable).with_source(error))?;
    Ok(bytes)
}
