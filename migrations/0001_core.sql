-- One text for SQLite and PostgreSQL: TEXT and BIGINT only. Times are Unix
-- milliseconds, hashes base64url, lists and maps JSON, truth 0 or 1.

CREATE TABLE auth_users (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT UNIQUE,
    email_verified_at BIGINT,
    phone TEXT,
    phone_verified_at BIGINT,
    username TEXT UNIQUE,
    display_name TEXT,
    avatar_url TEXT,
    tenant_id TEXT,
    is_anonymous BIGINT NOT NULL,
    roles TEXT NOT NULL,
    scopes TEXT NOT NULL,
    attributes TEXT NOT NULL,
    status TEXT NOT NULL,
    user_metadata TEXT NOT NULL,
    app_metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- A user may live in a table that is not ours, so no foreign key names one.
CREATE TABLE auth_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    nonce TEXT NOT NULL,
    salt TEXT NOT NULL,
    generation BIGINT NOT NULL,
    lineage_hash TEXT NOT NULL,
    refresh_hash TEXT NOT NULL,
    access_hash TEXT NOT NULL,
    access_expires_at BIGINT NOT NULL,
    previous_access_hash TEXT,
    previous_access_expires_at BIGINT,
    refresh_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    rotated_at BIGINT,
    confirmed_at BIGINT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    factors TEXT NOT NULL,
    ip TEXT,
    user_agent TEXT,
    transport TEXT NOT NULL,
    renewals BIGINT NOT NULL DEFAULT 0,
    former TEXT NOT NULL DEFAULT '[]'
);

-- The sessions of a user, newest first, and which of them are too many, without a sort.
CREATE INDEX auth_sessions_user ON auth_sessions (user_id, created_at DESC, id);

CREATE INDEX auth_sessions_end ON auth_sessions (refresh_expires_at);

CREATE TABLE auth_credentials (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    lookup TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_used_at BIGINT,
    UNIQUE (kind, lookup)
);

CREATE INDEX auth_credentials_user ON auth_credentials (user_id, created_at, id);
