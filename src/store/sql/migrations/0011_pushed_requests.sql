-- Authorization requests that clients pushed (RFC 9126). Same rules as 0001: TEXT and BIGINT only. What expires by itself
-- has no foreign key.

CREATE TABLE pushed_request (
    hash           TEXT   NOT NULL,
    application_id TEXT   NOT NULL,
    parameters     TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    spent_at       BIGINT,
    CONSTRAINT pushed_request_key PRIMARY KEY (hash)
);
CREATE INDEX pushed_request_until ON pushed_request (expires_at);
