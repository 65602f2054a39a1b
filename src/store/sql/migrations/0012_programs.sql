-- Which programs may work on with a migrated schema: those that know at least this version. Where nothing is said, only those
-- that know the migration itself.

ALTER TABLE schema_version ADD COLUMN works_from BIGINT;
