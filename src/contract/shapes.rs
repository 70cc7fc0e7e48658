//! Objects and responses that many operations have in common.

use super::{Member, Schema, Success};

const ID: Member = Member::text("id", "0198c2f0-6c5b-7000-8000-000000000000");

pub(crate) const USER: Schema = Schema::Named(
    "User",
    &[
        ID,
        Member::text("email", "ada@example.com").nullable(),
        Member::new("email_verified", Schema::Boolean(true)),
        Member::text("username", "ada").nullable(),
        Member::text("display_name", "Ada Lovelace").nullable(),
        Member::text("avatar_url", "https://example.com/ada.png").nullable(),
        Member::text("tenant_id", "acme").nullable(),
        Member::new("is_anonymous", Schema::Boolean(false)),
        Member::new("roles", Schema::List(&Schema::text("editor"))),
        Member::new("scopes", Schema::List(&Schema::text("notes:read"))),
        Member::new("attributes", Schema::Map("{}")),
        Member::new("status", Schema::one_of(&["active", "disabled"])),
        Member::new("user_metadata", Schema::Map(r#"{"locale": "en"}"#)),
        Member::time("created_at"),
        Member::time("updated_at"),
    ],
);

/// An identity at a provider that is linked to a user.
pub(crate) const IDENTITY: Schema = Schema::Named(
    "Identity",
    &[
        ID,
        Member::text("provider", "example"),
        Member::text("subject", "248289761001"),
        Member::text("email", "ada@example.com").nullable(),
        Member::time("linked_at"),
    ],
);

/// The id of an event, which is a cursor.
pub(crate) const EVENT_ID: Schema = Schema::pattern(
    "^[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f]{16}$",
    "0198c2f06c5b-00000000-0123456789abcdef",
);

/// The methods are texts, since flows outside this crate add factors.
const FACTOR: Schema =
    Schema::Named("Factor", &[Member::text("method", "password"), Member::time("at")]);

/// The administrator who acts as the user.
const IMPERSONATOR: Schema = Schema::Named("Impersonator", &[ID]);

pub(crate) const SESSION: Schema = Schema::Named(
    "Session",
    &[
        ID,
        Member::time("created_at"),
        Member::time("last_seen_at"),
        Member::time("expires_at"),
        Member::time("access_expires_at"),
        Member::new("current", Schema::Boolean(true)),
        Member::new("factors", Schema::List(&FACTOR)),
        Member::text("ip", "203.0.113.7").nullable(),
        Member::text("user_agent", "Mozilla/5.0").nullable(),
        // The last one is of a newer version.
        Member::new("transport", Schema::one_of(&["cookie", "bearer", "other"])),
        Member::new("impersonator", IMPERSONATOR).optional(),
        Member::new("bound", Schema::one_of(&["device", "dpop"])).nullable(),
    ],
);

pub(crate) const TOKENS: Member = Member::new(
    "tokens",
    Schema::Named(
        "Tokens",
        &[
            Member::text("access_token", "aat_0123456789abcdef"),
            Member::new("token_type", Schema::one_of(&["Bearer", "DPoP"])),
            Member::new("expires_in", Schema::Integer(900)),
            Member::text("refresh_token", "art_0123456789abcdef"),
            Member::new("refresh_expires_in", Schema::Integer(2_592_000)),
        ],
    ),
)
.optional();

const COMPLETE_BODY: Schema = Schema::Named(
    "Complete",
    &[
        Member::new("status", Schema::one_of(&["complete"])),
        Member::new("user", USER),
        Member::new("session", SESSION),
        TOKENS,
        Member::text("device_token", "adt_0123456789abcdef").optional(),
        Member::text("redirect_to", "/welcome").optional(),
    ],
);

const PENDING_BODY: Schema = Schema::Named(
    "Pending",
    &[
        Member::new("status", Schema::one_of(&["pending"])),
        Member::text("challenge", "ach_0123456789abcdef"),
        Member::new("methods", Schema::List(&Schema::text("email_code"))),
        Member::time("expires_at"),
        Member::time("resend_at").optional(),
    ],
);

/// A session, with its tokens in cookies or in the body.
pub(crate) const COMPLETE: Success =
    Success::json(200, "The session, with its tokens in cookies or in `tokens`.", COMPLETE_BODY)
        .with_cookies();
/// A new user with a session.
pub(crate) const CREATED: Success = Success::json(
    201,
    "The new user and the session, with its tokens in cookies or in `tokens`.",
    COMPLETE_BODY,
)
.with_cookies();
/// A session, or the time from which an account can be recovered.
pub(crate) const VERIFIED: Success = Success::json(
    200,
    "The session, with its tokens in cookies or in `tokens`; for an account recovery, when it is \
     available.",
    Schema::AnyOf(&[COMPLETE_BODY, Schema::Object(&[Member::time("available_at"), TOKENS])]),
)
.with_cookies();
/// A challenge that must be answered first.
pub(crate) const PENDING: Success =
    Success::json(202, "Another verification is required first.", PENDING_BODY).with_cookies();
/// Nothing to return.
pub(crate) const DONE: Success = Success::empty(204, "Done.");
/// The cookies of the session are cleared.
pub(crate) const SIGNED_OUT: Success =
    Success::empty(204, "Done; the cookies of the session are cleared.").with_cookies();

/// The start of a passkey ceremony.
pub(crate) const CEREMONY: Success = Success::json(
    200,
    "The options of the browser's WebAuthn call, as JSON.",
    Schema::Named(
        "Ceremony",
        &[
            Member::text("challenge", "ach_0123456789abcdef"),
            Member::new("options", Schema::Map(r#"{"publicKey": {}}"#)),
        ],
    ),
);
