-- What searches compare: names in lower case. Same rules as 0001: TEXT and BIGINT only.

-- The full name of a user. Users who were stored before are found by it once they are written again.
ALTER TABLE tenant_user ADD COLUMN name_key TEXT;

ALTER TABLE entity ADD COLUMN name_key TEXT;
UPDATE entity SET name_key = LOWER(name);
