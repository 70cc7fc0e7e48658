//! Request bodies: JSON objects of limited size whose members are read by name.

use std::marker::PhantomData;

use axum::{
    body::Body as AxumBody,
    extract::{FromRequest, Request},
};
use http::{HeaderMap, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::context::Context;
use crate::{
    contract::Member,
    error::{AuthError, ErrorKind},
    model::Patch,
    services::SignInOptions,
};

/// The maximum length of the name of a credential, in characters.
const MAX_NAME_LEN: usize = 64;

/// A body from which `T` was read.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// A type that is read from the members of a body.
pub(crate) trait FromMembers: Sized {
    /// The maximum length of a body, in bytes.
    const LONGEST: usize = 16 * 1024;

    /// Whether a body is required. It is not if every member is optional.
    const NEEDS_BODY: bool = true;

    /// Whether members that are not read are ignored.
    const IGNORES_OTHERS: bool = true;

    /// All members, for the description of the route.
    const MEMBERS: &'static [Member] = &[];

    /// Reads each member, or returns `None` if a required one is missing.
    fn read(members: &mut Members) -> Option<Self>;
}

/// The body of a route that takes no members: none, or any JSON object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoMembers;

impl FromMembers for NoMembers {
    const NEEDS_BODY: bool = false;

    fn read(_: &mut Members) -> Option<Self> {
        Some(Self)
    }
}

/// The members of a body, and the names of those that are missing or invalid.
#[derive(Debug)]
pub(crate) struct Members {
    given: Map<String, Value>,
    wrong: Vec<String>,
    /// The names that were read.
    known: Vec<&'static str>,
}

impl Members {
    /// Returns a member that is required.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let value = self.given.remove(name).and_then(|value| serde_json::from_value(value).ok());
        if value.is_none() {
            self.refuse(name);
        }
        value
    }

    /// Returns whether a member is given and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| !value.is_null())
    }

    /// Records that a member is invalid.
    pub(crate) fn refuse(&mut self, name: &str) {
        if !self.wrong.iter().any(|wrong| wrong == name) {
            self.wrong.push(name.to_owned());
        }
    }

    /// Records that all members that were not read are invalid.
    pub(crate) fn refuse_others(&mut self) {
        let given = std::mem::take(&mut self.given);
        let mut names: Vec<_> = given.into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        for name in names {
            self.refuse(&name);
        }
    }

    /// Returns a member of a merge patch (RFC 7396).
    pub(crate) fn patch<T: DeserializeOwned>(&mut self, name: &'static str) -> Patch<T> {
        let is_given = self.given.contains_key(name);
        let value = self.optional(name);
        if is_given { Patch::of(value) } else { Patch::Keep }
    }

    /// Returns an optional line of text: no control characters, at most `longest` characters.
    ///
    /// PostgreSQL stores no NUL, and a name with line breaks can break logs and emails.
    pub(crate) fn optional_line(&mut self, name: &'static str, longest: usize) -> Option<String> {
        let line: Option<String> = self.optional(name);
        let fits =
            |line: &str| !line.chars().any(char::is_control) && line.chars().nth(longest).is_none();
        if line.as_deref().is_some_and(|line| !fits(line)) {
            self.refuse(name);
        }
        line
    }

    /// Returns an optional text of one line. An empty one is none, as of a form whose field was left
    /// out.
    pub(crate) fn optional_text(&mut self, name: &'static str, longest: usize) -> Option<String> {
        self.optional_line(name, longest).filter(|text| !text.is_empty())
    }

    /// Returns the options of a sign-in.
    pub(crate) fn sign_in_options(&mut self) -> SignInOptions {
        SignInOptions {
            transport: self.optional("transport"),
            device_token: self.optional("device_token"),
            persistent: self.optional("persistent"),
        }
    }

    /// Returns an optional name of a credential: 1 to 64 printable characters.
    pub(crate) fn name(&mut self) -> Option<String> {
        // Line and paragraph separators, and characters that change the direction of text.
        let hidden = |c: char| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let name = self.optional_line("name", MAX_NAME_LEN);
        if name.as_deref().is_some_and(|name| name.trim().is_empty() || name.contains(hidden)) {
            self.refuse("name");
        }
        name
    }

    /// A member that may be absent or null, but is of its type if there.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        match self.given.remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => {
                let value = serde_json::from_value(value).ok();
                if value.is_none() {
                    self.refuse(name);
                }
                value
            }
        }
    }
}

impl Members {
    /// Logs unknown members that differ from a known one by one letter, since unknown members are
    /// ignored.
    fn warn_of_typos(&self) {
        for given in self.given.keys() {
            if let Some(known) = self.known.iter().find(|known| differs_by_one(given, known)) {
                tracing::warn!(
                    "the body has the unknown member {given:?}, which is ignored; \
                     expected {known:?}?"
                );
            }
        }
    }
}

