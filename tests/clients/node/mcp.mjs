// The SDK of the Model Context Protocol, client and server, with the gate between them: `examples/mcp-server`. The client knows
// one address and nothing else; it finds the issuer, registers, and sends a person to log in.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { Browser, step, world } from './world.mjs'

const callback = 'http://127.0.0.1:33418/callback'
const address = new URL('/mcp', world.gateway)

// The server believes what the gate says of who is calling, and never sees a token.
const upstream = createServer(async (request, answer) => {
  assert.equal(request.headers.authorization, undefined)
  const server = new McpServer({ name: 'tools', version: '1.0.0' })
  server.registerTool('whoami', { description: 'Who is calling' }, ({ requestInfo }) => ({
    content: [{ type: 'text', text: String(requestInfo.headers['x-auth-subject']) }],
  }))
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
  answer.on('close', () => server.close())
  await server.connect(transport)
  await transport.handleRequest(request, answer)
})
await new Promise((listening) => upstream.listen(world.upstream_port, '127.0.0.1', listening))

/** What the SDK wants to have kept, and where it sends people. */
class Person {
  redirectUrl = callback
  asked = []
  #kept = {}

  get clientMetadata() {
    return {
      client_name: 'An agent',
      redirect_uris: [callback],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    }
  }

  clientInformation = () => this.#kept.client
  saveClientInformation = (client) => (this.#kept.client = client)
  tokens = () => this.#kept.tokens
  saveTokens = (tokens) => (this.#kept.tokens = tokens)
  codeVerifier = () => this.#kept.verifier
  saveCodeVerifier = (verifier) => (this.#kept.verifier = verifier)
  redirectToAuthorization = (url) => this.asked.push(url)
}

const person = new Person()
const transport = () => new StreamableHTTPClientTransport(address, { authProvider: person })
const connected = async () => {
  const client = new Client({ name: 'agent', version: '1.0.0' })
  await client.connect(transport())
  return client
}

await step('it finds the issuer, registers and sends a person there', async () => {
  await assert.rejects(connected(), UnauthorizedError)
  assert.equal(person.asked.length, 1)
  const [url] = person.asked
  assert.equal(url.searchParams.get('client_id'), person.clientInformation().client_id)
  assert.equal(url.searchParams.get('resource'), address.href)
  assert.ok(url.searchParams.get('scope').split(' ').includes('tools:call'))
})

await step('the person allows it', async () => {
  const answer = await new Browser().authorize(person.asked[0], callback)
  await transport().finishAuth(answer.searchParams.get('code'))
  const [, claims] = person.tokens().access_token.split('.')
  assert.equal(JSON.parse(Buffer.from(claims, 'base64url')).aud, address.href)
})

await step('it calls tools for the person', async () => {
  const client = await connected()
  const { tools } = await client.listTools()
  assert.deepEqual(tools.map(({ name }) => name), ['whoami'])
  const [, claims] = person.tokens().access_token.split('.')
  const { sub } = JSON.parse(Buffer.from(claims, 'base64url'))
  const { content } = await client.callTool({ name: 'whoami' })
  assert.deepEqual(content, [{ type: 'text', text: sub }])
  await client.close()
})

await step('it refreshes by itself', async () => {
  const before = person.tokens()
  assert.ok(before.refresh_token, 'it registered for the grant')
  person.saveTokens({ ...before, access_token: 'over' })
  await (await connected()).close()
  assert.notEqual(person.tokens().access_token, before.access_token)
  assert.equal(person.asked.length, 1, 'nobody has to log in again')
})

await step('its token opens nothing else', async () => {
  const headers = { authorization: `Bearer ${person.tokens().access_token}` }
  const answer = await fetch(new URL('/oauth2/userinfo', world.gateway), { headers })
  assert.notEqual(answer.status, 200)
})

upstream.closeAllConnections()
upstream.close()
