-- Keys that sign tokens for other services: see src/flow/service_tokens. A key signs from starts_at until
-- the next number does. sealed is the private key, sealed with a key of the application.
CREATE TABLE auth_signing_keys (
    number BIGINT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    starts_at BIGINT NOT NULL
);
