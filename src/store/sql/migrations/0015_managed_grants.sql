-- As 0014, in a migration of its own: each waits for one table only.

CREATE INDEX entity_grant_managed ON entity_grant (managed_by, id) WHERE managed_by IS NOT NULL;
