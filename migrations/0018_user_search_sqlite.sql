-- The orders in which users are listed and searched. An index of a searched field has the id too, so
-- that the ids of all matches are read from the index alone.

CREATE INDEX auth_users_newest ON auth_users (created_at DESC, id DESC);

CREATE INDEX auth_users_inactive ON auth_users (created_at DESC, id DESC) WHERE status <> 'active';

CREATE INDEX auth_users_email_id ON auth_users (email, id);

CREATE INDEX auth_users_display_name ON auth_users (display_name, id);

CREATE INDEX auth_users_username_lower ON auth_users (lower(username), id);
