-- Approvals of programs are revoked by their tags, like pending sign-ins.
DROP TRIGGER auth_challenge_tagged ON auth_challenges;

DROP TRIGGER auth_challenge_untagged ON auth_challenges;

CREATE TRIGGER auth_challenge_tagged AFTER INSERT ON auth_challenges
    FOR EACH ROW WHEN (NEW.kind IN ('sign_in', 'sign_up', 'exchange', 'device_approval')
        AND position('"tags"' IN NEW.data) > 0)
    EXECUTE FUNCTION auth_tags_changed('challenge');

CREATE TRIGGER auth_challenge_untagged AFTER DELETE ON auth_challenges
    FOR EACH ROW WHEN (OLD.kind IN ('sign_in', 'sign_up', 'exchange', 'device_approval')
        AND position('"tags"' IN OLD.data) > 0)
    EXECUTE FUNCTION auth_tags_changed('challenge');
