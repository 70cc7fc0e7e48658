//! Requests of browsers that load a URL before the user opens it.

use http::HeaderMap;

/// Returns whether a browser prefetches the URL, in which case no request is started.
pub(crate) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
        let lines = headers.get_all(*name).iter();
        lines.filter_map(|line| line.to_str().ok()).any(|line| {
            let mut parts = line.split([';', ',']).map(str::trim);
            parts.any(|part| part.eq_ignore_ascii_case("prefetch"))
        })
    })
}
