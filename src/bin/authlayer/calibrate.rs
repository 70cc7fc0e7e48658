//! `authlayer calibrate`.

use std::time::Duration;

use authlayer::crypto::password::{
    Argon2Params, NormalizedPassword, PasswordHasher, PasswordHashing,
};
use serde_json::json;
use tokio::time::Instant;

use crate::{args::Calibrate, failure::Failure, output::Output};

/// The recommendation of OWASP with the least memory that authlayer uses by default.
const FLOOR: Argon2Params = Argon2Params { m_kib: 19_456, t: 2, p: 1 };
const MAX_PASSES: u32 = 20;
/// The number of hashes of which the fastest counts.
const HASHES: u32 = 3;

pub(crate) fn run(options: &Calibrate, output: &mut Output) -> Result<(), Failure> {
    let mut measured = (FLOOR, time_of(FLOOR)?);
    let is_too_slow = measured.1 > options.target;
    if !is_too_slow {
        // Memory first, since it costs an attacker more than passes.
        let mut m_kib = FLOOR.m_kib;
        while let Some(more) = next(m_kib, options.max_memory.saturating_mul(1024)) {
            m_kib = more;
            if !improve(&mut measured, Argon2Params { m_kib, ..FLOOR }, options.target)? {
                break;
            }
        }
        for t in FLOOR.t + 1..=MAX_PASSES {
            let params = Argon2Params { t, ..measured.0 };
            if !improve(&mut measured, params, options.target)? {
                break;
            }
        }
    }
    let (Argon2Params { m_kib, t, p }, time) = measured;
    let line = format!(
        "Password::new().scheme(PasswordHashing::argon2id_with(Argon2Params {{ m_kib: {m_kib}, t: {t}, p: {p} }}))"
    );
    let millis = time.as_millis();
    output.say(&format!("// {millis} ms for one hash on this machine"))?;
    if is_too_slow {
        output.say("// slower than the target, but weaker parameters are rejected")?;
    }
    output.say(&line)?;
    output.document(&json!({
        "m_kib": m_kib, "t": t, "p": p, "milliseconds": u64::try_from(millis).unwrap_or(u64::MAX),
        "meets_target": !is_too_slow, "rust": line,
    }))
}

/// Returns the next size of the memory: a quarter more, but not more than the maximum.
fn next(m_kib: u32, max: u32) -> Option<u32> {
    let more = (m_kib + m_kib / 4).div_ceil(1024).saturating_mul(1024).min(max);
    (more > m_kib).then_some(more)
}

/// Replaces the parameters if a hash with the others is within the target. Returns whether it is.
fn improve(
    measured: &mut (Argon2Params, Duration),
    params: Argon2Params,
    target: Duration,
) -> Result<bool, Failure> {
    let time = time_of(params)?;
    let is_within = time <= target;
    if is_within {
        *measured = (params, time);
    }
    Ok(is_within)
}

fn time_of(params: Argon2Params) -> Result<Duration, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::failed("hash", error.to_string());
    let hasher =
        PasswordHasher::new(PasswordHashing::argon2id_with(params)).map_err(|own| failed(&own))?;
    let password = NormalizedPassword::parse_existing("a password of usual length");
    let password = password.ok_or_else(|| Failure::failed("hash", "the password is too long"))?;
    let mut fastest = Duration::MAX;
    for _ in 0..HASHES {
        let began = Instant::now();
        hasher.hash(&password).map_err(|own| failed(&own))?;
        fastest = fastest.min(began.elapsed());
    }
    Ok(fastest)
}
