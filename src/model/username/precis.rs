//! The profile `UsernameCaseMapped` (RFC 8265 §3.3) and skeletons (UTS 39 §4).
//!
//! General categories, scripts and decompositions are those of the current version of Unicode, so
//! that letters of new scripts are accepted. A zero-width joiner is allowed only after a virama.

use unicode_bidi::{BidiClass, bidi_class};
use unicode_normalization::{
    UnicodeNormalization,
    char::{canonical_combining_class, decompose_compatible},
};
use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};

/// The profile is applied until its result is stable, which RFC 8264 §7 expects after at most this
/// many times.
const MAX_PASSES: usize = 4;
/// The canonical combining class of a virama.
const VIRAMA: u8 = 9;

/// Returns the text in the form that the profile enforces, or `None` if the profile rejects it.
pub(super) fn normalize(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..MAX_PASSES {
        let next = enforce(&text)?;
        if next == text {
            return Some(text);
        }
        text = next;
    }
    None
}

/// Returns the skeleton without regard to case. The skeleton of `0` is `O`, and that of `o` is `o`;
/// therefore the skeleton is converted to lower case and taken again.
pub(super) fn skeleton(text: &str) -> String {
    let skeleton: String = unicode_security::skeleton(text).collect();
    unicode_security::skeleton(&skeleton.to_lowercase()).collect()
}

fn enforce(text: &str) -> Option<String> {
    let mut mapped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // The fullwidth and halfwidth forms, and the ideographic space.
            '\u{ff00}'..='\u{ffef}' | '\u{3000}' => decompose_compatible(c, |c| mapped.push(c)),
            c => mapped.push(c),
        }
    }
    let chars: Vec<char> = mapped.chars().collect();
    let is_allowed = chars.iter().enumerate().all(|(at, c)| is_identifier(*c, at, &chars));
    let text: String = mapped.to_lowercase().nfc().collect();
    (is_allowed && satisfies_bidi_rule(&text)).then_some(text)
}

/// Returns whether the character at a position belongs to the IdentifierClass (RFC 8264 §8).
fn is_identifier(c: char, at: usize, all: &[char]) -> bool {
    let before = at.checked_sub(1).and_then(|at| all.get(at)).copied();
    let after = all.get(at + 1).copied();
    let is_script =
        |c: Option<char>, scripts: &[Script]| c.is_some_and(|c| scripts.contains(&c.script()));
    match c {
        // RFC 5892 §2.6, with the rules of appendix A.
        '\u{df}' | '\u{3c2}' | '\u{6fd}' | '\u{6fe}' | '\u{f0b}' | '\u{3007}' => true,
        '\u{b7}' => before == Some('l') && after == Some('l'),
        '\u{375}' => is_script(after, &[Script::Greek]),
        '\u{5f3}' | '\u{5f4}' => is_script(before, &[Script::Hebrew]),
        '\u{30fb}' => {
            let scripts = [Script::Hiragana, Script::Katakana, Script::Han];
            all.iter().any(|c| is_script(Some(*c), &scripts))
        }
        '\u{660}'..='\u{669}' => !all.iter().any(|c| ('\u{6f0}'..='\u{6f9}').contains(c)),
        '\u{6f0}'..='\u{6f9}' => !all.iter().any(|c| ('\u{660}'..='\u{669}').contains(c)),
        '\u{640}' | '\u{7fa}' | '\u{302e}' | '\u{302f}' | '\u{3031}'..='\u{3035}' | '\u{303b}' => {
            false
        }
        '!'..='~' => true,
        '\u{200c}' | '\u{200d}' => before.map(canonical_combining_class) == Some(VIRAMA),
        c => is_letter_or_digit(c) && !is_old_jamo(c) && !is_ignorable(c) && !has_compat(c),
    }
}

/// LetterDigits (RFC 8264 §9.1).
fn is_letter_or_digit(c: char) -> bool {
    matches!(
        c.general_category(),
        Category::LowercaseLetter
            | Category::UppercaseLetter
            | Category::OtherLetter
            | Category::DecimalNumber
            | Category::ModifierLetter
            | Category::NonspacingMark
            | Category::SpacingMark
    )
}

