/** The app server's side: REST calls with its key, or with a user's token. */

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects and fails where that is missing
  readonly body: any
}

interface CallOptions {
  /** Instead of the API key; '' sends no authorization at all. */
  readonly token?: string
  readonly headers?: Record<string, string>
}

export interface Api {
  call(method: string, path: string, body?: object, options?: CallOptions): Promise<Answer>
  get(path: string, options?: CallOptions): Promise<Answer>
  post(path: string, body?: object, options?: CallOptions): Promise<Answer>
  /** Registers a user, or finds it registered; resolves with its token. @throws where neither works */
  register(user_id: number, nick_name?: string): Promise<string>
  /** Registers many users at once; resolves with their tokens in order. */
  registerAll(user_ids: readonly number[]): Promise<string[]>
}

/** An answer that does not come within this time is no answer (the API's own deadline is 10 s). */
const callDeadline_ms = 15_000

/** @param port of a gateway on this machine */
export function createApi(port: number, apiKey: string): Api {
  const call: Api['call'] = async (method, path, body, { token = apiKey, headers = {} } = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(callDeadline_ms),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') ?? false
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }

  /** What succeeded. */
  const must = async (answer: Promise<Answer>): Promise<Answer> => {
    const { status, headers, body } = await answer
    if (status >= 300) throw new Error(`${status} ${JSON.stringify(body)}`)
    return { status, headers, body }
  }

  return {
    call,
    get: (path, options) => call('GET', path, undefined, options),
    post: (path, body = {}, options = {}) => call('POST', path, body, options),

    async register(user_id, nick_name = `u${user_id}`) {
      const created = await call('POST', '/v1/users', { user_id: String(user_id), nick_name })
      if (created.status === 201) return created.body.token
      return (await must(call('GET', `/v1/users/${user_id}/token`))).body.token
    },

    async registerAll(user_ids) {
      const users = user_ids.map((user_id) => ({ user_id: String(user_id), nick_name: `u${user_id}` }))
      await must(call('POST', '/v1/users:import', { users }))
      const tokens: string[] = []
      for (const user_id of user_ids)
        tokens.push((await must(call('GET', `/v1/users/${user_id}/token`))).body.token)
      return tokens
    },
  }
}
