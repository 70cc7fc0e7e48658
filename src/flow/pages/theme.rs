//! The appearance of the pages.

use super::color::Color;

/// The name, the logo and the colors of the pages.
///
/// ```
/// use authlayer::Theme;
/// let theme = Theme::new("Example").accent("#0a7").logo("/logo.svg").radius(12);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Theme {
    pub(super) name: String,
    pub(super) logo: Option<String>,
    accent: String,
    dark_accent: Option<String>,
    radius: u8,
    font: Option<String>,
    scheme: ColorScheme,
}

/// The color schemes that the pages support.
///
/// ```
/// use authlayer::{ColorScheme, Theme};
///
/// let theme = Theme::new("Example").color_scheme(ColorScheme::Dark);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColorScheme {
    /// Light or dark, as the system of the user.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// Creates the default theme of an application with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            logo: None,
            accent: "#2f5bea".to_owned(),
            dark_accent: None,
            radius: 10,
            font: None,
            scheme: ColorScheme::System,
        }
    }

    /// Sets the color of buttons and links, as `#rgb` or `#rrggbb`. Text in this color is darkened
    /// or lightened until it is readable (WCAG 2.2, 4.5:1).
    pub fn accent(mut self, color: impl Into<String>) -> Self {
        self.accent = color.into();
        self
    }

    /// Sets the accent color of the dark scheme; by default that of [`accent`](Self::accent).
    pub fn dark_accent(mut self, color: impl Into<String>) -> Self {
        self.dark_accent = Some(color.into());
        self
    }

    /// Sets the path or `https` URL of the logo, which is shown in place of the name.
    pub fn logo(mut self, path: impl Into<String>) -> Self {
        self.logo = Some(path.into());
        self
    }

    /// Sets the radius of corners, in CSS pixels.
    pub fn radius(mut self, pixels: u8) -> Self {
        self.radius = pixels;
        self
    }

    /// Sets the font, as the CSS property `font-family`. The pages load no font.
    pub fn font(mut self, family: impl Into<String>) -> Self {
        self.font = Some(family.into());
        self
    }

    /// Sets the color schemes.
    pub fn color_scheme(mut self, scheme: ColorScheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Returns the style sheet, or the option that is invalid.
    pub(super) fn style_sheet(&self, base: &str) -> Result<String, String> {
        let accent = color(&self.accent, "accent")?;
        let dark = color(self.dark_accent.as_ref().unwrap_or(&self.accent), "dark_accent")?;
        if self.name.trim().is_empty() {
            return Err("name of the theme must not be empty".to_owned());
        }
        if self.logo.as_deref().is_some_and(|logo| !is_source(logo)) {
            return Err("logo must be a path such as \"/logo.svg\" or an https URL".to_owned());
        }
        let font = self.font.as_deref().unwrap_or(FONT);
        if font.contains(['{', '}', ';', '<', '/', '\\', '@']) {
            return Err("font must be a list of font families".to_owned());
        }
        let (light, dark) = (accent.properties(LIGHT), dark.properties(DARK));
        let radius = self.radius;
        let shape = format!("--radius:{radius}px;--font:{font}");
        let schemes = match self.scheme {
            ColorScheme::Light => format!(":root{{color-scheme:light;{light};{shape}}}"),
            ColorScheme::Dark => {
                format!(":root{{color-scheme:dark;{light};{shape};{DARK_COLORS};{dark}}}")
            }
            ColorScheme::System => format!(
                ":root{{color-scheme:light dark;{light};{shape}}}\n\
                 @media (prefers-color-scheme:dark){{:root{{{DARK_COLORS};{dark}}}}}"
            ),
        };
        Ok(format!("{base}\n{schemes}\n"))
    }

    /// Returns the origin of a logo on another host, for `img-src`.
    pub(super) fn logo_origin(&self) -> Option<&str> {
        let logo = self.logo.as_deref().filter(|logo| logo.starts_with("https://"))?;
        let end = logo.get(8..)?.find('/').map_or(logo.len(), |at| at + 8);
        logo.get(..end)
    }
}

fn color(text: &str, option: &str) -> Result<Color, String> {
    Color::parse(text).ok_or_else(|| format!("{option} must be a color such as \"#0a7\""))
}

/// Returns whether text is a path or an `https` URL that can be in a policy.
fn is_source(text: &str) -> bool {
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && !b";,\"'\\".contains(&b));
    is_plain && (text.starts_with("https://") || text.starts_with('/') && !text.starts_with("//"))
}

/// The backgrounds of the two schemes.
const LIGHT: Color = Color::new(0xff, 0xff, 0xff);
const DARK: Color = Color::new(0x17, 0x19, 0x1e);

const FONT: &str = "ui-sans-serif,system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\
     \"Hiragino Sans\",\"Noto Sans JP\",\"Noto Sans Arabic\",sans-serif";

const DARK_COLORS: &str = "--page:#0e0f12;--card:#17191e;--text:#eceef2;--muted:#a3a9b5;\
     --line:#2b2f38;--control:#6d7482;--field:#0e0f12;--hover:#21242b;--danger:#ff8f85;\
     --danger-soft:#3a1b1a;--good:#6fd39a;--good-soft:#12301f;--shadow:none";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_options_are_named() {
        let problem = |theme: Theme| theme.style_sheet("").unwrap_err();
        assert!(problem(Theme::new("")).contains("name"));
        assert!(problem(Theme::new("X").accent("red")).contains("accent"));
        assert!(problem(Theme::new("X").dark_accent("#12")).contains("dark_accent"));
        assert!(problem(Theme::new("X").logo("logo.svg")).contains("logo"));
        assert!(problem(Theme::new("X").logo("https://x/; script-src *")).contains("logo"));
        assert!(problem(Theme::new("X").font("x; } body { color: red")).contains("font"));
    }

    #[test]
    fn logo_on_another_host_is_allowed_by_its_origin() {
        let origin = |logo: &str| Theme::new("X").logo(logo).logo_origin().map(str::to_owned);
        assert_eq!(origin("/logo.svg"), None);
        assert_eq!(origin("https://cdn.example/a/b.svg").as_deref(), Some("https://cdn.example"));
        assert_eq!(origin("https://cdn.example").as_deref(), Some("https://cdn.example"));
    }
}
