//! Characters of names that cannot be seen, or that change the order of others.

use std::borrow::Cow;

/// Returns text with each invisible character as its number, such as `⟨U+202E⟩`: controls, marks of
/// direction, separators, and characters without width, but for the joiners that scripts and emoji
/// need.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| match is_invisible(c) {
        true => format!("⟨U+{:04X}⟩", u32::from(c)),
        false => c.to_string(),
    });
    Cow::Owned(shown.collect())
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_shown_as_their_number() {
        for (text, shown) in [
            ("Ada", "Ada"),
            ("nimda\u{202e}", "nimda⟨U+202E⟩"),
            ("a\nb\u{0}\u{85}", "a⟨U+000A⟩b⟨U+0000⟩⟨U+0085⟩"),
            ("admin\u{200b}\u{feff}", "admin⟨U+200B⟩⟨U+FEFF⟩"),
            ("علی\u{200c}رضا 👩\u{200d}🔬", "علی\u{200c}رضا 👩\u{200d}🔬"),
            ("<b>&", "<b>&"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }
}
