//! Computes the hashes of other systems.

use aes::Aes256;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD};
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256, Sha384};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{
    legacy_scheme::{BcryptInput, Legacy},
    legacy_secrets::LegacySecrets,
    scheme::HashError,
    text::NormalizedPassword,
};

/// bcrypt uses at most 72 bytes of input, including the terminating zero.
const BCRYPT_MOST: usize = 72;
/// Schemes that hash the password in every round do not match longer ones, so that the length of a
/// password does not multiply their cost.
const CRYPT_MOST: usize = 512;
/// The characters that `trim` of PHP removes.
const PHP_WHITESPACE: [char; 6] = [' ', '\t', '\n', '\r', '\0', '\u{b}'];

impl Legacy {
    /// Computes a hash into `output`, which contains zeros.
    pub(super) fn compute(
        self,
        password: &NormalizedPassword,
        salt: &[u8],
        secrets: &LegacySecrets,
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
            Self::Scrypt { log_n, r, p, nfkc } => {
                let composed = Zeroizing::new(match nfkc {
                    true => password.as_str().nfkc().collect(),
                    false => String::new(),
                });
                let secret = if nfkc { composed.as_bytes() } else { secret };
                scrypt(secret, salt, (log_n, r, p), output)?;
            }
            Self::FirebaseScrypt { log_n, r } => {
                let signer = secrets.firebase_signer_key()?;
                let mut key = Zeroizing::new([0; 32]);
                scrypt(secret, salt, (log_n, r, 1), &mut *key)?;
                if signer.len() == output.len() {
                    output.copy_from_slice(signer);
                    Ctr128BE::<Aes256>::new(&(*key).into(), &[0; 16].into())
                        .apply_keystream(output);
                }
            }
            Self::Bcrypt { cost, input } => {
                let derived = Zeroizing::new(match input {
                    BcryptInput::Password => Vec::new(),
                    BcryptInput::Sha256Hex => hex(&Sha256::digest(secret)).into_bytes(),
                    BcryptInput::WordPress => wordpress(password.as_str())?.into_bytes(),
                    BcryptInput::DevisePepper => [secret, secrets.devise_pepper()?].concat(),
                });
                let is_derived = input != BcryptInput::Password;
                bcrypt(cost, if is_derived { &derived } else { secret }, salt, output)?;
            }
            Self::Argon2 { is_data_dependent, m_kib, t, p } => {
                let kind = if is_data_dependent { Algorithm::Argon2d } else { Algorithm::Argon2i };
                let params = Params::new(m_kib, t, p, Some(output.len()))
                    .map_err(|_| HashError::OutOfBounds)?;
                Argon2::new(kind, Version::V0x13, params)
                    .hash_password_into(secret, salt, output)
                    .map_err(|_| HashError::Primitive)?;
            }
            Self::Sha256Crypt(rounds) if secret.len() <= CRYPT_MOST => {
                let params = sha_crypt::Params::new(rounds).map_err(|_| HashError::OutOfBounds)?;
                fill(output, &sha_crypt::sha256_crypt(secret, salt, params))?;
            }
            Self::Sha512Crypt(rounds) if secret.len() <= CRYPT_MOST => {
                let params = sha_crypt::Params::new(rounds).map_err(|_| HashError::OutOfBounds)?;
                fill(output, &sha_crypt::sha512_crypt(secret, salt, params))?;
            }
            Self::Phpass { log_rounds, trims } if secret.len() <= CRYPT_MOST => {
                let text = password.as_str();
                let text = if trims { text.trim_matches(PHP_WHITESPACE) } else { text };
                let mut hash = Md5::new().chain_update(salt).chain_update(text).finalize();
                for _ in 0..1_u32 << log_rounds {
                    hash = Md5::new().chain_update(hash).chain_update(text).finalize();
                }
                fill(output, &hash)?;
            }
            Self::Sha256Crypt(_) | Self::Sha512Crypt(_) | Self::Phpass { .. } => {}
        }
        Ok(())
    }
}

fn fill(output: &mut [u8], hash: &[u8]) -> Result<(), HashError> {
    output.copy_from_slice(hash.get(..output.len()).ok_or(HashError::Primitive)?);
    Ok(())
}

fn scrypt(
    secret: &[u8],
    salt: &[u8],
    (log_n, r, p): (u8, u32, u32),
    output: &mut [u8],
) -> Result<(), HashError> {
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| HashError::OutOfBounds)?;
    scrypt::scrypt(secret, salt, &params, output).map_err(|_| HashError::Primitive)
}

fn bcrypt(cost: u32, secret: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), HashError> {
    let bounded = secret.iter().copied().take(BCRYPT_MOST);
    let mut closed = Zeroizing::new(Vec::from_iter(bounded));
    if closed.len() < BCRYPT_MOST {
        closed.push(0);
    }
    let salt = salt.try_into().map_err(|_| HashError::Primitive)?;
    // The encoded hash omits the last byte.
    fill(output, &bcrypt::bcrypt(cost, salt, &closed))
}

fn wordpress(password: &str) -> Result<String, HashError> {
    let mac = <Hmac<Sha384> as KeyInit>::new_from_slice(b"wp-sha384");
    let mac = mac.map_err(|_| HashError::Primitive)?;
    let mac = mac.chain_update(password.trim_matches(PHP_WHITESPACE));
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
