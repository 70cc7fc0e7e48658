//! Verifies hashes that other systems created, until they are replaced at the next sign-in.
//!
//! | system | format |
//! |---|---|
//! | bcrypt | `$2b$12$…`, also `$2a$` and `$2y$` |
//! | Argon2i, Argon2d | `$argon2i$v=19$m=65536,t=3,p=1$salt$hash` |
//! | scrypt, passlib | `$scrypt$ln=16,r=8,p=1$salt$hash` |
//! | PBKDF2 with SHA-1 or SHA-512, passlib | `$pbkdf2$131000$salt$hash`, `$pbkdf2-sha512$25000$salt$hash` |
//! | Werkzeug | `scrypt:32768:8:1$salt$hash`, `pbkdf2:sha256:600000$salt$hash` |
//! | Django | `pbkdf2_sha256$…`, `pbkdf2_sha1$…`, `scrypt$…`, `bcrypt$…`, `bcrypt_sha256$…`, `argon2$…` |
//! | ASP.NET Identity | version 2 and 3, in base64 |
//! | better-auth | `salt:hash` in hexadecimal |
//! | WordPress | `$wp$2y$10$…`, `$P$B…` (phpass), also `$H$9…` of phpBB |
//! | crypt(3) of Linux | `$5$…` and `$6$…` (SHA-crypt) |
//! | Devise with a pepper | `devise$$2a$12$…` |
//! | Firebase | `firebase-scrypt$ln=14,r=8$salt$hash`; the salt includes the salt separator |

use base64::{
    Engine,
    alphabet::BCRYPT,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{STANDARD, STANDARD_NO_PAD},
    },
};

use super::{
    crypt,
    legacy_scheme::{BcryptInput, Legacy},
    scheme::{Kind, PasswordHashing},
    stored::Stored,
};

/// Some encoders set unused bits in the last character of the salt.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);
const SALT: std::ops::RangeInclusive<usize> = 1..=64;

/// Parses a hash. Returns `None` if the format is unknown or the salt has no possible length.
pub(super) fn parse(text: &str) -> Option<Stored> {
    let stored = parse_any(text)?;
    // A password that is too long for a scheme leaves an output of zeros.
    let fits = SALT.contains(&stored.salt.len()) && stored.output.iter().any(|byte| *byte != 0);
    fits.then_some(stored)
}

fn parse_any(text: &str) -> Option<Stored> {
    let fields: Vec<&str> = text.split('$').collect();
    match *fields.as_slice() {
        ["", "2a" | "2b" | "2y", cost, rest] | ["bcrypt", "", "2a" | "2b" | "2y", cost, rest] => {
            bcrypt(cost, rest, BcryptInput::Password)
        }
        ["bcrypt_sha256", "", "2a" | "2b" | "2y", cost, rest] => {
            bcrypt(cost, rest, BcryptInput::Sha256Hex)
        }
        ["devise", "", "2a" | "2b" | "2y", cost, rest] => {
            bcrypt(cost, rest, BcryptInput::DevisePepper)
        }
        ["", "wp", "2a" | "2b" | "2y", cost, rest] => bcrypt(cost, rest, BcryptInput::WordPress),
        ["", kind @ ("argon2i" | "argon2d"), "v=19", params, salt, output] => {
            argon2(kind == "argon2d", params, salt, output)
        }
        ["argon2", kind, version, params, salt, output] => {
            Stored::parse(&format!("${kind}${version}${params}${salt}${output}"))
        }
        ["pbkdf2_sha256", rounds, salt, output] => {
            let scheme = Legacy::Pbkdf2Sha256(rounds.parse().ok()?);
            Some(stored(scheme, salt.as_bytes().to_vec(), STANDARD.decode(output).ok()?))
        }
        ["pbkdf2_sha1", rounds, salt, output] => {
            let scheme = Legacy::Pbkdf2Sha1(rounds.parse().ok()?);
            Some(stored(scheme, salt.as_bytes().to_vec(), STANDARD.decode(output).ok()?))
        }
        ["scrypt", n, salt, r, p, output] => {
            let scheme = memory(n, r, p)?;
            Some(stored(scheme, salt.as_bytes().to_vec(), STANDARD.decode(output).ok()?))
        }
        ["", "scrypt", params, salt, output] => passlib(params, salt, output),
        ["", "pbkdf2", rounds, salt, output] => {
            Some(stored(Legacy::Pbkdf2Sha1(count(rounds)?), dotted(salt)?, dotted(output)?))
        }
        ["", "pbkdf2-sha512", rounds, salt, output] => {
            Some(stored(Legacy::Pbkdf2Sha512(count(rounds)?), dotted(salt)?, dotted(output)?))
        }
        ["", kind @ ("5" | "6"), salt, output] => sha_crypt(kind, None, salt, output),
        ["", kind @ ("5" | "6"), rounds, salt, output] => {
            sha_crypt(kind, Some(rounds), salt, output)
        }
        ["", kind @ ("P" | "H"), rest] => phpass(kind == "P", rest),
        ["firebase-scrypt", params, salt, output] => firebase(params, salt, output),
        [params, salt, output] if params.contains(':') => werkzeug(params, salt, output),
        [_] if text.contains(':') => better_auth(text),
        [_] => asp_net(text),
        _ => None,
    }
}

fn stored(scheme: Legacy, salt: Vec<u8>, output: Vec<u8>) -> Stored {
    Stored { scheme: PasswordHashing(Kind::Legacy(scheme)), salt, output }
}

