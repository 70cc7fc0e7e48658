//! The requirements of the extractors of a handler.

use super::Member;

/// The requirements of all extractors of a handler.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extracted {
    pub(crate) access: Access,
    pub(crate) body: Option<RequestBody>,
    /// Whether a rule of the application decides, which may require recent authentication or two
    /// factors.
    pub(crate) has_rule: bool,
    /// Whether an administrator who acts as the user may call the route, even if it writes.
    pub(crate) admits_impersonations: bool,
    /// Whether the path has a parameter. A value that names nothing is 404.
    pub(crate) has_path: bool,
    /// Whether the handler uses a service, which may be unavailable.
    pub(crate) has_service: bool,
}

/// The credential that a route requires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// None.
    #[default]
    Public,
    /// A session.
    Session,
    /// A session with recent authentication.
    Fresh,
}

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestBody {
    pub(crate) kind: BodyKind,
    pub(crate) members: &'static [Member],
    pub(crate) is_required: bool,
    /// Whether members that are not listed are ignored, and not rejected.
    pub(crate) admits_others: bool,
    /// The content type of a text that the body can be instead.
    pub(crate) or_text: Option<&'static str>,
}

/// The content type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Json,
    Form,
}

/// An extractor of a handler.
pub(crate) trait Extract {
    /// Adds what the extractor requires.
    fn add(extracted: &mut Extracted);
}

/// The arguments of a handler, as in the first parameter of [`axum::handler::Handler`].
pub(crate) trait Handled {
    fn extracted() -> Extracted;
}

macro_rules! handled {
    ($(($($argument:ident),*))*) => {$(
        impl<M, $($argument: Extract),*> Handled for (M, $($argument,)*) {
            fn extracted() -> Extracted {
                #[allow(unused_mut, reason = "a handler may have no arguments")]
                let mut extracted = Extracted::default();
                $($argument::add(&mut extracted);)*
                extracted
            }
        }
    )*};
}

handled! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }
