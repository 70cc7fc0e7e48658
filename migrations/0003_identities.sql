-- From which session at which provider a session came, so that the provider can end it.
ALTER TABLE auth_sessions ADD COLUMN upstream_provider TEXT;

ALTER TABLE auth_sessions ADD COLUMN upstream_subject TEXT;

ALTER TABLE auth_sessions ADD COLUMN upstream_session TEXT;

-- Most sessions come from no provider, and are in neither.
CREATE INDEX auth_sessions_upstream_session ON auth_sessions (upstream_provider, upstream_session)
    WHERE upstream_session IS NOT NULL;

CREATE INDEX auth_sessions_upstream_subject ON auth_sessions (upstream_provider, upstream_subject)
    WHERE upstream_subject IS NOT NULL;
