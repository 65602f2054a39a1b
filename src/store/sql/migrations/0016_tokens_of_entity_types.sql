-- How long the access tokens live that entities of a type get, in seconds, and which key signs them; NULL: as their tenant says.
-- Older programs write neither, and go on as before.

ALTER TABLE entity_type ADD COLUMN access_token_for BIGINT;
ALTER TABLE entity_type ADD COLUMN access_token_key TEXT;
