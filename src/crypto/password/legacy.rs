//! Verifies hashes that other systems created, until they are replaced at the next sign-in.
//!
//! | system | format |
//! |---|---|
//! | bcrypt | `$2b$12$…`, also `$2a$` and `$2y$` |
//! | scrypt, passlib | `$scrypt$ln=16,r=8,p=1$salt$hash` |
//! | scrypt, Werkzeug | `scrypt:32768:8:1$salt$hash` |
//! | Django | `pbkdf2_sha256$…`, `pbkdf2_sha1$…`, `scrypt$…`, `bcrypt$…`, `bcrypt_sha256$…`, `argon2$…` |
//! | ASP.NET Identity | version 2 and 3, in base64 |

use base64::{
    Engine,
    alphabet::BCRYPT,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{STANDARD, STANDARD_NO_PAD},
    },
};
use sha2::{Digest, Sha256};

use super::{
    legacy_scheme::Legacy,
    scheme::{HashError, Kind, PasswordHashing},
    stored::Stored,
    text::NormalizedPassword,
};

/// Some encoders set unused bits in the last character of the salt.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);
/// bcrypt uses at most 72 bytes of input, including the terminating zero.
const BCRYPT_MOST: usize = 72;

impl Legacy {
    pub(super) fn compute(
        self,
        password: &NormalizedPassword,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), HashError> {
        let secret = password.expose();
        match self {
            Self::Pbkdf2Sha1(rounds) => {
                pbkdf2::pbkdf2_hmac::<sha1::Sha1>(secret, salt, rounds, output);
            }
            Self::Pbkdf2Sha256(rounds) => {
                pbkdf2::pbkdf2_hmac::<Sha256>(secret, salt, rounds, output);
            }
            Self::Pbkdf2Sha512(rounds) => {
                pbkdf2::pbkdf2_hmac::<sha2::Sha512>(secret, salt, rounds, output);
            }
            Self::Scrypt { log_n, r, p } => {
                let params =
                    scrypt::Params::new(log_n, r, p).map_err(|_| HashError::OutOfBounds)?;
                scrypt::scrypt(secret, salt, &params, output).map_err(|_| HashError::Primitive)?;
            }
            Self::Bcrypt { cost, sha256 } => {
                let digest;
                let secret = if sha256 {
                    digest = hex(&Sha256::digest(secret));
                    digest.as_bytes()
                } else {
                    secret
                };
                let mut closed: Vec<u8> = secret.iter().copied().take(BCRYPT_MOST).collect();
                if closed.len() < BCRYPT_MOST {
                    closed.push(0);
                }
                let salt = salt.try_into().map_err(|_| HashError::Primitive)?;
                let whole = bcrypt::bcrypt(cost, salt, &closed);
                // The encoded hash omits the last byte.
                output.copy_from_slice(whole.get(..output.len()).ok_or(HashError::Primitive)?);
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses a hash. Returns `None` if the format is unknown.
pub(super) fn parse(text: &str) -> Option<Stored> {
    let fields: Vec<&str> = text.split('$').collect();
    match *fields.as_slice() {
        ["", "2a" | "2b" | "2y", cost, rest] => crypt(cost, rest, false),
        ["bcrypt", "", "2a" | "2b" | "2y", cost, rest] => crypt(cost, rest, false),
        ["bcrypt_sha256", "", "2a" | "2b" | "2y", cost, rest] => crypt(cost, rest, true),
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
        [params, salt, output] if params.starts_with("scrypt:") => werkzeug(params, salt, output),
        [_] => asp_net(text),
        _ => None,
    }
}

fn stored(scheme: Legacy, salt: Vec<u8>, output: Vec<u8>) -> Stored {
    Stored { scheme: PasswordHashing(Kind::Legacy(scheme)), salt, output }
}

fn crypt(cost: &str, rest: &str, sha256: bool) -> Option<Stored> {
    let (salt, output) = rest.split_at_checked(22)?;
    let salt = BCRYPT_BASE64.decode(salt).ok()?;
    let output = BCRYPT_BASE64.decode(output).ok()?;
    let is_whole = salt.len() == 16 && output.len() == 23;
    is_whole
        .then(|| cost.parse().ok())
        .flatten()
        .map(|cost| stored(Legacy::Bcrypt { cost, sha256 }, salt, output))
}

fn memory(n: &str, r: &str, p: &str) -> Option<Legacy> {
    let n: u64 = n.parse().ok()?;
    let log_n = u8::try_from(n.checked_ilog2()?).ok()?;
    n.is_power_of_two().then_some(())?;
    Some(Legacy::Scrypt { log_n, r: r.parse().ok()?, p: p.parse().ok()? })
}

fn passlib(params: &str, salt: &str, output: &str) -> Option<Stored> {
    let named = |name: &str| {
        params.split(',').find_map(|param| param.strip_prefix(name)?.strip_prefix('='))
    };
    let scheme = Legacy::Scrypt {
        log_n: named("ln")?.parse().ok()?,
        r: named("r")?.parse().ok()?,
        p: named("p")?.parse().ok()?,
    };
    let bytes = |text: &str| STANDARD_NO_PAD.decode(text.replace('.', "+")).ok();
    Some(stored(scheme, bytes(salt)?, bytes(output)?))
}

fn werkzeug(params: &str, salt: &str, output: &str) -> Option<Stored> {
    let [_, n, r, p] = *params.split(':').collect::<Vec<_>>().as_slice() else { return None };
    let bytes: Option<Vec<u8>> = output
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    Some(stored(memory(n, r, p)?, salt.as_bytes().to_vec(), bytes?))
}

fn asp_net(text: &str) -> Option<Stored> {
    let bytes = STANDARD.decode(text).ok()?;
    let (version, rest) = bytes.split_first()?;
    if *version == 0 {
        let (salt, output) = rest.split_at_checked(16)?;
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
mod tests {
    use super::*;
    use crate::crypto::password::PasswordHasher;

    #[test]
    fn hashes_of_other_systems_are_verified_and_replaced() {
        // CR-02; made by Django, bcrypt, passlib and Werkzeug, those of ASP.NET by its layout
        let hasher = PasswordHasher::new(PasswordHashing::argon2id()).unwrap();
        let text = |raw: &str| NormalizedPassword::parse_existing(raw).unwrap();
        for line in include_str!("../../../tests/vectors/legacy-hashes.txt").lines() {
            let Some((system, hash)) = line.split_once(' ') else { continue };
            let verified = hasher.verify(&text("correct horse"), hash);
            let verified = verified.unwrap_or_else(|error| panic!("{system}: {error}"));
            assert!(verified.matches, "{system}");
            assert_eq!(verified.rehash, !hash.contains("argon2"), "{system}");
            assert!(!hasher.verify(&text("correct horsf"), hash).unwrap().matches, "{system}");
        }
    }

    #[test]
    fn hashes_with_excessive_costs_are_rejected() {
        // CR-03
        let hasher = PasswordHasher::new(PasswordHashing::argon2id()).unwrap();
        let text = NormalizedPassword::parse_existing("x").unwrap();
        for greedy in [
            "$2b$31$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "scrypt$1048576$saltsaltsalt$64$1$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "pbkdf2_sha256$999999999$saltsaltsalt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ] {
            let outcome = hasher.verify(&text, greedy);
            assert!(matches!(outcome, Err(HashError::OutOfBounds)), "{greedy}: {outcome:?}");
        }
        for foreign in ["$2b$12$short", "scrypt$3$saltsaltsalt$8$1$AAAA", "AQAAAAA=", "md5$a$b", ""]
        {
            assert!(matches!(hasher.verify(&text, foreign), Err(HashError::Unknown)), "{foreign}");
        }
    }
}
