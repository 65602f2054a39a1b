-- Keys that administrators generate or bring along, whether or not an issuer uses them. Same rules as 0001: TEXT and BIGINT
-- only.

CREATE TABLE named_key (
    id          TEXT   NOT NULL,
    kid         TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    tenant_id   TEXT,
    algorithm   TEXT   NOT NULL,
    public_jwk  TEXT,
    private_key TEXT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    CONSTRAINT named_key_id_key PRIMARY KEY (id),
    CONSTRAINT named_key_kid_key UNIQUE (kid),
    CONSTRAINT named_key_tenant_exists FOREIGN KEY (tenant_id) REFERENCES tenant (id) ON DELETE CASCADE
);
