"""FusionAuth's own client: a tenant, entities with a grant and their token, an application with a user and theirs."""

import time

import requests
from fusionauth.fusionauth_client import FusionAuthClient

from world import WORLD, step

client = FusionAuthClient(WORLD["api_key"], WORLD["gateway"])


def done(answer, *members):
    """The body of a request that succeeded, or one of its members."""
    assert answer.was_successful(), f"{answer.status}: {answer.error_response}"
    body = answer.success_response
    for member in members:
        body = body[member]
    return body


with step("a tenant is made and found"):
    tenant = done(client.create_tenant({"tenant": {"name": "Piped Piper", "issuer": "piedpiper.com", "openIntrospection": True}}), "tenant")
    assert tenant["issuer"] == "piedpiper.com"
    assert tenant["id"] in [found["id"] for found in done(client.retrieve_tenants(), "tenants")]
    client.set_tenant_id(tenant["id"])

with step("an entity type is made with permissions"):
    permissions = [{"name": "read", "isDefault": True}, {"name": "write"}]
    entity_type = done(client.create_entity_type({"entityType": {"name": "Company", "permissions": permissions}}), "entityType")
    added = done(client.create_entity_type_permission(entity_type["id"], {"permission": {"name": "audit"}}), "permission")
    found = done(client.retrieve_entity_type(entity_type["id"]), "entityType")
    assert sorted(permission["name"] for permission in found["permissions"]) == ["audit", "read", "write"]
    done(client.delete_entity_type_permission(entity_type["id"], added["id"]))

with step("entities are made, changed and searched"):
    def entity(name):
        return done(client.create_entity({"entity": {"name": name, "type": {"id": entity_type["id"]}}}), "entity")

    target, recipient = entity("target"), entity("recipient")
    assert recipient["clientSecret"] and recipient["clientId"] == recipient["id"]
    done(client.patch_entity(target["id"], {"entity": {"name": "Hooli"}}))
    assert done(client.retrieve_entity(target["id"]), "entity", "name") == "Hooli"
    assert done(client.search_entities({"search": {"queryString": "hool", "numberOfResults": 10}}), "total") == 1
    both = done(client.search_entities_by_ids([target["id"], recipient["id"]]), "entities")
    assert len(both) == 2

with step("a grant is made and found"):
    grant = {"grant": {"recipientEntityId": recipient["id"], "permissions": ["read"]}}
    done(client.upsert_entity_grant(target["id"], grant))
    found = done(client.retrieve_entity_grant(target["id"], recipient_entity_id=recipient["id"]), "grant")
    assert found["permissions"] == ["read"] and found["insertInstant"] > 1_700_000_000_000
    assert done(client.search_entity_grants({"search": {"entityId": target["id"]}}), "total") == 1

with step("client credentials give a token"):
    scope = f"target-entity:{target['id']}:read"
    token = None
    for _ in range(100):
        answer = client.client_credentials_grant(recipient["clientId"], recipient["clientSecret"], scope)
        if answer.was_successful():
            token = answer.success_response["access_token"]
            break
        # The tenant's key is made a moment after the tenant.
        time.sleep(0.05)
    assert token, answer.error_response

with step("the token is introspected"):
    claims = done(client.introspect_client_credentials_access_token(token))
    assert claims["active"] and claims["sub"] == recipient["id"] and claims["permissions"] == {target["id"]: ["read"]}, claims

with step("wrong fields are named"):
    answer = client.create_entity({"entity": {"name": "", "type": {"id": entity_type["id"]}}})
    assert answer.status == 400 and answer.error_response["fieldErrors"]["entity.name"][0]["code"] == "[blank]entity.name"

with step("a grant that is gone gives nothing"):
    done(client.delete_entity_grant(target["id"], recipient_entity_id=recipient["id"]))
    answer = client.client_credentials_grant(recipient["clientId"], recipient["clientSecret"], scope)
    assert not answer.was_successful(), answer.success_response
    assert client.retrieve_entity_grant(target["id"], recipient_entity_id=recipient["id"]).status == 404

with step("a wrong key is refused without a word"):
    answer = FusionAuthClient("wrong", WORLD["gateway"]).retrieve_tenants()
    assert answer.status == 401 and not answer.error_response
    assert requests.get(f"{WORLD['gateway']}/api/tenant", timeout=30).content == b""

with step("an application is made with a role"):
    configuration = {"enabledGrants": ["password", "refresh_token"], "generateRefreshTokens": True}
    body = {"application": {"name": "Shop", "oauthConfiguration": configuration, "roles": [{"name": "buyer"}]}}
    application = done(client.create_application(body), "application")
    oauth = application["oauthConfiguration"]
    assert oauth["clientSecret"] and [role["name"] for role in application["roles"]] == ["buyer"]
    assert done(client.search_applications({"search": {"name": "sho"}}), "total") == 1

with step("a user is made, registered and found"):
    person = {"email": "richard@piedpiper.com", "password": "middle-out since 2014", "firstName": "Richard"}
    user = done(client.create_user({"user": person}), "user")
    assert "password" not in user
    registration = {"registration": {"applicationId": application["id"], "roles": ["buyer"]}}
    done(client.register(registration, user["id"]))
    assert done(client.retrieve_registration(user["id"], application["id"]), "registration", "roles") == ["buyer"]
    assert done(client.retrieve_user_by_email("Richard@PiedPiper.com"), "user", "id") == user["id"]
    done(client.patch_user(user["id"], {"user": {"lastName": "Hendricks"}}))
    assert done(client.search_users_by_query({"search": {"queryString": "hendricks"}}), "total") == 1

with step("the user logs in, and the token is looked into"):
    for _ in range(600):
        answer = client.exchange_user_credentials_for_access_token(
            person["email"], person["password"], oauth["clientId"], oauth["clientSecret"], "openid offline_access"
        )
        if answer.was_successful() or answer.status != 503:
            break
        # The key of ID tokens takes a while.
        time.sleep(0.1)
    tokens = done(answer)
    claims = done(client.validate_jwt(tokens["access_token"]), "jwt")
    assert claims["sub"] == user["id"] and claims["roles"] == ["buyer"], claims
    assert done(client.retrieve_user_info_from_access_token(tokens["access_token"]), "sub") == user["id"]

with step("a refresh token that is ended is of no use"):
    listed = done(client.retrieve_refresh_tokens(user["id"]), "refreshTokens")
    assert [token["applicationId"] for token in listed] == [application["id"]]
    done(client.revoke_refresh_token_by_id(listed[0]["id"]))
    answer = client.exchange_refresh_token_for_access_token(
        tokens["refresh_token"], oauth["clientId"], oauth["clientSecret"]
    )
    assert answer.status == 400 and answer.error_response["error"] == "invalid_grant", answer.error_response
    assert client.validate_jwt(tokens["access_token"]).status == 401

with step("everything is deleted"):
    done(client.delete_user(user["id"]))
    done(client.delete_application(application["id"]))
    for made in (target, recipient):
        done(client.delete_entity(made["id"]))
    done(client.delete_entity_type(entity_type["id"]))
    done(client.delete_tenant(tenant["id"]))
