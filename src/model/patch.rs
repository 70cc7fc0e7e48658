//! A member of a JSON Merge Patch.

use serde::{Deserialize, Deserializer};

/// A member of a JSON Merge Patch (RFC 7396): absent, `null` or a value.
///
/// Add `#[serde(default)]` to a field or its type, so that an absent member is [`Patch::Keep`].
///
/// ```
/// use authlayer::users::{Patch, UserPatch};
/// let patch: UserPatch =
///     serde_json::from_str(r#"{ "display_name": "Ada", "phone": null }"#).unwrap();
/// assert_eq!(patch.display_name, Patch::Set("Ada".to_owned()));
/// assert_eq!(patch.phone, Patch::Clear);
/// assert_eq!(patch.roles, Patch::Keep);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The member is absent: the value is unchanged.
    #[default]
    Keep,
    /// The member is `null`: the value is removed.
    Clear,
    /// The member replaces the value, or is merged into it if it is an object.
    Set(T),
}

impl<T> Patch<T> {
    /// Returns `true` if the value is unchanged.
    pub(crate) fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Returns the new value, if there is one.
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// Returns the member with another value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(change(value)),
        }
    }

    /// Returns [`Patch::Set`] for a value, and [`Patch::Clear`] for `None`.
    pub(crate) fn of(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

impl<T: Clone> Patch<T> {
    /// Applies the member to an optional value.
    pub(crate) fn apply(&self, own: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *own = None,
            Self::Set(value) => *own = Some(value.clone()),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::of)
    }
}
