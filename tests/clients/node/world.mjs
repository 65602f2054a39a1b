// The world that `faregate dev` made, and a person in it with a browser that runs no scripts.
//
// Owns forms and cookies; it knows no library.

import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'

// The libraries expect it to be global, which it is from Node.js 19 on; Debian 12 has 18.
globalThis.crypto ??= webcrypto

export const world = JSON.parse(process.env.FAREGATE_WORLD)

/** Names what is done, so that a failure says where. */
export async function step(name, work) {
  try {
    const result = await work()
    console.log(`ok ${name}`)
    return result
  } catch (error) {
    console.error(`FAILED ${name}`)
    throw error
  }
}

/** What the gateway answers to the holder of a token. */
export async function statusWith(token) {
  const answer = await fetch(`${world.gateway}/admin/here`, { headers: { authorization: `Bearer ${token}` } })
  await answer.text()
  return answer.status
}

export class Browser {
  #cookies = new Map()
  #person

  /** With somebody else's name and password, if they are said. */
  constructor({ username = world.user.email, password = world.user.password } = {}) {
    this.#person = { username, password }
  }

  /** Signs in and says yes to everything, until the browser is sent to `callback`; answers that URL. */
  async authorize(url, callback) {
    let page = await this.#load(url, {}, callback)
    for (let pages = 0; pages < 6 && !page.gone; pages++) {
      page = await this.#submit(page, callback)
    }
    assert.ok(page.gone, `no way back to the client: ${page.text}`)
    return page.gone
  }

  /** Opens an address of an application, signs in where that is asked for, and answers the page at the end. */
  async open(url) {
    let page = await this.#load(url, {})
    for (let pages = 0; pages < 6 && page.text.includes('<form'); pages++) {
      page = await this.#submit(page)
    }
    return page
  }

  /** Enters a user code by its complete address, and allows what the device asks for. */
  async approveDevice(url) {
    let page = await this.#load(url, {})
    for (let pages = 0; pages < 6 && page.text.includes('<form'); pages++) {
      page = await this.#submit(page)
    }
    assert.equal(page.status, 200)
    assert.ok(!page.text.includes('<form'), page.text)
  }

  /** Opens an address and answers where it leads. */
  async leave(url, callback) {
    const page = await this.#load(url, {}, callback)
    assert.ok(page.gone, `no way back to the client: ${page.status} ${page.text}`)
    return page.gone
  }

  async #submit(page, callback) {
    const [, attributes, inside] = page.text.match(/<form\b([^>]*)>([\s\S]*?)<\/form>/) ?? assert.fail(page.text)
    const body = new URLSearchParams()
    for (const [, input] of inside.matchAll(/<input\b([^>]*)>/g)) {
      const box = attribute(input, 'type') === 'checkbox'
      const name = attribute(input, 'name')
      if (name && !box) body.set(name, attribute(input, 'value') ?? '')
    }
    if (body.has('password')) {
      body.set('loginId', this.#person.username)
      body.set('password', this.#person.password)
    }
    const buttons = [...inside.matchAll(/<button\b([^>]*)>/g)].map(([, button]) => button)
    const allow = buttons.find((button) => attribute(button, 'id') === 'allow')
    if (allow) body.set(attribute(allow, 'name'), attribute(allow, 'value'))
    const action = new URL(attribute(attributes, 'action') ?? page.url, page.url)
    return this.#load(action, { method: 'POST', body, headers: { origin: action.origin } }, callback)
  }

  async #load(url, init, callback) {
    for (let hops = 0; hops < 10; hops++) {
      if (callback && String(url).startsWith(callback)) return { gone: new URL(url) }
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const headers = { accept: 'text/html', ...init.headers, ...(cookie ? { cookie } : {}) }
      const answer = await fetch(url, { ...init, headers, redirect: 'manual' })
      for (const line of cookiesOf(answer)) {
        const [, name, value] = line.match(/^([^=]+)=([^;]*)/)
        if (/max-age=0\b|expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name)
        else this.#cookies.set(name, value)
      }
      const text = await answer.text()
      const location = answer.headers.get('location')
      if (!location) return { url, status: answer.status, text }
      url = new URL(location, url)
      init = {}
    }
    assert.fail(`${url} redirects without end`)
  }
}

function attribute(text, name) {
  const found = text.match(new RegExp(`(?:^|\\s)${name}="([^"]*)"`))
  const entities = { amp: '&', quot: '"', lt: '<', gt: '>', '#39': "'", '#x27': "'", '#34': '"', '#38': '&' }
  return found?.[1].replace(/&(#?\w+);/g, (entity, key) => entities[key] ?? entity)
}

/** Every `Set-Cookie` of an answer; Debian 12's Node.js joins them with commas, which ours do not contain. */
function cookiesOf(answer) {
  const { headers } = answer
  return headers.getSetCookie?.() ?? headers.get('set-cookie')?.split(/, (?=[^;,]+=)/) ?? []
}
