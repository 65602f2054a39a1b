// Auth0's middleware for Express: express-openid-connect, which logs people in, and express-oauth2-jwt-bearer, which
// guards an API; against a tenant of the profile `auth0`.

import assert from 'node:assert/strict'
import express from 'express'
import openid from 'express-openid-connect'
import bearer from 'express-oauth2-jwt-bearer'
import { Browser, step, world } from './world.mjs'

const audience = 'https://orders.example.com/'

/** An application with a server of its own, on a free port. Its pages answer JSON. */
async function application(options) {
  const app = express()
  const server = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const baseURL = `http://127.0.0.1:${server.address().port}`
  const client = { clientID: 'shop', clientSecret: 'a-secret-that-nobody-guesses-in-time', secret: 'x'.repeat(32) }
  const rules = { issuerBaseURL: world.issuer, baseURL, authRequired: false, auth0Logout: true }
  app.use(openid.auth({ ...rules, ...client, ...options }))
  app.get('/', (request, answer) => answer.json(request.oidc.isAuthenticated()))
  app.get('/me', openid.requiresAuth(), (request, answer) => answer.json(request.oidc.user))
  app.get('/info', openid.requiresAuth(), async ({ oidc }, answer) => answer.json(await oidc.fetchUserInfo()))
  app.get('/token', openid.requiresAuth(), (request, answer) => answer.json(request.oidc.accessToken.access_token))
  app.get('/refresh', openid.requiresAuth(), async ({ oidc }, answer) => {
    answer.json((await oidc.accessToken.refresh()).access_token)
  })
  return baseURL
}

const scope = 'openid email profile offline_access read:orders'
const shop = await application({
  authorizationParams: { response_type: 'code', scope, audience },
  pushedAuthorizationRequests: true,
})
const browser = new Browser()
const read = async (path) => JSON.parse((await browser.open(shop + path)).text)

await step('code, pushed', async () => {
  const user = await read('/me')
  assert.deepEqual([user.email, user.given_name], [world.user.email, 'Ann'])
})

await step('userinfo', async () => assert.equal((await read('/info')).email, world.user.email))

const token = await read('/token')
const refreshed = await step('refresh', () => read('/refresh'))
assert.notEqual(refreshed, token)

await step('an API', async () => {
  const api = express()
  const server = api.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  api.use(bearer.auth({ issuerBaseURL: world.issuer, audience, strict: true }))
  api.get('/read', bearer.requiredScopes('read:orders'), (request, answer) => answer.json(request.auth.payload))
  api.get('/write', bearer.requiredScopes('write:orders'), (_, answer) => answer.json(null))
  api.use((error, _, answer, next) => (error ? answer.status(error.status).json(error.code) : next()))
  const url = `http://127.0.0.1:${server.address().port}`
  const ask = async (path, headers) => (await fetch(url + path, { headers })).status
  const authorization = `Bearer ${refreshed}`
  assert.equal(await ask('/read', { authorization }), 200)
  assert.equal(await ask('/write', { authorization }), 403)
  assert.equal(await ask('/read', {}), 401)
})

await step('logout', async () => {
  const page = await browser.open(`${shop}/logout`)
  assert.deepEqual([String(page.url), page.text], [`${shop}/`, 'false'])
  const silent = `${world.issuer}/authorize?client_id=shop&response_type=code&prompt=none&redirect_uri=${shop}/callback`
  assert.equal((await browser.leave(silent, shop)).searchParams.get('error'), 'login_required')
})

await step('its defaults: an ID token in a form', async () => {
  const page = await new Browser().open(`${await application({})}/me`)
  assert.equal(JSON.parse(page.text).email, world.user.email)
})
process.exit(0)
