-- Every change of a session or a user is told in the transaction that makes it: LISTEN to
-- auth_channel(). The channel is of the schema that has these tables, and its name is written into
-- the functions: it is the same for every role and search path, and they need nothing that a path
-- could find elsewhere.

DO $do$
DECLARE
    channel CONSTANT TEXT := 'authlayer_' || (
        SELECT relnamespace FROM pg_class WHERE oid = CAST('auth_sessions' AS regclass));
    -- The end of each trigger function: notifies of `ids`. After 10,000 notifications a transaction
    -- sends '*' once, which means any session and user, and then nothing more. The setting holds a
    -- transaction with the number of its notifications, or with 'off' where they are not needed; a
    -- savepoint that is rolled back takes back both.
    notify CONSTANT TEXT := format($sql$
            xact := CAST(pg_current_xact_id() AS TEXT);
            state := string_to_array(current_setting('authlayer.notified', true), ' ');
            IF state[1] = xact THEN
                IF state[2] = 'off' THEN RETURN NULL; END IF;
                sent := CAST(state[2] AS INTEGER);
            END IF;
            FOREACH id IN ARRAY ids LOOP
                EXIT WHEN sent > 10000;
                sent := sent + 1;
                PERFORM pg_notify(%L, CASE WHEN sent <= 10000 AND octet_length(id) < 7000 THEN id
                    ELSE '*' END);
            END LOOP;
            PERFORM set_config('authlayer.notified', xact || ' ' || sent, true);
            RETURN NULL;
    $sql$, channel);
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION auth_channel() RETURNS TEXT LANGUAGE sql IMMUTABLE
        SET search_path = pg_catalog, pg_temp AS $$ SELECT %L $$
    $sql$, channel);

    -- For the application: SELECT auth_user_changed(id) after a change of its own. A payload
    -- holds less than 8,000 bytes; '*' is sent for a longer id.
    EXECUTE format($sql$
        CREATE FUNCTION auth_user_changed(id TEXT) RETURNS VOID LANGUAGE sql
        SET search_path = pg_catalog, pg_temp AS $$
            SELECT pg_notify(%L, CASE WHEN octet_length(id) < 7000 THEN 'u' || id ELSE '*' END)
        $$
    $sql$, channel);

    -- For any table of users: the first argument names the column of the id, the others the columns
    -- that matter. An update that leaves all of these as they are sends nothing; if no others are
    -- named, each update sends. TRUNCATE names no user and sends '*'.
    EXECUTE $sql$
        CREATE FUNCTION auth_user_told() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            was JSONB; becomes JSONB; matters TEXT; differs BOOLEAN := TG_NARGS = 1;
            ids TEXT[]; id TEXT; xact TEXT; state TEXT[]; sent INTEGER := 0;
        BEGIN
            IF TG_OP = 'UPDATE' THEN
                was := to_jsonb(OLD);
                becomes := to_jsonb(NEW);
                FOREACH matters IN ARRAY TG_ARGV LOOP
                    EXIT WHEN differs;
                    differs := was -> matters IS DISTINCT FROM becomes -> matters;
                END LOOP;
                IF NOT differs THEN RETURN NULL; END IF;
                ids := ARRAY['u' || (was ->> TG_ARGV[0])];
                IF was ->> TG_ARGV[0] IS DISTINCT FROM becomes ->> TG_ARGV[0] THEN
                    ids := ids || ('u' || (becomes ->> TG_ARGV[0]));
                END IF;
            ELSIF TG_OP = 'INSERT' THEN
                ids := ARRAY['u' || (to_jsonb(NEW) ->> TG_ARGV[0])];
            ELSIF TG_OP = 'DELETE' THEN
                ids := ARRAY['u' || (to_jsonb(OLD) ->> TG_ARGV[0])];
            ELSE
                ids := ARRAY[CAST(NULL AS TEXT)];
            END IF;
    $sql$ || notify || 'END $$';

    EXECUTE $sql$
        CREATE FUNCTION auth_session_told() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            ids TEXT[]; id TEXT; xact TEXT; state TEXT[]; sent INTEGER := 0;
        BEGIN
            ids := ARRAY[CASE TG_OP WHEN 'TRUNCATE' THEN '*' ELSE 's' || OLD.id END];
    $sql$ || notify || 'END $$';
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

CREATE TRIGGER auth_ended AFTER DELETE ON auth_users
    FOR EACH ROW EXECUTE FUNCTION auth_user_told('id');

CREATE TRIGGER auth_changed AFTER UPDATE ON auth_users
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION auth_user_told('id');

CREATE TRIGGER auth_emptied AFTER TRUNCATE ON auth_users
    FOR EACH STATEMENT EXECUTE FUNCTION auth_user_told('id');

CREATE TRIGGER auth_ended AFTER INSERT OR DELETE ON auth_standing
    FOR EACH ROW EXECUTE FUNCTION auth_user_told('user_id');

CREATE TRIGGER auth_changed AFTER UPDATE ON auth_standing
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION auth_user_told('user_id');

CREATE TRIGGER auth_emptied AFTER TRUNCATE ON auth_standing
    FOR EACH STATEMENT EXECUTE FUNCTION auth_user_told('user_id');

-- Rows that come by replication are changes like others. They fire triggers for rows alone, which
-- is why none of these is for a statement that changes rows.
ALTER TABLE auth_sessions ENABLE ALWAYS TRIGGER auth_ended,
    ENABLE ALWAYS TRIGGER auth_changed, ENABLE ALWAYS TRIGGER auth_emptied;

ALTER TABLE auth_users ENABLE ALWAYS TRIGGER auth_ended,
    ENABLE ALWAYS TRIGGER auth_changed, ENABLE ALWAYS TRIGGER auth_emptied;

ALTER TABLE auth_standing ENABLE ALWAYS TRIGGER auth_ended,
    ENABLE ALWAYS TRIGGER auth_changed, ENABLE ALWAYS TRIGGER auth_emptied;
