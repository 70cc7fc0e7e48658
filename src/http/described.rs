//! The requirements of each extractor, for the description of routes.

use axum::extract::{Path, RawQuery, State, rejection::PathRejection};
use http::{HeaderMap, request::Parts};

use super::{
    Reader, Writer,
    client::ClientOf,
    context::Context,
    json::{Body, FromMembers},
    query::{Form, ReadForm},
    signed::{Fresh, FreshOrRecovering, Registered, Signed, SignedIn, SignedOrImpersonated},
};
use crate::{
    contract::{Access, BodyKind, Extract, Extracted, RequestBody},
    error::AuthError,
    services::Client,
};

impl Extract for HeaderMap {
    fn add(_: &mut Extracted) {}
}

impl Extract for RawQuery {
    fn add(_: &mut Extracted) {}
}

impl<S> Extract for State<S> {
    fn add(extracted: &mut Extracted) {
        extracted.has_service = true;
    }
}

impl Extract for Context {
    fn add(extracted: &mut Extracted) {
        extracted.has_service = true;
    }
}

impl Extract for Client {
    fn add(extracted: &mut Extracted) {
        extracted.has_service = true;
    }
}

impl Extract for ClientOf {
    fn add(_: &mut Extracted) {}
}

impl<T> Extract for Result<Path<T>, PathRejection> {
    fn add(extracted: &mut Extracted) {
        extracted.has_path = true;
    }
}

impl Extract for SignedIn {
    fn add(extracted: &mut Extracted) {
        extracted.access = Access::Session;
    }
}

impl Extract for Registered {
    fn add(extracted: &mut Extracted) {
        extracted.access = Access::Session;
        extracted.body = Some(json_of::<super::json::NoMembers>());
    }
}

impl<T: FromMembers> Extract for Signed<T> {
    fn add(extracted: &mut Extracted) {
        extracted.access = Access::Session;
        extracted.body = Some(json_of::<T>());
    }
}

impl<T: FromMembers> Extract for SignedOrImpersonated<T> {
    fn add(extracted: &mut Extracted) {
        extracted.access = Access::Session;
        extracted.admits_impersonations = true;
        extracted.body = Some(json_of::<T>());
    }
}

impl<T: FromMembers> Extract for Fresh<T> {
    fn add(extracted: &mut Extracted) {
        extracted.access = Access::Fresh;
        extracted.body = Some(json_of::<T>());
    }
}

impl<T: FromMembers> Extract for FreshOrRecovering<T> {
    fn add(extracted: &mut Extracted) {
        extracted.access = Access::Fresh;
        extracted.body = Some(json_of::<T>());
    }
}

impl Extract for Reader {
    fn add(extracted: &mut Extracted) {
        extracted.access = Access::Session;
        extracted.has_rule = true;
    }
}

impl<T: FromMembers> Extract for Writer<T> {
    fn add(extracted: &mut Extracted) {
        extracted.access = Access::Fresh;
        extracted.has_rule = true;
        extracted.body = Some(json_of::<T>());
    }
}

impl<T: FromMembers> Extract for Body<T> {
    fn add(extracted: &mut Extracted) {
        extracted.body = Some(json_of::<T>());
    }
}

impl Extract for Parts {
    fn add(_: &mut Extracted) {}
}

/// The operation names the members of a form.
const FORM: RequestBody = RequestBody {
    kind: BodyKind::Form,
    members: &[],
    is_required: true,
    admits_others: true,
    or_text: None,
};

impl Extract for Form {
    fn add(extracted: &mut Extracted) {
        extracted.body = Some(FORM);
    }
}

impl Extract for Result<Form, AuthError> {
    fn add(extracted: &mut Extracted) {
        extracted.body = Some(FORM);
    }
}

impl Extract for Result<ReadForm, AuthError> {
    fn add(extracted: &mut Extracted) {
        extracted.body = Some(FORM);
    }
}

fn json_of<T: FromMembers>() -> RequestBody {
    RequestBody {
        kind: BodyKind::Json,
        members: T::MEMBERS,
        is_required: T::NEEDS_BODY,
        admits_others: T::IGNORES_OTHERS,
        or_text: None,
    }
}
