//! The style sheet and the script, at a path with the hash of their contents.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::Theme;

/// The files that pages load.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) style: String,
    pub(super) script: &'static str,
    /// The hash of both, a part of their path.
    pub(super) hash: String,
}

impl Assets {
    pub(super) fn new(theme: &Theme) -> Result<Self, String> {
        let (style, script) =
            (theme.style_sheet(include_str!("style.css"))?, include_str!("script.js"));
        let digest = Sha256::new().chain_update(&style).chain_update([0]).chain_update(script);
        let hash = URL_SAFE_NO_PAD.encode(digest.finalize().get(..12).unwrap_or_default());
        Ok(Self { style, script, hash })
    }
}
