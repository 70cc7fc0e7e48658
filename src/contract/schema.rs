//! Members of objects, and their types.

/// The type of a value, with an example.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Schema {
    Text(Text),
    /// An example.
    Boolean(bool),
    /// A number that is not negative, with an example.
    Integer(u64),
    /// A number of a minimum and a maximum, with an example.
    IntegerOf((u64, u64), u64),
    /// An object with any members, and an example as JSON.
    Map(&'static str),
    List(&'static Schema),
    Object(&'static [Member]),
    /// One of several, of which the first one is the example.
    AnyOf(&'static [Schema]),
    /// All members of several objects.
    AllOf(&'static [Schema]),
    /// An object that several operations have in common.
    Named(&'static str, &'static [Member]),
}

/// A text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) example: &'static str,
    pub(crate) format: Option<&'static str>,
    /// The only values, if there are few.
    pub(crate) values: &'static [&'static str],
    /// The minimum and the maximum number of characters.
    pub(crate) length: Option<(usize, usize)>,
    pub(crate) pattern: Option<&'static str>,
}

impl Schema {
    pub(crate) const fn text(example: &'static str) -> Self {
        Self::Text(Text { example, format: None, values: &[], length: None, pattern: None })
    }

    /// A text with a format of JSON Schema, such as `date-time`.
    pub(crate) const fn format(format: &'static str, example: &'static str) -> Self {
        let format = Some(format);
        Self::Text(Text { example, format, values: &[], length: None, pattern: None })
    }

    /// A text of a minimum and a maximum number of characters.
    pub(crate) const fn text_of(length: (usize, usize), example: &'static str) -> Self {
        let length = Some(length);
        Self::Text(Text { example, format: None, values: &[], length, pattern: None })
    }

    /// A text that matches a pattern.
    pub(crate) const fn pattern(pattern: &'static str, example: &'static str) -> Self {
        let pattern = Some(pattern);
        Self::Text(Text { example, format: None, values: &[], length: None, pattern })
    }

    /// One of several texts. The first one is the example.
    pub(crate) const fn one_of(values: &'static [&'static str]) -> Self {
        let example = match values {
            [first, ..] => *first,
            [] => "",
        };
        Self::Text(Text { example, format: None, values, length: None, pattern: None })
    }

    pub(crate) const fn time() -> Self {
        Self::format("date-time", "2026-01-01T00:00:00Z")
    }
}

/// A member of an object, or a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) schema: Schema,
    pub(crate) presence: Presence,
    /// The member that this one replaces: exactly one of both is required.
    pub(crate) replaces: Option<&'static str>,
}

/// Whether a member must be present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    /// Present, and possibly null.
    Nullable,
    /// Possibly absent; in a request, also null.
    Optional,
    /// Possibly absent, and never null.
    OptionalNotNull,
}

impl Member {
    pub(crate) const fn new(name: &'static str, schema: Schema) -> Self {
        Self { name, schema, presence: Presence::Required, replaces: None }
    }

    pub(crate) const fn text(name: &'static str, example: &'static str) -> Self {
        Self::new(name, Schema::text(example))
    }

    pub(crate) const fn time(name: &'static str) -> Self {
        Self::new(name, Schema::time())
    }

    pub(crate) const fn optional(self) -> Self {
        Self { presence: Presence::Optional, ..self }
    }

    /// In a request, the member may be absent, but not null.
    pub(crate) const fn optional_not_null(self) -> Self {
        Self { presence: Presence::OptionalNotNull, ..self }
    }

    pub(crate) const fn nullable(self) -> Self {
        Self { presence: Presence::Nullable, ..self }
    }

    pub(crate) const fn replaces(self, other: &'static str) -> Self {
        Self { replaces: Some(other), ..self }
    }
}
