// The same conversation in a browser, at `curl`, and in `ajet-chat`.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';
import { promisify } from 'node:util';

import { Conversation } from '../lib/conversation.js';
import { programs } from '../lib/settings.js';
import { story } from '../lib/story.js';
import { until } from '../lib/wait.js';
import { world } from '../lib/world.js';

const run = promisify(execFile);

let w;
let home;
let ada;
let channel;
let adas;
let token;
const followers = new Set();

before(async () => {
  w = await world('term');
  home = await mkdtemp(join(tmpdir(), 'ajet-e2e-'));
  ada = await w.newcomer('ada');
  channel = await w.channel('both', ada);
  adas = await Conversation.open(ada, w.path(channel));
  // As a person at a terminal gets one: the demo's Idris, who then joins like anybody.
  const login = await run(join(programs, 'xtask'), ['login', 'idris'], { env: process.env });
  token = login.stdout.trim();
  await run(join(programs, 'ajet-chat'), ['whoami'], { env: environment() });
});

after(async () => {
  for (const follower of followers) follower.kill('SIGKILL');
  await w?.close();
  if (home) await rm(home, { recursive: true, force: true });
});

function environment() {
  return { PATH: process.env.PATH, HOME: home, AJET_SERVER: w.stack.url, AJET_TOKEN: token, LANG: 'C.UTF-8' };
}

/** Starts something that goes on, and keeps its lines. */
function follow(program, args, env = process.env) {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  followers.add(child);
  const lines = [];
  let complaints = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.on('data', (text) => (complaints += text));
  return {
    lines,
    /** Waits for a line, or tells what there was. */
    async line(what, fits) {
      await until(`${what} from ${program} (${complaints})`, () => lines.some(fits));
      return lines.find(fits);
    },
    async stop() {
      followers.delete(child);
      const closed = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      await closed;
    },
  };
}

story('curl with a bearer token sees what is written in the browser', async (t) => {
  if (!(await run('curl', ['--version']).catch(() => false))) return t.skip('there is no curl here');
  const bearer = `Authorization: Bearer ${await ada.token()}`;
  const curl = follow('curl', ['-sSN', '-H', bearer, `${w.stack.url}/ws/tui/events`]);
  await curl.line('ready', (line) => line === 'event: ready');
  await adas.send('Hello, curl');
  const data = await curl.line('the message', (line) => line.startsWith('data:') && line.includes('Hello, curl'));
  const event = JSON.parse(data.slice('data:'.length));
  assert.equal(event.type, 'message.created');
  assert.equal(event.channel_id, channel.id);
  assert.equal(event.data.body_md, 'Hello, curl');
  assert.equal(event.data.author.username, 'term-ada');
  const at = curl.lines.indexOf(data);
  const frame = curl.lines.slice(curl.lines.lastIndexOf('', at) + 1, curl.lines.indexOf('', at));
  assert.ok(frame.includes('event: message.created'), frame.join('\n'));
  assert.ok(frame.some((line) => /^id: \d+\.\d+$/.test(line)), frame.join('\n'));
  await curl.stop();
});

story('tail shows what the browser says, the browser shows what send says', async () => {
  await run(join(programs, 'ajet-chat'), ['channel', 'join', channel.name], { env: environment() });
  const tail = follow(join(programs, 'ajet-chat'), ['tail', channel.name], environment());
  // It follows when it shows what came after it began; what it may show before that is its own affair.
  await until('tail follows', async () => {
    await adas.send('Are you there?');
    await adas.row('Are you there?').last().waitFor();
    return tail.lines.some((line) => line.includes('Are you there?'));
  });
  await adas.send('Hello, tail');
  await tail.line('the message', (line) => line.includes('Hello, tail') && /ada/i.test(line));

  const sent = await run(join(programs, 'ajet-chat'), ['send', channel.name, 'Hello, **browser**', '--json'], {
    env: environment(),
  });
  const id = await adas.seen('Hello, browser');
  assert.equal(JSON.parse(sent.stdout).id, id);
  assert.match(await adas.row('Hello, browser').innerText(), /Idris Bekele/);
  await tail.line('what I sent myself', (line) => line.includes('browser'));
  await tail.stop();
});

story('the same key twice is one message', async () => {
  const key = crypto.randomUUID();
  for (let round = 0; round < 2; round += 1) {
    await run(join(programs, 'ajet-chat'), ['send', channel.name, 'Only once', '--id', key], { env: environment() });
  }
  await adas.send('after it');
  await adas.seen('after it');
  assert.equal(await adas.row('Only once').count(), 1);
});

story('read and react work on what is in the browser', async () => {
  await adas.send('React from the terminal');
  const id = await adas.seen('React from the terminal');
  const read = await run(join(programs, 'ajet-chat'), ['read', channel.name, '--json'], { env: environment() });
  assert.ok(JSON.parse(read.stdout).some((message) => message.id === id));
  await run(join(programs, 'ajet-chat'), ['react', id, '🎉'], { env: environment() });
  await ada.page.locator(`#reactions-${id} .react`).filter({ hasText: '🎉' }).waitFor();
});

story('without a token the terminal is told to sign in', async () => {
  const env = { ...environment(), AJET_TOKEN: '' };
  delete env.AJET_TOKEN;
  const failure = await run(join(programs, 'ajet-chat'), ['whoami'], { env }).then(
    () => undefined,
    (error) => error,
  );
  assert.equal(failure?.code, 4, failure?.stderr);
});
