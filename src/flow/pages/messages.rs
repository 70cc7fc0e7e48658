//! Messages in the syntax of Project Fluent: text, variables, selection by plural category, and
//! references to other messages. Functions, terms and attributes are errors.

use std::collections::{BTreeSet, HashMap};

use fluent_syntax::{
    ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, Variant, VariantKey},
    parser::parse,
    unicode::unescape_unicode_to_string,
};

/// Marks around the value of a variable, so that its direction does not affect the sentence
/// (Unicode Bidirectional Algorithm, FSI and PDI).
const ISOLATE: char = '\u{2068}';
const END_ISOLATE: char = '\u{2069}';
/// The maximum number of messages that refer to each other.
const MAX_DEPTH: u32 = 8;

/// The messages of one language.
#[derive(Debug)]
pub(super) struct FluentMessages {
    plural: fn(u64) -> &'static str,
    messages: HashMap<String, Vec<MessagePart>>,
}

/// The value of a variable.
#[derive(Debug)]
pub(super) enum Argument {
    Number(u64),
    Text(String),
}

#[derive(Debug)]
enum MessagePart {
    Text(String),
    Variable(String),
    Message(String),
    /// The variants by key, and the index of the default.
    Select(String, Vec<(String, Vec<MessagePart>)>, usize),
}

impl FluentMessages {
    pub(super) fn new(tag: &str) -> Self {
        Self { plural: plural_rule(tag), messages: HashMap::new() }
    }

    /// Adds messages; they replace those with the same id. Returns the first error.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        let resource = parse(text)
            .map_err(|(_, errors)| errors.first().map(ToString::to_string).unwrap_or_default())?;
        for entry in resource.body {
            match entry {
                Entry::Message(message) => {
                    let id = message.id.name;
                    let value = message.value.filter(|_| message.attributes.is_empty());
                    let value =
                        value.ok_or_else(|| format!("`{id}` has attributes or no value"))?;
                    let parts = compile(&value).ok_or_else(|| {
                        format!("`{id}` has a function, a term, or a selector that is no variable")
                    })?;
                    self.messages.insert(id.to_owned(), parts);
                }
                Entry::Term(term) => return Err(format!("`-{}` is a term", term.id.name)),
                Entry::Junk { content } => return Err(content.to_owned()),
                Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
            }
        }
        Ok(())
    }

    /// Removes a message.
    pub(super) fn remove(&mut self, id: &str) {
        self.messages.remove(id);
    }

    /// Returns whether a message exists.
    pub(super) fn has(&self, id: &str) -> bool {
        self.messages.contains_key(id)
    }

    /// Returns the ids of all messages.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.messages.keys().map(String::as_str)
    }

    /// Returns the variables of a message, with those of the messages that it refers to.
    pub(super) fn variables(&self, id: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        if let Some(parts) = self.messages.get(id) {
            self.collect(parts, MAX_DEPTH, &mut found);
        }
        found
    }

    fn collect<'a>(&'a self, parts: &'a [MessagePart], depth: u32, found: &mut BTreeSet<&'a str>) {
        for part in parts {
            match (part, depth.checked_sub(1)) {
                (MessagePart::Text(_), _) | (MessagePart::Message(_), None) => {}
                (MessagePart::Variable(name), _) => {
                    found.insert(name);
                }
                (MessagePart::Message(id), Some(depth)) => {
                    let parts = self.messages.get(id).map(Vec::as_slice).unwrap_or_default();
                    self.collect(parts, depth, found);
                }
                (MessagePart::Select(name, variants, _), _) => {
                    found.insert(name);
                    for (_, parts) in variants {
                        self.collect(parts, depth, found);
                    }
                }
            }
        }
    }

    /// Returns a message, unless it does not exist or lacks a value.
    pub(super) fn format(&self, id: &str, arguments: &[(&str, Argument)]) -> Option<String> {
        let mut out = String::new();
        self.write(self.messages.get(id)?, arguments, MAX_DEPTH, &mut out)?;
        Some(out)
    }

    fn write(
        &self,
        parts: &[MessagePart],
        arguments: &[(&str, Argument)],
        depth: u32,
        out: &mut String,
    ) -> Option<()> {
        let find = |name: &str| arguments.iter().find(|(own, _)| *own == name).map(|own| &own.1);
        for part in parts {
            match part {
                MessagePart::Text(text) => out.push_str(text),
                MessagePart::Variable(name) => {
                    let text = match find(name)? {
                        Argument::Number(number) => number.to_string(),
                        Argument::Text(text) => text.clone(),
                    };
                    // A value alone is not part of a sentence.
                    let is_in_sentence = parts.len() > 1;
                    out.extend(is_in_sentence.then_some(ISOLATE));
                    out.push_str(&text);
                    out.extend(is_in_sentence.then_some(END_ISOLATE));
                }
                MessagePart::Message(id) => {
                    let depth = depth.checked_sub(1)?;
                    self.write(self.messages.get(id)?, arguments, depth, out)?;
                }
                MessagePart::Select(name, variants, default) => {
                    let chosen = self.choose(find(name)?, variants);
                    let chosen = chosen.or_else(|| variants.get(*default))?;
                    self.write(&chosen.1, arguments, depth, out)?;
                }
            }
        }
        Some(())
    }

    /// Returns the variant of an exact value, else that of its plural category.
    fn choose<'a>(
        &self,
        argument: &Argument,
        variants: &'a [(String, Vec<MessagePart>)],
    ) -> Option<&'a (String, Vec<MessagePart>)> {
        let named = |name: &str| variants.iter().find(|(key, _)| key == name);
        match argument {
            Argument::Text(text) => named(text),
            Argument::Number(number) => {
                named(&number.to_string()).or_else(|| named((self.plural)(*number)))
            }
        }
    }
}

