// fusio-sdk against a tenant of the profile `fusio`, which is made with the management API first.

import assert from 'node:assert/strict'
import { Client } from 'fusio-sdk'
import { Anonymous, HttpBearer, MemoryTokenStore, OAuth2, OAuth2Authenticator } from 'sdkgen-client'
import { Browser, step, world } from './world.mjs'

const callback = 'https://app.example/callback'
const login = { username: 'test', password: 'Setec Astronomy' }
const scopes = [{ name: 'authorization' }, { name: 'consumer' }]

async function make(path, body, tenantId) {
  const headers = { authorization: world.api_key, 'content-type': 'application/json' }
  if (tenantId) headers['x-fusionauth-tenantid'] = tenantId
  const answer = await fetch(`${world.gateway}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await answer.text()
  assert.equal(answer.status, 200, text)
  return JSON.parse(text)
}

function oauth(clientId, clientSecret, wanted = []) {
  const at = `${world.gateway}/authorization`
  const store = new MemoryTokenStore()
  const client = new OAuth2(clientId, clientSecret, `${at}/token`, `${at}/authorize`, store, wanted)
  return { client, store, authenticator: new OAuth2Authenticator(client) }
}

const app = await step('a tenant, an app and a person are made', async () => {
  const { tenant } = await make('/api/tenant', { tenant: { name: 'fusio', profile: 'fusio' } })
  const grants = ['authorization_code', 'password', 'refresh_token']
  const common = { enabledGrants: grants, generateRefreshTokens: true, authorizedRedirectURLs: [callback] }
  const made = await make(
    '/api/application',
    { application: { name: 'app', scopes, oauthConfiguration: { ...common } } },
    tenant.id,
  )
  await make(
    '/api/application',
    {
      application: {
        name: 'consumer',
        scopes,
        oauthConfiguration: { ...common, clientId: 'consumer', clientAuthenticationPolicy: 'NotRequired' },
      },
    },
    tenant.id,
  )
  await make('/api/user', { user: { ...login, fullName: 'Administrator' } }, tenant.id)
  // Paths of a profile are ours from the moment on in which its first tenant is known.
  for (let tries = 0; tries < 100; tries++) {
    const { status } = await fetch(`${world.gateway}/consumer/login`, { method: 'POST', body: '{}' })
    if (status !== 404) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return made.application.oauthConfiguration
})

const anonymous = new Client(world.gateway, new Anonymous())

const session = await step('login', async () => {
  const session = await anonymous.consumer().account().login(login)
  assert.ok(session.token)
  assert.equal(session.scope, 'authorization,consumer')
  await assert.rejects(anonymous.consumer().account().login({ ...login, password: 'guess' }), (error) => {
    return error.payload?.success === false && /Invalid name or password/.test(error.payload.message)
  })
  return session
})

await step('refresh of the login', async () => {
  const again = await anonymous.consumer().account().refresh({ refresh_token: session.refresh_token })
  assert.ok(again.token && again.refresh_token !== session.refresh_token)
})

await step('whoami and revoke', async () => {
  const person = new Client(world.gateway, new HttpBearer(session.token))
  const who = await person.authorization().getWhoami()
  assert.equal(who.name, 'Administrator')
  assert.deepEqual(who.scopes, ['authorization', 'consumer'])
  assert.equal((await person.authorization().revoke()).success, true)
  await assert.rejects(person.authorization().getWhoami())
})

await step('client credentials and refresh', async () => {
  const { store, authenticator } = oauth(app.clientId, app.clientSecret, ['authorization', 'backend'])
  const token = await authenticator.getAccessToken()
  const kept = store.get()
  assert.equal(kept.access_token, token)
  assert.deepEqual([kept.token_type, kept.scope], ['bearer', 'authorization'])
  // Absolute, and read so by the library: the token is good, so nothing is fetched.
  assert.ok(kept.expires_in > 1_600_000_000)
  assert.equal(await authenticator.getAccessToken(), token)
  const refreshed = await authenticator.fetchAccessTokenByRefresh(kept.refresh_token)
  assert.notEqual(refreshed.access_token, token)
  assert.equal(refreshed.scope, 'authorization')
})

await step('a person as the client', async () => {
  const { authenticator } = oauth(login.username, login.password)
  const token = await authenticator.getAccessToken()
  const person = new Client(world.gateway, new HttpBearer(token))
  assert.equal((await person.authorization().getWhoami()).name, 'Administrator')
})

await step('authorization code', async () => {
  const { authenticator } = oauth(app.clientId, app.clientSecret, ['authorization'])
  const url = authenticator.buildRedirectUrl(callback, [], 'abc')
  const answer = await new Browser(login).authorize(url, callback)
  assert.equal(answer.searchParams.get('state'), 'abc')
  const granted = await authenticator.fetchAccessTokenByCode(answer.searchParams.get('code'))
  assert.equal(granted.scope, 'authorization')
})
