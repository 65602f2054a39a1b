-- What a declaration manages is found without reading all there is.

CREATE INDEX entity_managed ON entity (managed_by, id) WHERE managed_by IS NOT NULL;
