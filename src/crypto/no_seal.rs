//! Without the feature `sealing` there are no keys.

/// A key, of which there is none.
#[derive(Debug)]
pub(crate) enum SealingKey {}

/// A list of keys, of which there is none.
#[derive(Debug)]
pub(crate) enum SealingKeys {}

impl SealingKeys {
    pub(crate) fn new(_: Vec<SealingKey>) -> Result<Self, &'static str> {
        Err("they need the feature `sealing`")
    }
}
