-- The passkeys of users, as JSON; NULL for those who have none, as older programs write them.

ALTER TABLE tenant_user ADD COLUMN passkeys TEXT;