fn compile(pattern: &Pattern<&str>) -> Option<Vec<MessagePart>> {
    let part = |element: &PatternElement<&str>| match element {
        PatternElement::TextElement { value } => Some(MessagePart::Text((*value).to_owned())),
        PatternElement::Placeable { expression } => placeable(expression),
    };
    pattern.elements.iter().map(part).collect()
}

fn placeable(expression: &Expression<&str>) -> Option<MessagePart> {
    match expression {
        Expression::Inline(inline) => inline_part(inline),
        Expression::Select { selector, variants } => {
            let InlineExpression::VariableReference { id } = selector else { return None };
            let default = variants.iter().position(|own| own.default)?;
            let variant = |own: &Variant<&str>| {
                let (VariantKey::Identifier { name: key }
                | VariantKey::NumberLiteral { value: key }) = &own.key;
                Some(((*key).to_owned(), compile(&own.value)?))
            };
            let variants = variants.iter().map(variant).collect::<Option<_>>()?;
            Some(MessagePart::Select(id.name.to_owned(), variants, default))
        }
    }
}

fn inline_part(inline: &InlineExpression<&str>) -> Option<MessagePart> {
    match inline {
        InlineExpression::StringLiteral { value } => {
            Some(MessagePart::Text(unescape_unicode_to_string(value).into_owned()))
        }
        InlineExpression::NumberLiteral { value } => Some(MessagePart::Text((*value).to_owned())),
        InlineExpression::VariableReference { id } => {
            Some(MessagePart::Variable(id.name.to_owned()))
        }
        InlineExpression::MessageReference { id, attribute: None } => {
            Some(MessagePart::Message(id.name.to_owned()))
        }
        InlineExpression::Placeable { expression } => placeable(expression),
        _ => None,
    }
}

/// Returns the rule for plural categories of whole numbers (CLDR). Languages that are not listed
/// have the rule of English.
fn plural_rule(tag: &str) -> fn(u64) -> &'static str {
    match tag.split('-').next().unwrap_or_default() {
        "ar" => |n| match (n, n % 100) {
            (0, _) => "zero",
            (1, _) => "one",
            (2, _) => "two",
            (_, 3..=10) => "few",
            (_, 11..=99) => "many",
            _ => "other",
        },
        "id" | "ja" | "ko" | "th" | "vi" | "zh" => |_| "other",
        "fr" | "pt" => |n| if n < 2 { "one" } else { "other" },
        "ru" | "uk" => |n| match (n % 10, n % 100) {
            (1, rest) if rest != 11 => "one",
            (2..=4, rest) if !(12..=14).contains(&rest) => "few",
            _ => "many",
        },
        "pl" => |n| match (n, n % 10, n % 100) {
            (1, ..) => "one",
            (_, 2..=4, rest) if !(12..=14).contains(&rest) => "few",
            _ => "many",
        },
        "cs" | "sk" => |n| match n {
            1 => "one",
            2..=4 => "few",
            _ => "other",
        },
        _ => |n| if n == 1 { "one" } else { "other" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(tag: &str, text: &str) -> FluentMessages {
        let mut messages = FluentMessages::new(tag);
        messages.add(text).unwrap();
        messages
    }

    fn number(n: u64) -> [(&'static str, Argument); 1] {
        [("n", Argument::Number(n))]
    }

    /// Examples of CLDR 48.
    #[test]
    fn plural_categories_are_those_of_the_language() {
        for (tag, n, category) in [
            ("en", 1, "one"),
            ("en", 0, "other"),
            ("fr", 0, "one"),
            ("fr", 2, "other"),
            ("ja", 1, "other"),
            ("ar", 0, "zero"),
            ("ar", 2, "two"),
            ("ar", 103, "few"),
            ("ar", 111, "many"),
            ("ar", 100, "other"),
            ("ru", 21, "one"),
            ("ru", 11, "many"),
            ("ru", 22, "few"),
            ("pl", 5, "many"),
            ("pl", 22, "few"),
            ("pl", 21, "many"),
            ("cs", 3, "few"),
            ("de-AT", 1, "one"),
        ] {
            assert_eq!(plural_rule(tag)(n), category, "{tag} {n}");
        }
    }

    #[test]
    fn messages_are_formatted() {
        let text = "a = { $n ->\n    [0] none\n    [one] one of { $n }\n   *[other] { $n }\n}\n\
                    b = { a }, and { \"\\u0021\" }\nc = { c }\nd = { $missing }\n";
        let messages = messages("en", text);
        let format = |id: &str, n| messages.format(id, &number(n));
        assert_eq!(format("a", 0).as_deref(), Some("none"));
        assert_eq!(format("a", 1).as_deref(), Some("one of \u{2068}1\u{2069}"));
        assert_eq!(format("a", 7).as_deref(), Some("7"));
        assert_eq!(format("b", 0).as_deref(), Some("none, and !"));
        assert_eq!(format("c", 0), None, "a message refers to itself");
        assert_eq!((format("d", 0), format("e", 0)), (None, None));
    }

    #[test]
    fn unsupported_syntax_is_an_error() {
        for text in ["= x", "a =", "-t = x", "a = { F() }", "a = x\n    .b = y", "a = { -t }"] {
            assert!(FluentMessages::new("en").add(text).is_err(), "{text}");
        }
    }
}