fn bcrypt(cost: &str, rest: &str, input: BcryptInput) -> Option<Stored> {
    let (salt, output) = rest.split_at_checked(22)?;
    let salt = BCRYPT_BASE64.decode(salt).ok()?;
    let output = BCRYPT_BASE64.decode(output).ok()?;
    let is_whole = salt.len() == 16 && output.len() == 23;
    is_whole
        .then(|| cost.parse().ok())
        .flatten()
        .map(|cost| stored(Legacy::Bcrypt { cost, input }, salt, output))
}

fn memory(n: &str, r: &str, p: &str) -> Option<Legacy> {
    let n: u64 = n.parse().ok()?;
    let log_n = u8::try_from(n.checked_ilog2()?).ok()?;
    n.is_power_of_two().then_some(())?;
    Some(Legacy::Scrypt { log_n, r: r.parse().ok()?, p: p.parse().ok()?, nfkc: false })
}

/// Returns the number of a parameter such as `r=8`.
fn named<N: std::str::FromStr>(params: &str, name: &str) -> Option<N> {
    let value = params.split(',').find_map(|param| param.strip_prefix(name)?.strip_prefix('='));
    value?.parse().ok()
}

/// Returns the rounds of `131000` and of `i=131000,l=32`.
fn count(rounds: &str) -> Option<u32> {
    named(rounds, "i").or_else(|| rounds.parse().ok())
}

/// Decodes passlib's base64, which has `.` in place of `+`.
fn dotted(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=').replace('.', "+")).ok()
}

fn argon2(is_data_dependent: bool, params: &str, salt: &str, output: &str) -> Option<Stored> {
    let (m_kib, t, p) = (named(params, "m")?, named(params, "t")?, named(params, "p")?);
    let scheme = Legacy::Argon2 { is_data_dependent, m_kib, t, p };
    Some(stored(scheme, dotted(salt)?, dotted(output)?))
}

fn sha_crypt(kind: &str, rounds: Option<&str>, salt: &str, output: &str) -> Option<Stored> {
    let rounds = match rounds {
        Some(text) => text.strip_prefix("rounds=")?.parse::<u32>().ok()?.max(1000),
        None => 5000,
    };
    let (scheme, output) = match kind {
        "5" => (Legacy::Sha256Crypt(rounds), crypt::sha256_output(output)?),
        _ => (Legacy::Sha512Crypt(rounds), crypt::sha512_output(output)?),
    };
    (salt.len() <= 16).then(|| stored(scheme, salt.as_bytes().to_vec(), output))
}

fn phpass(trims: bool, rest: &str) -> Option<Stored> {
    let (log, rest) = rest.split_at_checked(1)?;
    let log_rounds = u8::try_from(crypt::value(log.bytes().next()?)?).ok()?;
    let (salt, output) = rest.split_at_checked(8)?;
    let output = crypt::phpass_output(output)?;
    Some(stored(Legacy::Phpass { log_rounds, trims }, salt.as_bytes().to_vec(), output))
}

fn firebase(params: &str, salt: &str, output: &str) -> Option<Stored> {
    let scheme = Legacy::FirebaseScrypt { log_n: named(params, "ln")?, r: named(params, "r")? };
    Some(stored(scheme, dotted(salt)?, dotted(output)?))
}

fn better_auth(text: &str) -> Option<Stored> {
    let (salt, output) = text.split_once(':')?;
    let is_hex = salt.bytes().all(|byte| byte.is_ascii_hexdigit());
    let scheme = Legacy::Scrypt { log_n: 14, r: 16, p: 1, nfkc: true };
    let output = hex(output).filter(|output| is_hex && output.len() == 64)?;
    Some(stored(scheme, salt.as_bytes().to_vec(), output))
}

fn passlib(params: &str, salt: &str, output: &str) -> Option<Stored> {
    let (log_n, r, p) = (named(params, "ln")?, named(params, "r")?, named(params, "p")?);
    let scheme = Legacy::Scrypt { log_n, r, p, nfkc: false };
    Some(stored(scheme, dotted(salt)?, dotted(output)?))
}

fn werkzeug(params: &str, salt: &str, output: &str) -> Option<Stored> {
    let scheme = match *params.split(':').collect::<Vec<_>>().as_slice() {
        ["scrypt", n, r, p] => memory(n, r, p)?,
        ["pbkdf2", "sha1", rounds] => Legacy::Pbkdf2Sha1(rounds.parse().ok()?),
        ["pbkdf2", "sha256", rounds] => Legacy::Pbkdf2Sha256(rounds.parse().ok()?),
        ["pbkdf2", "sha512", rounds] => Legacy::Pbkdf2Sha512(rounds.parse().ok()?),
        _ => return None,
    };
    Some(stored(scheme, salt.as_bytes().to_vec(), hex(output)?))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|own| u8::try_from(own).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect()
}

fn asp_net(text: &str) -> Option<Stored> {
    let bytes = STANDARD.decode(text).ok()?;
    let (version, rest) = bytes.split_first()?;
    if *version == 0 {
        let (salt, output) = rest.split_at_checked(16).filter(|(_, output)| output.len() == 32)?;
        return Some(stored(Legacy::Pbkdf2Sha1(1000), salt.to_vec(), output.to_vec()));
    }
    let (head, rest) = rest.split_at_checked(12)?;
    let mut numbers =
        head.chunks(4).map(|four| four.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)));
    let (prf, rounds, length) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let scheme = match (version, prf) {
        (1, 0) => Legacy::Pbkdf2Sha1(rounds),
        (1, 1) => Legacy::Pbkdf2Sha256(rounds),
        (1, 2) => Legacy::Pbkdf2Sha512(rounds),
        _ => return None,
    };
    let (salt, output) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some(stored(scheme, salt.to_vec(), output.to_vec()))
}

#[cfg(test)]
mod tests;
