//! Errors in words, next to the field that they concern.

use serde_json::{Value, json};

use super::{calls::MessageCall, messages::Argument, words::Language};
use crate::error::{AuthError, ErrorKind};

/// The words of an error, by its code.
const ERROR: MessageCall<1> = MessageCall::new("error-*", ["minutes"]);
/// The words of a reason why a password is rejected.
const REASON: MessageCall<1> = MessageCall::new("reason-*", ["length"]);

/// The error of a page.
#[derive(Debug)]
pub(super) struct Problem {
    code: &'static str,
    message: String,
    reasons: Vec<String>,
    /// The input that the error concerns, if the page has it.
    field: Option<&'static str>,
}

impl Problem {
    /// Describes an error for a page with these inputs.
    pub(super) fn new(error: &AuthError, language: &Language, inputs: &[&'static str]) -> Self {
        let code = error.kind().code();
        let retry = extension(error, "retry_after").and_then(Value::as_u64);
        let minutes = retry.unwrap_or(60).div_ceil(60).max(1);
        let message = language.message(&ERROR.of(code, [Argument::Number(minutes)]));
        let reasons = extension(error, "reasons").and_then(Value::as_array);
        let length = extension(error, "min_length").and_then(Value::as_u64).unwrap_or_default();
        let reasons = reasons.into_iter().flatten().filter_map(Value::as_str).map(|reason| {
            let own = language.message(&REASON.of(reason, [Argument::Number(length)]));
            own.unwrap_or_else(|| reason.to_owned())
        });
        Self {
            code,
            message: message.unwrap_or_else(|| error.title().to_owned()),
            reasons: reasons.collect(),
            field: field_of(error, inputs),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { code, message, reasons, field } = self;
        json!({ "code": code, "message": message, "reasons": reasons, "field": field })
    }
}

fn extension<'a>(error: &'a AuthError, name: &str) -> Option<&'a Value> {
    error.extensions().iter().find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// Returns the input that an error concerns, of those that the page has.
fn field_of(error: &AuthError, inputs: &[&'static str]) -> Option<&'static str> {
    let members = extension(error, "members").and_then(Value::as_array);
    let members = members.into_iter().flatten().filter_map(Value::as_str);
    let named: &[&str] = match error.kind() {
        ErrorKind::InvalidCredentials => &["password"],
        ErrorKind::WrongPassword => &["current_password", "password"],
        ErrorKind::WeakPassword => &["new_password", "password"],
        ErrorKind::InvalidEmail | ErrorKind::EmailTaken => &["new_email", "email"],
        ErrorKind::InvalidCode | ErrorKind::ChallengeExpired => &["code"],
        kind if kind.code() == "username_taken" => &["username"],
        _ => &[],
    };
    let mut candidates = members.chain(named.iter().copied());
    candidates.find_map(|name| inputs.iter().copied().find(|own| *own == name))
}
