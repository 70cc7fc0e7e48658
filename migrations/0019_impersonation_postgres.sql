-- The administrator of an impersonation, as JSON: the id of the user, and the session that began it.
ALTER TABLE auth_sessions ADD COLUMN impersonator TEXT;

-- Set on a session that has begun an impersonation.
ALTER TABLE auth_sessions ADD COLUMN has_impersonated BIGINT;

-- An impersonation ends with the session of the administrator. The schema of the tables is written
-- into the function, which needs no search path.
DO $do$
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION auth_impersonator_ended() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            DELETE FROM %1$I.auth_sessions WHERE id IN
                (SELECT owner FROM %1$I.auth_tags WHERE tag = '#impersonator/' || OLD.id);
            RETURN NULL;
        END $$
    $sql$, (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = CAST('auth_sessions' AS regclass)));
END $do$;

CREATE TRIGGER auth_impersonator_ended AFTER DELETE ON auth_sessions
    FOR EACH ROW WHEN (OLD.has_impersonated IS NOT NULL)
    EXECUTE FUNCTION auth_impersonator_ended();
