// openid-client against the confidential client, which authenticates with Basic.

import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { Browser, statusWith, step, world } from './world.mjs'

const { web, device } = world.applications
const callback = web.redirect_uris[0]
const insecure = { execute: [client.allowInsecureRequests] }

const config = await step('discovery', () =>
  client.discovery(
    new URL(world.issuer),
    web.client_id,
    undefined,
    client.ClientSecretBasic(web.client_secret),
    insecure,
  ),
)
assert.equal(config.serverMetadata().issuer, world.issuer)

const browser = new Browser()
const tokens = await step('code with PKCE', async () => {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: 'openid offline_access email profile',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  })
  const answer = await browser.authorize(url, callback)
  return client.authorizationCodeGrant(config, answer, { pkceCodeVerifier, expectedState, expectedNonce })
})
assert.equal(tokens.claims().sub, world.user.id)

await step('the gateway lets the token in', async () => assert.equal(await statusWith(tokens.access_token), 200))

await step('userinfo', async () => {
  const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
  assert.equal(user.email, world.user.email)
})

await step('single sign-on', async () => {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: 'openid',
    prompt: 'none',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    max_age: '3600',
  })
  const answer = await browser.leave(url, callback)
  const again = await client.authorizationCodeGrant(config, answer, { pkceCodeVerifier, maxAge: 3600 })
  assert.equal(again.claims().sid, tokens.claims().sid)
})

const refreshed = await step('refresh', () => client.refreshTokenGrant(config, tokens.refresh_token))
assert.notEqual(refreshed.access_token, tokens.access_token)
assert.equal(refreshed.claims().sub, world.user.id)

await step('introspection', async () => {
  const said = await client.tokenIntrospection(config, refreshed.access_token)
  assert.equal(said.active, true)
  assert.equal(said.sub, world.user.id)
  assert.equal((await client.tokenIntrospection(config, 'nothing')).active, false)
})

await step('client credentials', async () => {
  const { recipient, target } = world.entities
  const service = await client.discovery(
    new URL(world.issuer),
    recipient.client_id,
    recipient.client_secret,
    undefined,
    insecure,
  )
  const granted = await client.clientCredentialsGrant(service, { scope: `target-entity:${target.name}:read` })
  assert.equal(granted.token_type, 'bearer')
})

await step('device', async () => {
  const tv = await client.discovery(new URL(world.issuer), device.client_id, device.client_secret, undefined, insecure)
  const asked = await client.initiateDeviceAuthorization(tv, { scope: 'openid offline_access' })
  const [granted] = await Promise.all([
    client.pollDeviceAuthorizationGrant(tv, asked),
    new Browser().approveDevice(asked.verification_uri_complete),
  ])
  assert.equal(granted.claims().sub, world.user.id)
  assert.ok(granted.refresh_token)
})

await step('revocation', async () => {
  await client.tokenRevocation(config, refreshed.access_token)
  assert.equal(await statusWith(refreshed.access_token), 401)
  assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, false)
  await client.tokenRevocation(config, refreshed.refresh_token ?? tokens.refresh_token)
  await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token ?? tokens.refresh_token), {
    error: 'invalid_grant',
  })
})

await step('logout', async () => {
  const url = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: callback,
    state: 'bye',
  })
  const answer = await browser.leave(url, callback)
  assert.equal(answer.searchParams.get('state'), 'bye')
  const silent = client.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: 'openid',
    prompt: 'none',
    code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
    code_challenge_method: 'S256',
  })
  assert.equal((await browser.leave(silent, callback)).searchParams.get('error'), 'login_required')
})
