-- What administrators keep with entities, and what users may do to them. Same rules as 0001: TEXT and BIGINT only.

ALTER TABLE entity_type ADD COLUMN data TEXT NOT NULL DEFAULT '{}';
ALTER TABLE entity ADD COLUMN data TEXT NOT NULL DEFAULT '{}';
ALTER TABLE entity ADD COLUMN parent_id TEXT CONSTRAINT entity_parent_exists REFERENCES entity (id) ON DELETE SET NULL;
CREATE INDEX entity_of_parent ON entity (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE user_grant (
    id         TEXT   NOT NULL,
    target_id  TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT user_grant_id_key PRIMARY KEY (id),
    CONSTRAINT user_grant_key UNIQUE (target_id, user_id),
    CONSTRAINT user_grant_target_exists FOREIGN KEY (target_id) REFERENCES entity (id) ON DELETE CASCADE,
    CONSTRAINT user_grant_user_exists FOREIGN KEY (user_id) REFERENCES tenant_user (id) ON DELETE CASCADE
);
CREATE INDEX user_grant_of_user ON user_grant (user_id);

CREATE TABLE user_grant_permission (
    grant_id      TEXT NOT NULL,
    permission_id TEXT NOT NULL,
    CONSTRAINT user_grant_permission_key PRIMARY KEY (grant_id, permission_id),
    CONSTRAINT user_grant_permission_grant_exists
        FOREIGN KEY (grant_id) REFERENCES user_grant (id) ON DELETE CASCADE,
    CONSTRAINT user_grant_permission_exists
        FOREIGN KEY (permission_id) REFERENCES permission (id) ON DELETE CASCADE
);
CREATE INDEX user_grant_of_permission ON user_grant_permission (permission_id);
