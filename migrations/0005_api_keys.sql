-- Keys by which programs come: of a user, or of a service that is no user.

CREATE TABLE auth_api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    user_id TEXT,
    service TEXT,
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT
);

CREATE INDEX auth_api_keys_user ON auth_api_keys (user_id, created_at DESC, id);

CREATE INDEX auth_api_keys_service ON auth_api_keys (created_at DESC, id) WHERE user_id IS NULL;

CREATE INDEX auth_api_keys_end ON auth_api_keys (expires_at) WHERE expires_at IS NOT NULL;
