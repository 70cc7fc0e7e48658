//! Parses and writes hashes in the PHC string format; also parses passlib's variant of PBKDF2.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{
    legacy,
    scheme::{Argon2Params, Kind, PasswordHashing},
    stored::Stored,
};

const LONGEST: usize = 512;
const SALT: std::ops::RangeInclusive<usize> = 8..=64;
const OUTPUT: std::ops::RangeInclusive<usize> = 16..=64;
const ARGON2_VERSION: &str = "v=19";

impl Stored {
    /// Parses a hash. Returns `None` if the scheme is unknown or a length is out of bounds.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let own = Self::parse_own(text).filter(|own| SALT.contains(&own.salt.len()));
        let stored = own.or_else(|| legacy::parse(text))?;
        OUTPUT.contains(&stored.output.len()).then_some(stored)
    }

    fn parse_own(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.strip_prefix('$')?.split('$').collect();
        let (kind, salt, output) = match *fields.as_slice() {
            ["argon2id", ARGON2_VERSION, params, salt, output] => {
                (Kind::Argon2id(argon2(params)?), plain(salt)?, plain(output)?)
            }
            ["pbkdf2-sha256", params, salt, output] if params.contains('=') => {
                (Kind::Pbkdf2Sha256(rounds(params)?), plain(salt)?, plain(output)?)
            }
            ["pbkdf2-sha256", rounds, salt, output] => {
                (Kind::Pbkdf2Sha256(rounds.parse().ok()?), dotted(salt)?, dotted(output)?)
            }
            _ => return None,
        };
        Some(Self { scheme: PasswordHashing(kind), salt, output })
    }

    /// Returns the PHC string to store.
    pub(super) fn to_text(&self) -> String {
        let salt = STANDARD_NO_PAD.encode(&self.salt);
        let output = STANDARD_NO_PAD.encode(&self.output);
        match self.scheme.0 {
            Kind::Argon2id(Argon2Params { m_kib, t, p }) => {
                format!("$argon2id${ARGON2_VERSION}$m={m_kib},t={t},p={p}${salt}${output}")
            }
            Kind::Pbkdf2Sha256(rounds) => {
                let length = self.output.len();
                format!("$pbkdf2-sha256$i={rounds},l={length}${salt}${output}")
            }
            // Legacy schemes are only verified, never written.
            Kind::Legacy(_) => String::new(),
        }
    }
}

fn argon2(params: &str) -> Option<Argon2Params> {
    let [m, t, p] = named(params, ["m", "t", "p"])?;
    Some(Argon2Params { m_kib: m?, t: t?, p: p? })
}

fn rounds(params: &str) -> Option<u32> {
    let [rounds, _length] = named(params, ["i", "l"])?;
    rounds
}

/// Returns the values of `a=1,b=2` in the order of `names`, or `None` if a name is unknown or
/// repeated.
fn named<const N: usize>(params: &str, names: [&str; N]) -> Option<[Option<u32>; N]> {
    let mut values = [None; N];
    for param in params.split(',') {
        let (name, value) = param.split_once('=')?;
        let slot = values.get_mut(names.iter().position(|known| *known == name)?)?;
        if slot.replace(value.parse().ok()?).is_some() {
            return None;
        }
    }
    Some(values)
}

fn plain(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

/// Decodes passlib's base64, which has `.` in place of `+`.
fn dotted(text: &str) -> Option<Vec<u8>> {
    plain(&text.replace('.', "+"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_text_round_trips() {
        for scheme in [PasswordHashing::argon2id(), PasswordHashing::pbkdf2_sha256()] {
            let stored = Stored { scheme, salt: vec![1; 16], output: vec![2; 32] };
            let read = Stored::parse(&stored.to_text()).unwrap();
            assert_eq!((read.scheme, read.salt, read.output), (scheme, vec![1; 16], vec![2; 32]));
        }
    }

    #[test]
    fn unknown_formats_are_rejected() {
        // CR-03
        let (salt, out) = ("AAAAAAAAAAAAAAAAAAAAAA", "A".repeat(43));
        for text in [
            String::new(),
            "plain".to_owned(),
            "$x$y".to_owned(),
            format!("$argon2id$v=16$m=19456,t=2,p=1${salt}${out}"),
            format!("$argon2id$v=19$m=19456,t=2${salt}${out}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1,p=1${salt}${out}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1,keyid=AA${salt}${out}"),
            format!("$argon2id$v=19$m=99999999999,t=2,p=1${salt}${out}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1$AA${out}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1${salt}$AAAA"),
            format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${}", "A".repeat(600)),
            format!("$argon2x$v=19$m=19456,t=2,p=1${salt}${out}"),
        ] {
            assert!(Stored::parse(&text).is_none(), "{text}");
        }
    }
}
