// oauth4webapi against the public client, which authenticates with nothing but its name.

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { Browser, statusWith, step, world } from './world.mjs'

const { spa, device, web } = world.applications
const callback = spa.redirect_uris[0]
const client = { client_id: spa.client_id }
const nobody = oauth.None()
const insecure = { [oauth.allowInsecureRequests]: true }

const as = await step('discovery', async () => {
  const issuer = new URL(world.issuer)
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  const plain = await oauth.processDiscoveryResponse(issuer, answer)
  const openid = await oauth.discoveryRequest(issuer, insecure)
  assert.deepEqual(await oauth.processDiscoveryResponse(issuer, openid), plain)
  return plain
})

const browser = new Browser()
const verifier = oauth.generateRandomCodeVerifier()
const tokens = await step('code with PKCE', async () => {
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: callback,
    response_type: 'code',
    scope: 'openid offline_access email',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  })
  const answer = oauth.validateAuthResponse(as, client, await browser.authorize(url, callback), state)
  const response = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    nobody,
    answer,
    callback,
    verifier,
    insecure,
  )
  const result = await oauth.processAuthorizationCodeResponse(as, client, response, {
    expectedNonce: nonce,
    requireIdToken: true,
  })
  await oauth.validateApplicationLevelSignature(as, response, insecure)
  return result
})
const claims = oauth.getValidatedIdTokenClaims(tokens)
assert.equal(claims.sub, world.user.id)

await step('userinfo', async () => {
  const answer = await oauth.userInfoRequest(as, client, tokens.access_token, insecure)
  const user = await oauth.processUserInfoResponse(as, client, claims.sub, answer)
  assert.equal(user.email, world.user.email)
})

await step('a wrong verifier is refused', async () => {
  const url = new URL(as.authorization_endpoint)
  const state = oauth.generateRandomState()
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: callback,
    response_type: 'code',
    scope: 'openid',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
  })
  const answer = oauth.validateAuthResponse(as, client, await browser.authorize(url, callback), state)
  const other = oauth.generateRandomCodeVerifier()
  const response = await oauth.authorizationCodeGrantRequest(as, client, nobody, answer, callback, other, insecure)
  await assert.rejects(oauth.processAuthorizationCodeResponse(as, client, response), { error: 'invalid_grant' })
})

// RFC 9126, RFC 9449 10.1
await step('pushed request with the proof of a key', async () => {
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const [state, own] = [oauth.generateRandomState(), oauth.generateRandomCodeVerifier()]
  const parameters = new URLSearchParams({
    redirect_uri: callback,
    response_type: 'code',
    scope: 'openid',
    code_challenge: await oauth.calculatePKCECodeChallenge(own),
    code_challenge_method: 'S256',
    state,
  })
  const response = await oauth.pushedAuthorizationRequest(as, client, nobody, parameters, { DPoP, ...insecure })
  const pushed = await oauth.processPushedAuthorizationResponse(as, client, response)
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri })
  const answer = oauth.validateAuthResponse(as, client, await browser.authorize(url, callback), state)
  const redeem = async (options) => {
    const all = { ...options, ...insecure }
    const response = await oauth.authorizationCodeGrantRequest(as, client, nobody, answer, callback, own, all)
    return oauth.processAuthorizationCodeResponse(as, client, response)
  }
  await assert.rejects(redeem({}), { error: 'invalid_grant' })
  assert.equal((await redeem({ DPoP })).token_type, 'dpop')
  assert.equal((await fetch(url)).status, 400)
})

const refreshed = await step('refresh', async () => {
  const response = await oauth.refreshTokenGrantRequest(as, client, nobody, tokens.refresh_token, insecure)
  return oauth.processRefreshTokenResponse(as, client, response)
})
// C3: nobody proves to be this client, so its refresh tokens work once.
assert.notEqual(refreshed.refresh_token, tokens.refresh_token)

await step('introspection', async () => {
  const confidential = { client_id: web.client_id }
  const post = oauth.ClientSecretPost(web.client_secret)
  const ask = async (token) =>
    oauth.processIntrospectionResponse(
      as,
      confidential,
      await oauth.introspectionRequest(as, confidential, post, token, insecure),
    )
  assert.equal((await ask('nothing')).active, false)
  const { recipient, target } = world.entities
  const service = { client_id: recipient.client_id }
  const secret = oauth.ClientSecretPost(recipient.client_secret)
  const scope = { scope: `target-entity:${target.name}:read` }
  const response = await oauth.clientCredentialsGrantRequest(as, service, secret, scope, insecure)
  const granted = await oauth.processClientCredentialsResponse(as, service, response)
  const answer = await oauth.introspectionRequest(as, service, secret, granted.access_token, insecure)
  const said = await oauth.processIntrospectionResponse(as, service, answer)
  assert.deepEqual([said.active, said.client_id], [true, recipient.client_id])
})

await step('device', async () => {
  const tv = { client_id: device.client_id }
  const proof = device.client_secret ? oauth.ClientSecretPost(device.client_secret) : nobody
  const parameters = { scope: 'openid offline_access' }
  const response = await oauth.deviceAuthorizationRequest(as, tv, proof, parameters, insecure)
  const asked = await oauth.processDeviceAuthorizationResponse(as, tv, response)
  const poll = async () => {
    const answer = await oauth.deviceCodeGrantRequest(as, tv, proof, asked.device_code, insecure)
    return oauth.processDeviceCodeResponse(as, tv, answer)
  }
  await assert.rejects(poll(), { error: 'authorization_pending' })
  await assert.rejects(poll(), { error: 'slow_down' })
  await new Browser().approveDevice(asked.verification_uri_complete)
  // RFC 8628 3.5: five seconds were added to the interval.
  await new Promise((resolve) => setTimeout(resolve, (asked.interval + 5) * 1000 + 500))
  const granted = await poll()
  assert.equal(oauth.getValidatedIdTokenClaims(granted).sub, world.user.id)
  await assert.rejects(poll(), { name: 'ResponseBodyError' })
})

await step('revocation', async () => {
  assert.equal(await statusWith(refreshed.access_token), 200)
  const response = await oauth.revocationRequest(as, client, nobody, refreshed.refresh_token, insecure)
  await oauth.processRevocationResponse(response)
  assert.equal(await statusWith(refreshed.access_token), 401)
  const again = await oauth.refreshTokenGrantRequest(as, client, nobody, refreshed.refresh_token, insecure)
  await assert.rejects(oauth.processRefreshTokenResponse(as, client, again), { error: 'invalid_grant' })
})

await step('logout', async () => {
  const url = new URL(as.end_session_endpoint)
  url.search = new URLSearchParams({
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: callback,
    state: 'bye',
  })
  assert.equal((await browser.leave(url, callback)).searchParams.get('state'), 'bye')
})
