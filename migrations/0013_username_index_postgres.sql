-- The index of the skeletons of usernames. An interrupted build leaves an invalid index, which is
-- built again.

DROP INDEX CONCURRENTLY IF EXISTS auth_users_username_skeleton;

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS auth_users_username_skeleton
    ON auth_users (username_skeleton) WHERE username_skeleton IS NOT NULL;
