-- What files declared when they were last applied, so that a change by hand can be told. Same rules as 0001: TEXT and
-- BIGINT only.

CREATE TABLE applied (
    owner  TEXT NOT NULL,
    object TEXT NOT NULL,
    digest TEXT NOT NULL,
    CONSTRAINT applied_key PRIMARY KEY (owner, object)
);
