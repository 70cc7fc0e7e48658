-- Every change of a session or a user is told on a channel of this schema, in the transaction
-- that makes it: LISTEN to auth_channel().

CREATE FUNCTION auth_channel() RETURNS TEXT LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT 'authlayer_' || oid::text FROM pg_namespace WHERE nspname = current_schema()
$$;

-- A payload holds less than 8,000 bytes; who has a longer id is told of as anybody.
CREATE FUNCTION auth_tell(what TEXT) RETURNS VOID LANGUAGE sql SET search_path FROM CURRENT AS $$
    SELECT pg_notify(auth_channel(), CASE WHEN octet_length(what) < 7000 THEN what ELSE '*' END)
$$;

-- For the application: SELECT auth_user_changed(id) after a change of its own.
CREATE FUNCTION auth_user_changed(id TEXT) RETURNS VOID LANGUAGE sql SET search_path FROM CURRENT AS $$
    SELECT auth_tell('u' || id)
$$;

CREATE FUNCTION auth_session_told() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM auth_tell('s' || OLD.id);
    RETURN NULL;
END $$;

-- For any table of users: the argument names the column of the id.
CREATE FUNCTION auth_user_told() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM auth_user_changed(to_jsonb(OLD) ->> TG_ARGV[0]);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM auth_user_changed(to_jsonb(NEW) ->> TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER auth_told AFTER DELETE OR UPDATE OF factors, user_id, expires_at ON auth_sessions
    FOR EACH ROW EXECUTE FUNCTION auth_session_told();

CREATE TRIGGER auth_told AFTER UPDATE OR DELETE ON auth_users
    FOR EACH ROW EXECUTE FUNCTION auth_user_told('id');

CREATE TRIGGER auth_told AFTER INSERT OR UPDATE OR DELETE ON auth_standing
    FOR EACH ROW EXECUTE FUNCTION auth_user_told('user_id');
