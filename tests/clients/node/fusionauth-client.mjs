// FusionAuth's client for TypeScript: a tenant with a key of its own, entities with a grant and their token, an application
// with a person who logs in, refreshes, approves a device and logs out.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

import fusionauth from '@fusionauth/typescript-client'

import { step, world } from './world.mjs'

const { FusionAuthClient } = fusionauth
const root = new FusionAuthClient(world.api_key, world.gateway)
let client = root

/** The body of a request that succeeded. */
async function done(request) {
  try {
    return (await request).response
  } catch (answer) {
    assert.fail(`${answer.statusCode}: ${JSON.stringify(answer.exception)}`)
  }
}

/** What a request that was refused was answered. */
async function refused(request) {
  const answer = await request.then((answer) => assert.fail(`it was answered ${answer.statusCode}`), (answer) => answer)
  assert.ok(answer.statusCode >= 400, `${answer}`)
  return answer
}

/** What a new tenant cannot do yet: its keys are made a moment after it. */
async function eventually(request) {
  for (let tries = 0; ; tries++) {
    try {
      return (await request()).response
    } catch (answer) {
      if (tries === 600) assert.fail(`${answer.statusCode}: ${JSON.stringify(answer.exception)}`)
      await sleep(100)
    }
  }
}

const tenant = await step('a tenant is made', async () => {
  const body = { tenant: { name: 'Pied Piper', issuer: 'piedpiper.com', openIntrospection: true, data: { city: 'Palo Alto' } } }
  const { tenant } = await done(root.createTenant(null, body))
  assert.equal(tenant.data.city, 'Palo Alto')
  client = new FusionAuthClient(world.api_key, world.gateway, tenant.id)
  return tenant
})

await step('a key is generated and used', async () => {
  const { key } = await done(client.generateKey(null, { key: { algorithm: 'ES256', name: 'signing' } }))
  assert.ok(key.publicKey.startsWith('-----BEGIN PUBLIC KEY-----') && !key.privateKey)
  const body = { tenant: { jwtConfiguration: { accessTokenKeyId: key.id } } }
  const patched = await done(root.patchTenant(tenant.id, body))
  assert.equal(patched.tenant.jwtConfiguration.accessTokenKeyId, key.id)
  assert.equal((await done(client.retrieveKey(key.id))).key.kid, key.kid)
  const listed = await done(client.retrieveKeys())
  assert.ok(listed.keys.some(({ id }) => id === key.id))
  const answer = await refused(client.deleteKey(key.id))
  assert.deepEqual([answer.statusCode, Object.keys(answer.exception.fieldErrors)], [400, ['key.id']])
})

const application = await step('an application is made', async () => {
  const grants = ['authorization_code', 'password', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code']
  const oauthConfiguration = {
    enabledGrants: grants,
    generateRefreshTokens: true,
    deviceVerificationURL: `${world.gateway}/oauth2/device`,
  }
  const loginConfiguration = { allowTokenRefresh: true, generateRefreshTokens: true }
  const roles = [{ name: 'buyer' }]
  const body = { application: { name: 'Shop', oauthConfiguration, loginConfiguration, roles, data: { shelf: 3 } } }
  const { application } = await done(client.createApplication(null, body))
  assert.equal(application.data.shelf, 3)
  return application
})
const { clientId, clientSecret } = application.oauthConfiguration

const [target, recipient] = await step('entities of a type are made', async () => {
  const permissions = [{ name: 'read', isDefault: true }, { name: 'write' }]
  const { entityType } = await done(root.createEntityType(null, { entityType: { name: 'Warehouse', permissions } }))
  const entity = async (name, parentId) =>
    (await done(client.createEntity(null, { entity: { name, type: { id: entityType.id }, parentId } }))).entity
  const target = await entity('target')
  return [target, await entity('recipient', target.id)]
})

await step('a grant is made and found', async () => {
  await done(client.upsertEntityGrant(target.id, { grant: { recipientEntityId: recipient.id, permissions: ['read'] } }))
  const found = await done(client.retrieveEntityGrant(target.id, recipient.id))
  assert.deepEqual(found.grant.permissions, ['read'])
})

await step('client credentials give a token, which is introspected', async () => {
  const scope = `target-entity:${target.id}:read`
  const { access_token: token } = await eventually(() =>
    client.clientCredentialsGrant(recipient.clientId, recipient.clientSecret, scope),
  )
  const claims = await done(client.introspectClientCredentialsAccessToken(token))
  assert.ok(claims.active)
  assert.deepEqual([claims.sub, claims.permissions], [recipient.id, { [target.id]: ['read'] }])
})

const person = { email: 'jared@piedpiper.com', password: 'this guy enters a room' }
const user = await step('a person is registered', async () => {
  const body = { user: person, registration: { applicationId: application.id, roles: ['buyer'] } }
  const { user } = await done(client.register(null, body))
  assert.ok(!('password' in user))
  return user
})

const entered = await step('the person logs in', async () => {
  const request = { loginId: person.email, password: person.password, applicationId: application.id }
  const entered = await done(client.login(request))
  const { jwt } = await done(client.validateJWT(entered.token))
  assert.deepEqual([entered.user.id, jwt.sub, jwt.roles], [user.id, user.id, ['buyer']])
  assert.equal((await refused(client.login({ ...request, password: 'wrong' }))).statusCode, 404)
  return entered
})

const refreshed = await step('the login is refreshed', async () => {
  const refreshed = await done(client.exchangeRefreshTokenForJWT({ refreshToken: entered.refreshToken }))
  assert.equal((await done(client.validateJWT(refreshed.token))).jwt.sub, user.id)
  return refreshed
})

await step('a device is approved and gets its tokens', async () => {
  const asked = await done(client.deviceAuthorize(clientId, clientSecret, 'offline_access'))
  const asking = { client_id: clientId, client_secret: clientSecret, user_code: asked.user_code, tenantId: tenant.id }
  const details = await done(client.retrieveUserCodeWithRequest(asking))
  assert.equal(details.user_code.replaceAll('-', ''), asked.user_code.replaceAll('-', ''))
  const approved = await done(client.approveDevice(clientId, clientSecret, refreshed.token, asked.user_code))
  assert.equal(approved.deviceGrantStatus, 'Approved')
  // The client has no method for what a device does.
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: asked.device_code,
    client_id: clientId,
    client_secret: clientSecret,
  })
  const headers = { 'x-fusionauth-tenantid': tenant.id }
  const tokens = await (await fetch(`${world.gateway}/oauth2/token`, { method: 'POST', body, headers })).json()
  assert.ok(tokens.refresh_token, JSON.stringify(tokens))
  assert.equal((await done(client.validateJWT(tokens.access_token))).jwt.sub, user.id)
})

await step('a logout ends the login', async () => {
  await done(client.logout(false, refreshed.refreshToken ?? entered.refreshToken))
  const answer = await refused(client.exchangeRefreshTokenForJWT({ refreshToken: refreshed.refreshToken }))
  assert.equal(answer.statusCode, 400)
})

await step('what happened is in the event log', async () => {
  const search = { message: application.id, orderBy: 'id ASC' }
  const found = await done(root.searchEventLogs({ search }))
  assert.equal(found.eventLogs[0].message, `application.created ${application.id}`)
})

await step('the tenant goes with everything in it', async () => {
  await done(root.deleteTenant(tenant.id))
  assert.equal((await refused(root.retrieveUser(user.id))).statusCode, 404)
  assert.equal((await refused(root.validateJWT(refreshed.token))).statusCode, 401)
})
