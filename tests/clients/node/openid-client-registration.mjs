// openid-client registers itself (RFC 7591), is used, and ends its registration (RFC 7592).

import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { Browser, step, world } from './world.mjs'

const callback = 'http://127.0.0.1:33418/callback'

const config = await step('registration', () =>
  client.dynamicClientRegistration(
    new URL(world.issuer),
    { client_name: 'A walk', redirect_uris: [callback], grant_types: ['authorization_code', 'refresh_token'] },
    undefined,
    { execute: [client.allowInsecureRequests] },
  ),
)
const { client_secret: secret, registration_client_uri: uri } = config.clientMetadata()
assert.ok(secret)

const tokens = await step('code with PKCE', async () => {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: 'openid offline_access tools:call',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  const answer = await new Browser().authorize(url, callback)
  return client.authorizationCodeGrant(config, answer, { pkceCodeVerifier })
})

await step('userinfo and refresh', async () => {
  const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
  assert.equal(user.sub, tokens.claims().sub)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.notEqual(refreshed.access_token, tokens.access_token)
})

await step('the end', async () => {
  const headers = { authorization: `Bearer ${config.clientMetadata().registration_access_token}` }
  assert.equal((await (await fetch(uri, { headers })).json()).client_name, 'A walk')
  assert.equal((await fetch(uri, { method: 'DELETE', headers })).status, 204)
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { status: 401 })
})
