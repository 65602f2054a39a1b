-- Who may call the management API, and who is still to hear of a logout. Same rules as 0001: TEXT and BIGINT only.

CREATE TABLE api_key (
    id             TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    key_hash       TEXT   NOT NULL,
    tenant_id      TEXT,
    endpoints      TEXT   NOT NULL,
    is_key_manager BIGINT NOT NULL,
    expires_at     BIGINT,
    managed_by     TEXT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    CONSTRAINT api_key_id_key PRIMARY KEY (id),
    CONSTRAINT api_key_hash_key UNIQUE (key_hash),
    CONSTRAINT api_key_tenant_exists FOREIGN KEY (tenant_id) REFERENCES tenant (id) ON DELETE CASCADE
);

-- Clients that are still to hear that a session was revoked. A row goes when its client was told.
CREATE TABLE untold_logout (
    session_id     TEXT   NOT NULL,
    application_id TEXT   NOT NULL,
    tenant_id      TEXT   NOT NULL,
    user_id        TEXT   NOT NULL,
    ended_at       BIGINT NOT NULL,
    -- Until then a node is busy with it.
    taken_until    BIGINT NOT NULL,
    CONSTRAINT untold_logout_key PRIMARY KEY (session_id, application_id)
);
CREATE INDEX untold_logout_since ON untold_logout (ended_at);
