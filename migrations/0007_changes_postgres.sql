-- Every change of a session or a user is noted in the transaction that makes it, in a table that
-- other nodes poll. NOTIFY would take one lock for the whole cluster until the commit is on disk.
--
-- `xact` is the transaction that made the change. Transactions commit in another order than they
-- begin, so a reader keeps no number but the snapshot of its last poll: it reads what that snapshot
-- could not see (`src/store/sql/poll/postgres.rs`).
--
-- Both tables are UNLOGGED: they cost no WAL and are never replicated. A crash, a failover and a
-- restore empty them; the epoch is then another one, and what was read under the last one counts
-- as changed.

CREATE UNLOGGED TABLE auth_changes (
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed TEXT COLLATE "C" NOT NULL
);

CREATE INDEX auth_changes_xact ON auth_changes (xact);

-- One row. Rows of `auth_changes` below `removed_below` may have been removed; `next_below` takes
-- its place when it is old enough.
CREATE UNLOGGED TABLE auth_change_epoch (
    is_only BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only),
    epoch TEXT COLLATE "C" NOT NULL DEFAULT gen_random_uuid(),
    removed_below xid8 NOT NULL DEFAULT '0',
    next_below xid8 NOT NULL DEFAULT pg_snapshot_xmin(pg_current_snapshot()),
    next_since TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- The functions write for roles that may write to an application's table and to none of ours. They
-- name the schema of our tables: they are the same for every role and search path, and need nothing
-- that a path could find elsewhere.

DO $do$
DECLARE
    changes CONSTANT TEXT := (
        SELECT format('%I.auth_changes', nspname) FROM pg_namespace WHERE oid = (
            SELECT relnamespace FROM pg_class WHERE oid = CAST('auth_changes' AS regclass)));
    -- The end of each trigger function: notes `ids`. After 10,000 rows a transaction notes '*' once,
    -- which means any session and user, and then nothing more. The setting holds a transaction with
    -- the number of its rows, or with 'off' where they are not needed; a savepoint that is rolled
    -- back takes back both.
    note CONSTANT TEXT := format($sql$
            xact := CAST(pg_current_xact_id() AS TEXT);
            state := string_to_array(current_setting('authlayer.noted', true), ' ');
            IF state[1] = xact THEN
                IF state[2] = 'off' THEN RETURN NULL; END IF;
                noted := CAST(state[2] AS INTEGER);
            END IF;
            FOREACH id IN ARRAY ids LOOP
                EXIT WHEN noted > 10000;
                noted := noted + 1;
                INSERT INTO %s (changed)
                    VALUES (CASE WHEN noted <= 10000 THEN coalesce(id, '*') ELSE '*' END);
            END LOOP;
            PERFORM set_config('authlayer.noted', xact || ' ' || noted, true);
            RETURN NULL;
    $sql$, changes);
BEGIN
    -- For the application: SELECT auth_user_changed(id) after a change of its own.
    EXECUTE format($sql$
        CREATE FUNCTION auth_user_changed(id TEXT) RETURNS VOID LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $$
            INSERT INTO %s (changed) VALUES (coalesce('u' || id, '*'))
        $$
    $sql$, changes);

    -- For any table of users: the first argument names the column of the id, the others the columns
    -- that matter. An update that leaves all of these as they are notes nothing; if no others are
    -- named, each update does. TRUNCATE names no user and notes '*'.
    EXECUTE $sql$
        CREATE FUNCTION auth_user_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            was JSONB; becomes JSONB; matters TEXT; differs BOOLEAN := TG_NARGS = 1;
            ids TEXT[]; id TEXT; xact TEXT; state TEXT[]; noted INTEGER := 0;
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
                ids := ARRAY['*'];
            END IF;
    $sql$ || note || 'END $$';

    EXECUTE $sql$
        CREATE FUNCTION auth_session_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            ids TEXT[]; id TEXT; xact TEXT; state TEXT[]; noted INTEGER := 0;
        BEGIN
            ids := ARRAY[CASE TG_OP WHEN 'TRUNCATE' THEN '*' ELSE 's' || OLD.id END];
    $sql$ || note || 'END $$';
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

-- An API key is cached like a session, and its id is one of the same kind. The time of its last use
-- is no change.
CREATE TRIGGER auth_ended AFTER DELETE ON auth_api_keys
    FOR EACH ROW EXECUTE FUNCTION auth_session_told();

CREATE TRIGGER auth_changed AFTER UPDATE ON auth_api_keys
    FOR EACH ROW WHEN (
        ROW(NEW.id, NEW.hash, NEW.user_id, NEW.service, NEW.name, NEW.hint, NEW.scopes,
            NEW.created_at, NEW.expires_at)
        IS DISTINCT FROM
        ROW(OLD.id, OLD.hash, OLD.user_id, OLD.service, OLD.name, OLD.hint, OLD.scopes,
            OLD.created_at, OLD.expires_at))
    EXECUTE FUNCTION auth_session_told();

CREATE TRIGGER auth_emptied AFTER TRUNCATE ON auth_api_keys
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

ALTER TABLE auth_api_keys ENABLE ALWAYS TRIGGER auth_ended,
    ENABLE ALWAYS TRIGGER auth_changed, ENABLE ALWAYS TRIGGER auth_emptied;

ALTER TABLE auth_users ENABLE ALWAYS TRIGGER auth_ended,
    ENABLE ALWAYS TRIGGER auth_changed, ENABLE ALWAYS TRIGGER auth_emptied;

ALTER TABLE auth_standing ENABLE ALWAYS TRIGGER auth_ended,
    ENABLE ALWAYS TRIGGER auth_changed, ENABLE ALWAYS TRIGGER auth_emptied;
