-- Keys that sign for applications, keys that files declare, and lists of grants in their orders. Same rules as 0001: TEXT and
-- BIGINT only.

ALTER TABLE named_key ADD COLUMN managed_by TEXT;

-- 1: it signs for applications that name it, never for the whole tenant.
ALTER TABLE signing_key ADD COLUMN for_applications BIGINT NOT NULL DEFAULT 0;
DROP INDEX signing_key_current;
CREATE UNIQUE INDEX signing_key_current ON signing_key (COALESCE(tenant_id, ''), purpose, algorithm)
    WHERE retired_at IS NULL AND for_applications = 0;

-- The tenant of the target, which never changes, so that the ids of any page are read from an index, in its order.
ALTER TABLE entity_grant ADD COLUMN tenant_id TEXT;
UPDATE entity_grant SET tenant_id = (SELECT tenant_id FROM entity WHERE entity.id = entity_grant.target_id);
CREATE INDEX entity_grant_in_order ON entity_grant (tenant_id, target_id, recipient_id, id);
CREATE INDEX entity_grant_since ON entity_grant (created_at, target_id, recipient_id, id);
CREATE INDEX entity_grant_in_tenant_since ON entity_grant (tenant_id, created_at, target_id, recipient_id, id);
ALTER TABLE user_grant ADD COLUMN tenant_id TEXT;
UPDATE user_grant SET tenant_id = (SELECT tenant_id FROM entity WHERE entity.id = user_grant.target_id);
CREATE INDEX user_grant_in_order ON user_grant (tenant_id, target_id, user_id, id);
CREATE INDEX user_grant_since ON user_grant (created_at, target_id, user_id, id);
CREATE INDEX user_grant_in_tenant_since ON user_grant (tenant_id, created_at, target_id, user_id, id);
CREATE INDEX entity_by_name_key ON entity (name_key, id);
