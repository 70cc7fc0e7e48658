-- What has to be proved once (codes, links, pending sign-ins, remembered devices), found by
-- the hash of a secret that only its client holds.
CREATE TABLE auth_challenges (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    user_id TEXT,
    address TEXT,
    code TEXT,
    tries BIGINT NOT NULL,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX auth_challenges_user ON auth_challenges (user_id) WHERE user_id IS NOT NULL;

CREATE INDEX auth_challenges_end ON auth_challenges (expires_at);

-- How often something was tried; keys are hashes of what was submitted.
CREATE TABLE auth_limits (
    key TEXT NOT NULL PRIMARY KEY,
    count BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX auth_limits_end ON auth_limits (expires_at);
