-- Messages that are not delivered yet: see src/mail/custody.rs. A message that a process works on is
-- due when the lease of that process ends. link is the challenge of the link in the message, whose
-- token is created when the message is delivered: no row has a secret.
CREATE TABLE auth_outbox (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT,
    content TEXT NOT NULL,
    link TEXT,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX auth_outbox_due ON auth_outbox (due_at);

CREATE INDEX auth_outbox_user ON auth_outbox (user_id);