/// OldHangulJamo (RFC 8264 §9.9).
fn is_old_jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97c}' | '\u{d7b0}'..='\u{d7fb}')
}

/// The letters and marks among the PrecisIgnorableProperties (RFC 8264 §9.13).
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// HasCompat (RFC 8264 §9.17).
fn has_compat(c: char) -> bool {
    !std::iter::once(c).nfkc().eq(std::iter::once(c))
}

/// The bidi rule of RFC 5893 §2, for text that has a character of a right-to-left script.
fn satisfies_bidi_rule(text: &str) -> bool {
    use BidiClass::{AL, AN, BN, CS, EN, ES, ET, L, NSM, ON, R};
    let classes: Vec<BidiClass> = text.chars().map(bidi_class).collect();
    let has = |class: BidiClass| classes.contains(&class);
    if !has(R) && !has(AL) && !has(AN) {
        return true;
    }
    let last = classes.iter().rev().find(|class| **class != NSM);
    let common = [EN, ES, CS, ET, ON, BN, NSM];
    let allow = |more: &[BidiClass], ends: &[BidiClass]| {
        classes.iter().all(|class| common.contains(class) || more.contains(class))
            && last.is_some_and(|last| ends.contains(last))
    };
    match classes.first() {
        Some(&(R | AL)) => allow(&[R, AL, AN], &[R, AL, EN, AN]) && !(has(EN) && has(AN)),
        Some(&L) => allow(&[L], &[L, EN]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contextual_rules_of_rfc_5892() {
        for (text, is_valid) in [
            ("l\u{b7}l", true),
            ("l\u{b7}a", false),
            ("\u{b7}l", false),
            ("\u{375}\u{3b1}", true),
            ("\u{375}a", false),
            ("\u{5d0}\u{5f3}", true),
            ("\u{5f3}\u{5d0}", false),
            ("\u{30a2}\u{30fb}\u{30a2}", true),
            ("a\u{30fb}a", false),
            ("\u{627}\u{660}\u{661}", true),
            ("\u{627}\u{660}\u{6f1}", false),
            ("\u{627}\u{6f0}\u{6f1}", true),
            // Devanagari ka, virama, zero-width joiner, ssa.
            ("\u{915}\u{94d}\u{200d}\u{937}", true),
            ("\u{915}\u{200d}\u{937}", false),
        ] {
            assert_eq!(normalize(text).is_some(), is_valid, "{text:?}");
        }
    }

    #[test]
    fn characters_outside_of_the_identifier_class_are_rejected() {
        for c in [
            '\u{640}',
            '\u{302e}',
            '\u{1100}',
            '\u{34f}',
            '\u{fe0f}',
            '\u{e0101}',
            '\u{3164}',
            '\u{2163}',
            '\u{bd}',
            '\u{fb01}',
            '\u{212b}',
            '\u{20ac}',
            '\u{2026}',
            '\u{3000}',
            '\u{ad}',
            '\u{200b}',
            '\u{202e}',
            '\u{2028}',
            '\u{7f}',
            '\u{1f600}',
            '\u{e000}',
            '\u{378}',
            '\u{ffff}',
            '\u{20dd}',
            '\u{ff76}',
        ] {
            let is_mapped = c == '\u{ff76}';
            assert_eq!(normalize(&format!("a{c}")).is_some(), is_mapped, "{c:?}");
        }
        for c in
            "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u{df}\u{3c2}\u{3007}\u{e9}\u{4e2d}\u{ac00}".chars()
        {
            assert!(normalize(&format!("a{c}")).is_some(), "{c:?}");
        }
    }

    #[test]
    fn bidi_rule_of_rfc_5893() {
        for (text, is_valid) in [
            ("\u{5d0}\u{5d1}", true),
            ("\u{5d0}1", true),
            ("\u{5d0}\u{5b0}", true),
            ("1\u{5d0}", false),
            ("a\u{5d0}", false),
            ("\u{5d0}a", false),
            ("\u{5d0}-", false),
            ("\u{627}1\u{660}", false),
            ("abc-1", true),
        ] {
            assert_eq!(normalize(text).is_some(), is_valid, "{text:?}");
        }
    }
}
