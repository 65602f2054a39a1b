-- Sessions of people who logged in through a route. Same rules as 0001: TEXT and BIGINT only. What expires by itself has no
-- foreign key.

CREATE TABLE browser_session (
    hash            TEXT   NOT NULL,
    login           TEXT   NOT NULL,
    sealed          TEXT   NOT NULL,
    version         BIGINT NOT NULL,
    renewing_until  BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    over_at         BIGINT NOT NULL,
    CONSTRAINT browser_session_key PRIMARY KEY (hash)
);
CREATE INDEX browser_session_over ON browser_session (over_at);
