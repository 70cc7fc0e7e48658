//! Names the device of a `User-Agent` header.
//!
//! A request can cause a message to the email address of another person. The message therefore does
//! not contain the header; it contains only names from this file.

/// Browsers and programs. Specific tokens come first, since most headers contain `Safari` too.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("YaBrowser/", "Yandex Browser"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("CFNetwork/", "an application"),
    ("okhttp/", "an application"),
    ("Dalvik/", "an application"),
    ("curl/", "curl"),
];

/// Systems. Specific tokens come first: Android sends `Linux` too, and an iPhone `Mac OS X`.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// Returns the names of the program and the system, if they are known.
pub(crate) fn device_parts(user_agent: &str) -> (Option<&'static str>, Option<&'static str>) {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(token, _)| user_agent.contains(token)).map(|(_, name)| *name)
    };
    (find(PROGRAMS), find(SYSTEMS))
}

/// Returns the name of the device, for example `Firefox on Windows`.
pub(crate) fn device(user_agent: &str) -> String {
    match device_parts(user_agent) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "not recognized".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_devices_are_named_without_repeating_the_header() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 \
                (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 \
                (KHTML, like Gecko) CriOS/130.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) \
                SamsungBrowser/26.0 Chrome/122.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                Chrome/130.0 Safari/537.36 Edg/130.0",
                "Edge on Linux",
            ),
            ("curl/8.5.0", "curl"),
            ("You have won; call +1 555 0100 and say Windows", "Windows"),
            ("You have won <a href=\"https://example.com\">", "not recognized"),
            ("", "not recognized"),
        ] {
            assert_eq!(device(agent), name, "{agent}");
        }
    }
}
