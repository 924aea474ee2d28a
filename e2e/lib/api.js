// The REST API with somebody's session, and signing in without a browser: for what a test needs around its subject.

import { randomUUID } from 'node:crypto';

import { recordError } from './record.js';

/** Name of the only provider of a development stack. */
const PROVIDER = 'dev';

/** The REST API as one person sees it. */
export class Api {
  constructor(stack, token) {
    this.stack = stack;
    this.token = token;
  }

  /** Calls it and gives the answer's JSON; anything but success is thrown with all that it says. */
  async call(method, path, body) {
    const url = `${this.stack.url}/api/${path}`;
    const answer = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await answer.text();
    if (!answer.ok) {
      recordError(this.stack, { client: 'api', method, url, status: answer.status, body: text });
      throw new Error(`${method} /api/${path}: ${answer.status} ${text}`);
    }
    return text ? JSON.parse(text) : undefined;
  }

  get(path) {
    return this.call('GET', path);
  }

  post(path, body = {}) {
    return this.call('POST', path, body);
  }

  /** The person's only community. */
  async community() {
    return (await this.get('communities')).items[0];
  }

  /** An invite into it. */
  async invite(options = { max_uses: 1 }) {
    return this.post(`communities/${(await this.community()).id}/invites`, options);
  }

  /** A new channel. */
  async createChannel(name, options = { visibility: 'public' }) {
    return this.post(`communities/${(await this.community()).id}/channels`, { name, ...options });
  }

  /** A channel by its name. */
  async channel(name) {
    const { channels } = (await this.get('sync')).communities[0];
    const found = channels.find((channel) => channel.name === name);
    if (!found) throw new Error(`there is no channel ${name} among ${channels.map((channel) => channel.name)}`);
    return found;
  }

  /** Writes a message. */
  async say(channel, text, options = {}) {
    const body = { body_md: text, client_msg_id: randomUUID(), ...options };
    return this.post(`channels/${channel.id}/messages`, body);
  }

  /** Writes many, in order. */
  async sayAll(channel, texts) {
    const said = [];
    for (const text of texts) said.push(await this.say(channel, text));
    return said;
  }
}

/** Signs in at the provider by the same requests that a browser sends, with an invite where one is needed. */
export async function signIn(stack, login, invite) {
  const cookies = new Map();
  const step = async (url) => {
    const ours = url.startsWith(stack.url);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { redirect: 'manual', headers: ours && cookie ? { cookie } : {} });
    for (const line of ours ? answer.headers.getSetCookie() : []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      cookies.set(name, value);
    }
    return answer;
  };
  const start = new URL(`/auth/${PROVIDER}/start`, stack.url);
  if (invite) start.searchParams.set('invite', invite);
  const toProvider = new URL(location(await step(start.href)));
  toProvider.searchParams.set('login', login);
  const answer = await step(location(await step(toProvider.href)));
  for (const [name, value] of cookies) {
    if (/^(__Host-)?ajet_session$/.test(name) && value) return { cookie: name, token: value };
  }
  throw new Error(`${login} is not signed in: ${answer.status} ${await answer.text()}`);
}

function location(answer) {
  const location = answer.headers.get('location');
  if (!location) throw new Error(`${answer.url} does not lead on: ${answer.status}`);
  return location;
}
