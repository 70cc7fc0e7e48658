-- Every change of a session or a user is told in the transaction that makes it: LISTEN to
-- auth_channel(). The channel is of the schema that has these tables, and its name is written into
-- the functions: it is the same for every role and search path, and they need nothing that a path
-- could find elsewhere.

DO $do$
DECLARE
    channel CONSTANT TEXT := 'authlayer_' || (
        SELECT relnamespace FROM pg_class WHERE oid = CAST('auth_sessions' AS regclass));
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION auth_channel() RETURNS TEXT LANGUAGE sql IMMUTABLE
        SET search_path = pg_catalog, pg_temp AS $$ SELECT %L $$
    $sql$, channel);

    -- For the application: SELECT auth_user_changed(id) after a change of its own. A payload
    -- holds less than 8,000 bytes; who has a longer id is told of as anybody.
    EXECUTE format($sql$
        CREATE FUNCTION auth_user_changed(id TEXT) RETURNS VOID LANGUAGE sql
        SET search_path = pg_catalog, pg_temp AS $$
            SELECT pg_notify(%L, CASE WHEN octet_length(id) < 7000 THEN 'u' || id ELSE '*' END)
        $$
    $sql$, channel);

    -- For any table of users: the argument names the column of the id. TRUNCATE names nobody, and
    -- is told of as anybody.
    EXECUTE format($sql$
        CREATE FUNCTION auth_user_told() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM pg_notify(%L, CASE WHEN octet_length(id) < 7000 THEN 'u' || id ELSE '*' END)
            FROM unnest(CASE TG_OP
                WHEN 'INSERT' THEN ARRAY[to_jsonb(NEW) ->> TG_ARGV[0]]
                WHEN 'UPDATE' THEN ARRAY[to_jsonb(OLD) ->> TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[0]]
                WHEN 'DELETE' THEN ARRAY[to_jsonb(OLD) ->> TG_ARGV[0]]
                ELSE ARRAY[CAST(NULL AS TEXT)] END) AS told(id);
            RETURN NULL;
        END $$
    $sql$, channel);

    EXECUTE format($sql$
        CREATE FUNCTION auth_session_told() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM pg_notify(%L, CASE TG_OP WHEN 'TRUNCATE' THEN '*' ELSE 's' || OLD.id END);
            RETURN NULL;
        END $$
    $sql$, channel);
END $do$;

CREATE TRIGGER auth_ended AFTER DELETE ON auth_sessions
    FOR EACH ROW EXECUTE FUNCTION auth_session_told();

-- Of an update all but what is noted of the use, and but a rotation: that makes the current token
-- the previous one, and leaves it as good as it was.
CREATE TRIGGER auth_changed AFTER UPDATE ON auth_sessions
    FOR EACH ROW WHEN (
        ROW(NEW.id, NEW.user_id, NEW.expires_at, NEW.created_at, NEW.factors, NEW.ip,
            NEW.user_agent, NEW.transport, NEW.upstream_provider, NEW.upstream_subject,
            NEW.upstream_session)
        IS DISTINCT FROM
        ROW(OLD.id, OLD.user_id, OLD.expires_at, OLD.created_at, OLD.factors, OLD.ip,
            OLD.user_agent, OLD.transport, OLD.upstream_provider, OLD.upstream_subject,
            OLD.upstream_session)
        OR (ROW(NEW.access_hash, NEW.access_expires_at, NEW.previous_access_hash,
                NEW.previous_access_expires_at)
            IS DISTINCT FROM
            ROW(OLD.access_hash, OLD.access_expires_at, OLD.previous_access_hash,
                OLD.previous_access_expires_at)
            AND ROW(NEW.previous_access_hash, NEW.previous_access_expires_at)
            IS DISTINCT FROM ROW(OLD.access_hash, OLD.access_expires_at)))
    EXECUTE FUNCTION auth_session_told();

CREATE TRIGGER auth_emptied AFTER TRUNCATE ON auth_sessions
    FOR EACH STATEMENT EXECUTE FUNCTION auth_session_told();

CREATE TRIGGER auth_changed AFTER UPDATE OR DELETE ON auth_users
    FOR EACH ROW EXECUTE FUNCTION auth_user_told('id');

CREATE TRIGGER auth_emptied AFTER TRUNCATE ON auth_users
    FOR EACH STATEMENT EXECUTE FUNCTION auth_user_told('id');

CREATE TRIGGER auth_changed AFTER INSERT OR UPDATE OR DELETE ON auth_standing
    FOR EACH ROW EXECUTE FUNCTION auth_user_told('user_id');

CREATE TRIGGER auth_emptied AFTER TRUNCATE ON auth_standing
    FOR EACH STATEMENT EXECUTE FUNCTION auth_user_told('user_id');

-- Rows that come by replication are changes like others.
ALTER TABLE auth_sessions ENABLE ALWAYS TRIGGER auth_ended,
    ENABLE ALWAYS TRIGGER auth_changed, ENABLE ALWAYS TRIGGER auth_emptied;

ALTER TABLE auth_users ENABLE ALWAYS TRIGGER auth_changed, ENABLE ALWAYS TRIGGER auth_emptied;

ALTER TABLE auth_standing ENABLE ALWAYS TRIGGER auth_changed, ENABLE ALWAYS TRIGGER auth_emptied;
