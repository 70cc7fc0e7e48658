-- From which session at which provider a session came, so that the provider can end it.
ALTER TABLE auth_sessions ADD COLUMN upstream_provider TEXT;

ALTER TABLE auth_sessions ADD COLUMN upstream_subject TEXT;

ALTER TABLE auth_sessions ADD COLUMN upstream_session TEXT;

CREATE INDEX auth_sessions_upstream ON auth_sessions (upstream_provider, upstream_subject);
