"""FusionAuth's own client: a tenant, entities with a grant and their token, an application with a user and theirs."""

import base64
import hashlib
import hmac
import struct
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
    login = {"allowTokenRefresh": True, "generateRefreshTokens": True}
    body = {"application": {"name": "Shop", "oauthConfiguration": configuration, "roles": [{"name": "buyer"}]}}
    body["application"]["loginConfiguration"] = login
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

with step("the user logs in behind the application's own form"):
    login = {"loginId": person["email"], "password": person["password"], "applicationId": application["id"]}
    answer = client.login({**login, "ipAddress": "192.0.2.7"})
    assert answer.status == 200, f"{answer.status}: {answer.error_response}"
    entered = answer.success_response
    assert entered["user"]["id"] == user["id"] and entered["tokenExpirationInstant"] > 1_700_000_000_000
    assert done(client.validate_jwt(entered["token"]), "jwt", "roles") == ["buyer"]
    assert client.login({**login, "password": "wrong"}).status == 404
    assert done(client.login_ping(user["id"], application["id"]), "user", "id") == user["id"]
    done(client.login_ping_with_request({"userId": user["id"], "applicationId": application["id"]}))

with step("the refresh token is used without a client"):
    refreshed = done(client.exchange_refresh_token_for_jwt({"refreshToken": entered["refreshToken"]}))
    assert done(client.validate_jwt(refreshed["token"]), "jwt", "sub") == user["id"]
    issued = done(client.issue_jwt(application["id"], refreshed["token"]), "token")
    assert done(client.validate_jwt(issued), "jwt", "authenticationType") == "JWT_SSO"
    keys = done(client.retrieve_jwt_public_keys(), "publicKeys")
    own = done(client.retrieve_jwt_public_key_by_application_id(application["id"]), "publicKey")
    assert own in keys.values() and own.startswith("-----BEGIN PUBLIC KEY-----")
    vended = done(client.vend_jwt({"claims": {"color": "blue"}, "timeToLiveInSeconds": 60}), "token")
    assert client.validate_jwt(vended).status == 401

with step("a logout ends it"):
    done(client.logout(False, refreshed["refreshToken"]))
    done(client.logout_with_request({"global": False, "refreshToken": "unknown"}))
    assert client.exchange_refresh_token_for_jwt({"refreshToken": refreshed["refreshToken"]}).status == 400
    assert client.validate_jwt(refreshed["token"]).status == 401

with step("a second factor is a step of its own"):
    def code(secret):
        """RFC 6238, from the standard library alone."""
        digest = hmac.new(base64.b64decode(secret), struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
        place = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[place:place + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"

    secret = done(client.generate_two_factor_secret())
    request = {"method": "authenticator", "secretBase32Encoded": secret["secretBase32Encoded"], "code": code(secret["secret"])}
    recovery_codes = done(client.enable_two_factor(user["id"], request), "recoveryCodes")
    answer = client.login(login)
    assert answer.status == 242 and answer.success_response["methods"][0]["method"] == "authenticator"
    waiting = answer.success_response["twoFactorId"]
    assert client.two_factor_login({"twoFactorId": waiting, "code": "wrong"}).status == 421
    entered = done(client.two_factor_login({"twoFactorId": waiting, "code": code(secret["secret"])}))
    assert done(client.validate_jwt(entered["token"]), "jwt", "acr") == "2"
    assert client.retrieve_two_factor_status(user["id"], application["id"], "none").status == 242
    started = done(client.start_two_factor_login({"userId": user["id"], "applicationId": application["id"]}))
    done(client.two_factor_login({"twoFactorId": started["twoFactorId"], "code": recovery_codes[0]}))
    done(client.disable_two_factor(user["id"], "authenticator", recovery_codes[1]))
    assert client.login(login).status == 200

with step("the password is changed"):
    token = done(client.login(login), "token")
    done(client.check_change_password_using_jwt(token))
    change = {"currentPassword": person["password"], "password": "middle-out since 2015"}
    done(client.change_password_by_jwt(token, change))
    assert client.login(login).status == 404
    done(client.change_password_by_identity({"loginId": person["email"], "password": person["password"]}))
    done(client.patch_user(user["id"], {"user": {"passwordChangeRequired": True}}))
    answer = client.login(login)
    assert answer.status == 203 and answer.success_response["changePasswordReason"] == "Administrative"
    due = answer.success_response["changePasswordId"]
    assert done(client.retrieve_user_by_change_password_id(due), "user", "id") == user["id"]
    done(client.check_change_password_using_id(due))
    done(client.change_password(due, {"password": "middle-out since 2016"}))
    assert client.login({**login, "password": "middle-out since 2016"}).status == 200

with step("everything is deleted"):
    done(client.delete_user(user["id"]))
    done(client.delete_application(application["id"]))
    for made in (target, recipient):
        done(client.delete_entity(made["id"]))
    done(client.delete_entity_type(entity_type["id"]))
    done(client.delete_tenant(tenant["id"]))
