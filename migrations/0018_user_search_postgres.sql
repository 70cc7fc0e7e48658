-- The orders in which users are listed and searched. An index of a searched field has the id too, so
-- that the ids of all matches are read from the index alone. An interrupted build leaves an invalid
-- index, which is built again.

DROP INDEX CONCURRENTLY IF EXISTS auth_users_newest;

CREATE INDEX CONCURRENTLY IF NOT EXISTS auth_users_newest
    ON auth_users (created_at DESC, id DESC);

DROP INDEX CONCURRENTLY IF EXISTS auth_users_inactive;

CREATE INDEX CONCURRENTLY IF NOT EXISTS auth_users_inactive
    ON auth_users (created_at DESC, id DESC) WHERE status <> 'active';

DROP INDEX CONCURRENTLY IF EXISTS auth_users_email_id;

CREATE INDEX CONCURRENTLY IF NOT EXISTS auth_users_email_id
    ON auth_users (email, id);

DROP INDEX CONCURRENTLY IF EXISTS auth_users_display_name;

CREATE INDEX CONCURRENTLY IF NOT EXISTS auth_users_display_name
    ON auth_users (display_name COLLATE "C", id);

DROP INDEX CONCURRENTLY IF EXISTS auth_users_username_lower;

CREATE INDEX CONCURRENTLY IF NOT EXISTS auth_users_username_lower
    ON auth_users (lower(username), id);
