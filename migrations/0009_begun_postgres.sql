-- Users of whom a session ever began: an account that nobody ever signed in to keeps its roles when
-- its address is verified for the first time.
CREATE TABLE auth_begun (user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY);

-- The schema of the table is written into the function, which needs no search path.
DO $do$
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION auth_session_began() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            INSERT INTO %s (user_id) VALUES (NEW.user_id) ON CONFLICT (user_id) DO NOTHING;
            RETURN NULL;
        END $$
    $sql$, (SELECT format('%I.auth_begun', n.nspname) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = CAST('auth_begun' AS regclass)));
END $do$;

CREATE TRIGGER auth_began AFTER INSERT ON auth_sessions
    FOR EACH ROW EXECUTE FUNCTION auth_session_began();

INSERT INTO auth_begun (user_id) SELECT DISTINCT user_id FROM auth_sessions;
