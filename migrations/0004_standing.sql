-- What is kept of users who live in a table of the application, or elsewhere, where there is
-- no place for it: which address was proved, and whether they may sign in.

CREATE TABLE auth_standing (
    user_id TEXT NOT NULL PRIMARY KEY,
    email TEXT,
    email_verified_at BIGINT,
    status TEXT NOT NULL,
    is_anonymous BIGINT NOT NULL
);
