//! Passwords that are set anew, by whichever flow.

use async_trait::async_trait;

use crate::{
    crypto::password::{HashPool, PasswordText, Policy},
    error::{AuthError, ErrorKind},
    proof::NewPasswords,
};

pub(super) struct Hasher {
    pub(super) pool: HashPool,
    pub(super) policy: Policy,
}

#[async_trait]
impl NewPasswords for Hasher {
    async fn hash_new(&self, raw: &str, identifiers: &[&str]) -> Result<String, AuthError> {
        let text = PasswordText::for_new(raw, &self.policy, identifiers).map_err(|weak| {
            let reasons: Vec<_> = weak.reasons.iter().map(|reason| reason.as_str()).collect();
            AuthError::new(ErrorKind::WeakPassword)
                .with_member("reasons", reasons)
                .with_member("min_length", weak.min_length)
        })?;
        Ok(self.pool.hash(text).await?)
    }
}
