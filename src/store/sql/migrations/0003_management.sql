-- Who may call the management API. Same rules as 0001: TEXT and BIGINT only.

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