impl Members {
    /// Requires that the description of a body, if there is one, has all members that were read.
    fn require_described(&self, described: &[Member]) {
        let has = |name: &str| described.iter().any(|own| own.name == name);
        let missing = self.known.iter().find(|name| !described.is_empty() && !has(name));
        debug_assert!(missing.is_none(), "the description of the body lacks {missing:?}");
    }
}

/// Returns whether one letter that is added, removed or replaced makes a name the other one.
fn differs_by_one(one: &str, other: &str) -> bool {
    let (one, other): (Vec<_>, Vec<_>) = (one.chars().collect(), other.chars().collect());
    let same_start = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let same_end = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let longer = one.len().max(other.len());
    one != other && one.len().abs_diff(other.len()) <= 1 && same_start + same_end + 1 >= longer
}

/// A request whose body was read completely and is not parsed yet.
#[derive(Debug)]
pub(crate) struct Arrived<T> {
    pub(super) parts: Parts,
    bytes: Vec<u8>,
    of: PhantomData<fn() -> T>,
}

impl<T: FromMembers> Arrived<T> {
    /// Reads the body of a request completely.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PayloadTooLarge`]; [`ErrorKind::InvalidRequest`] if the body is incomplete.
    pub(super) async fn new(request: Request) -> Result<Self, AuthError> {
        let (parts, body) = request.into_parts();
        let bytes = collect(body, T::LONGEST).await?;
        Ok(Self { parts, bytes, of: PhantomData })
    }

    /// Parses the body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnsupportedMediaType`]; [`ErrorKind::InvalidRequest`];
    /// [`ErrorKind::InvalidMembers`].
    pub(super) fn interpret(&self) -> Result<T, AuthError> {
        if self.bytes.is_empty() && !T::NEEDS_BODY {
            return members(Map::new());
        }
        require_json(&self.parts.headers)?;
        let given = object(&self.bytes)?;
        keep_members(&self.parts, &given);
        members(given)
    }
}

/// For routes without a user. Routes with a user extract [`Signed`](super::Signed).
impl<T: FromMembers, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        Arrived::<T>::new(request).await?.interpret().map(Self)
    }
}

/// Stores the members of a body, if the application has hooks.
pub(super) fn keep_members(parts: &Parts, members: &Map<String, Value>) {
    if let Ok(context) = Context::of(parts)
        && !context.core().hooks.is_empty()
    {
        context.members().set(members.clone());
    }
}

/// Parses a JSON object.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, AuthError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| {
        AuthError::new(ErrorKind::InvalidRequest).with_detail("The body is not JSON in UTF-8.")
    })?;
    let Value::Object(given) = value else {
        return Err(AuthError::new(ErrorKind::InvalidMembers)
            .with_detail("The body is not an object.")
            .with_extension("members", Vec::<Value>::new()));
    };
    Ok(given)
}

fn members<T: FromMembers>(given: Map<String, Value>) -> Result<T, AuthError> {
    let mut members = Members { given, wrong: Vec::new(), known: Vec::new() };
    let read = T::read(&mut members);
    if cfg!(debug_assertions) {
        members.warn_of_typos();
        members.require_described(T::MEMBERS);
    }
    match read {
        Some(value) if members.wrong.is_empty() => Ok(value),
        _ => {
            Err(AuthError::new(ErrorKind::InvalidMembers).with_extension("members", members.wrong))
        }
    }
}

pub(super) fn require_json(headers: &HeaderMap) -> Result<(), AuthError> {
    require_type(headers, b"application/json")
}

/// Requires one content type, whatever its parameters are.
pub(super) fn require_type(headers: &HeaderMap, wanted: &[u8]) -> Result<(), AuthError> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ErrorKind::UnsupportedMediaType.into());
    };
    let essence = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    if essence.trim_ascii().eq_ignore_ascii_case(wanted) {
        Ok(())
    } else {
        Err(ErrorKind::UnsupportedMediaType.into())
    }
}

pub(super) async fn collect(body: AxumBody, longest: usize) -> Result<Vec<u8>, AuthError> {
    match Limited::new(body, longest).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => Err(ErrorKind::PayloadTooLarge.into()),
        Err(_) => {
            Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("The body did not arrive whole."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::differs_by_one;

    #[test]
    fn names_one_letter_apart_are_recognized() {
        for near in ["pasword", "passwordd", "passworb", "Password", "passwordx", "assword"] {
            assert!(differs_by_one(near, "password"), "{near}");
        }
        for far in ["password", "passwort_", "pass", "passwrod", "", "captcha_token"] {
            assert!(!differs_by_one(far, "password"), "{far}");
        }
    }
}
