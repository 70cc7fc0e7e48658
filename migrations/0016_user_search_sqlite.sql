-- The orders in which users are listed and searched.

CREATE INDEX auth_users_newest ON auth_users (created_at DESC, id DESC);

CREATE INDEX auth_users_inactive ON auth_users (created_at DESC, id DESC) WHERE status <> 'active';

CREATE INDEX auth_users_display_name ON auth_users (display_name, id);

CREATE INDEX auth_users_username_lower ON auth_users (lower(username), id);
