//! Random bytes from the operating system.

use jiff::Timestamp;

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

/// Returns a uniformly distributed number below `bound`.
pub(crate) fn below(bound: u64) -> Result<u64, AuthError> {
    let fair = u64::MAX - u64::MAX % bound;
    loop {
        let number = u64::from_be_bytes(bytes()?);
        if number < fair {
            return Ok(number % bound);
        }
    }
}

/// Returns a new UUIDv7 with this time (RFC 9562 §5.7).
pub(crate) fn uuid_v7(now: Timestamp) -> Result<String, AuthError> {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &bytes()?).into_uuid();
    Ok(id.to_string())
}
