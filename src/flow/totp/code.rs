//! Time-based one-time passwords (RFC 6238).

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// The period of a code, in seconds.
pub(super) const PERIOD: i64 = 30;
/// The number of digits of a code.
pub(super) const DIGITS: usize = 6;

/// Returns the period of this time in which a code was valid, if that is later than `after`. A code
/// is accepted in its own period and the one before and after (RFC 6238 §5.2).
pub(super) fn matching_step(
    secret: &[u8],
    code: &str,
    now: Timestamp,
    after: Option<u64>,
) -> Option<u64> {
    let current = u64::try_from(now.as_second().div_euclid(PERIOD)).ok()?;
    let steps = current.saturating_sub(1)..=current.saturating_add(1);
    let steps = steps.filter(|step| after.is_none_or(|after| *step > after));
    // All periods are compared, so that the time does not depend on which one matches.
    steps.fold(None, |found, step| {
        let is_equal = code_at(secret, step)
            .is_some_and(|own| bool::from(own.as_bytes().ct_eq(code.as_bytes())));
        if is_equal { found.or(Some(step)) } else { found }
    })
}

/// Returns the code of a period (RFC 4226 §5.3).
fn code_at(secret: &[u8], step: u64) -> Option<String> {
    digits_at(secret, step, DIGITS)
}

fn digits_at(secret: &[u8], step: u64, digits: usize) -> Option<String> {
    let mac = Hmac::<Sha1>::new_from_slice(secret).ok()?.chain_update(step.to_be_bytes());
    let tag = mac.finalize().into_bytes();
    let at = usize::from(tag.last()? & 0x0f);
    let word: [u8; 4] = tag.get(at..at.checked_add(4)?)?.try_into().ok()?;
    let number = u32::from_be_bytes(word) & 0x7fff_ffff;
    let modulus = 10_u32.checked_pow(u32::try_from(digits).ok()?)?;
    Some(format!("{:0digits$}", number % modulus))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    /// RFC 6238 appendix B, the rows of SHA-1: eight digits.
    const VECTORS: [(i64, &str); 6] = [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn codes_match_rfc_6238_appendix_b() {
        for (second, code) in VECTORS {
            let step = u64::try_from(second / PERIOD).unwrap();
            assert_eq!(digits_at(SECRET, step, 8).as_deref(), Some(code), "{second}");
            let short = &code[2..];
            assert_eq!(matching_step(SECRET, short, at(second), None), Some(step), "{second}");
        }
    }

    #[test]
    fn code_is_accepted_one_period_before_and_after() {
        let code = code_at(SECRET, 100).unwrap();
        for (second, accepted) in [
            (99 * PERIOD - 1, false),
            (99 * PERIOD, true),
            (100 * PERIOD, true),
            (102 * PERIOD - 1, true),
            (102 * PERIOD, false),
        ] {
            let found = matching_step(SECRET, &code, at(second), None);
            assert_eq!(found, accepted.then_some(100), "{second}");
        }
    }

    #[test]
    fn used_and_earlier_periods_are_rejected() {
        let now = at(100 * PERIOD);
        for (step, after, accepted) in [
            (100, Some(99), true),
            (100, Some(100), false),
            (99, Some(100), false),
            (101, Some(100), true),
        ] {
            let code = code_at(SECRET, step).unwrap();
            let found = matching_step(SECRET, &code, now, after);
            assert_eq!(found, accepted.then_some(step), "{step} after {after:?}");
        }
    }

    #[test]
    fn text_that_is_no_code_is_rejected() {
        for text in ["", "1", "12345", "1234567", "abcdef", "１２３４５６"] {
            assert_eq!(matching_step(SECRET, text, at(59), None), None, "{text}");
        }
    }
}
