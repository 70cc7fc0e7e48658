-- Approvals of programs are revoked by their tags, like pending sign-ins.
DROP TRIGGER auth_challenge_tagged;

DROP TRIGGER auth_challenge_untagged;

CREATE TRIGGER auth_challenge_tagged AFTER INSERT ON auth_challenges
    WHEN NEW.kind IN ('sign_in', 'sign_up', 'exchange', 'device_approval') BEGIN
    INSERT INTO auth_tags (tag, owner) SELECT value, NEW.id FROM json_each(NEW.data, '$.tags')
        WHERE TRUE ON CONFLICT (tag, owner) DO NOTHING;
END;

CREATE TRIGGER auth_challenge_untagged AFTER DELETE ON auth_challenges
    WHEN OLD.kind IN ('sign_in', 'sign_up', 'exchange', 'device_approval') BEGIN
    DELETE FROM auth_tags WHERE tag IN (SELECT value FROM json_each(OLD.data, '$.tags'))
        AND owner = OLD.id;
END;
