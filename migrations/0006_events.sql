-- What happened, for those who ask later. No secret is in any of it.

CREATE TABLE auth_events (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT,
    session_id TEXT,
    ip TEXT,
    detail TEXT NOT NULL
);

CREATE INDEX auth_events_user ON auth_events (user_id, id);

CREATE INDEX auth_events_kind ON auth_events (kind, id);

CREATE INDEX auth_events_at ON auth_events (at);
