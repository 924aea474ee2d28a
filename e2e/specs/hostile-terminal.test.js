// What a server says may not move the cursor, change colours, title or clipboard, or rub out what stands on the screen: every command
// that prints what a server said, at a terminal of its own, before a server that lies (A71).

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';

import { CONTROLS } from '../lib/corpus.js';
import { hostileServer } from '../lib/hostile-server.js';
import { atTerminal, commands } from '../lib/pty.js';
import { programs } from '../lib/settings.js';
import { story } from '../lib/story.js';
import { until } from '../lib/wait.js';
import { world } from '../lib/world.js';

const chat = join(programs, 'ajet-chat');

let w;
let home;
let liar;
let ada;
let channel;
let message;

before(async () => {
  w = await world('pty');
  home = await mkdtemp(join(tmpdir(), 'ajet-pty-'));
  ada = await w.newcomer('ada');
  channel = await w.channel('screen', ada);
  const api = await ada.api();
  for (const text of CONTROLS) await api.say(channel, `begin ${text} end`);
  message = await api.say(channel, 'the last word');
  for (const text of CONTROLS) await api.say(channel, `answer ${text} end`, { parent_id: message.id });
  liar = await hostileServer(w.stack, [channel.name, w.slug]);
});

after(async () => {
  await liar?.close();
  await w?.close();
  if (home) await rm(home, { recursive: true, force: true });
});

async function environment(more = {}) {
  return {
    PATH: process.env.PATH,
    HOME: home,
    AJET_SERVER: liar.url,
    AJET_TOKEN: await ada.token(),
    LANG: 'C.UTF-8',
    ...more,
  };
}

/** Every command that prints what a server said. */
const VERBS = () => [
  ['read', channel.name],
  ['read', channel.name, '--json'],
  ['read', channel.name, '-n', '3', '--format', '{author}: {text}'],
  ['channel', 'list'],
  ['channel', 'list', '--all'],
  ['channel', 'list', '--json'],
  ['channel', 'info', channel.name],
  ['channel', 'members', channel.name],
  ['community', 'list'],
  ['community', 'info'],
  ['community', 'members'],
  ['community', 'list', '--json'],
  ['whoami'],
  ['whoami', '--json'],
  ['status'],
  ['send', channel.name, 'from the terminal'],
  ['reply', message.id, 'from the terminal'],
  ['react', message.id, '🎉'],
  ['channel', 'topic', channel.name],
  ['api', 'GET', '/api/me'],
  ['api', 'GET', '/api/sync'],
  // Errors, which quote the server.
  ['api', 'GET', '/api/nothing'],
  ['read', 'no-such-channel'],
  ['send', channel.name, ' '],
  ['edit', '01990000-0000-7000-8000-000000000000', 'x'],
  ['delete', '01990000-0000-7000-8000-000000000000', '--yes'],
];

for (const [title, more, ours] of [
  ['without colours nothing but text reaches the terminal', { NO_COLOR: '1' }, () => false],
  // Colours and styles of our own, and nothing that blinks, which only the server would want.
  ['with colours nothing but colours does', {}, (escape) => /^\u001b\[(?!31;5m)[0-9;]*m$/.test(escape)],
]) {
  story(title, async () => {
    const env = await environment(more);
    const wrong = [];
    for (const words of VERBS()) {
      const { bytes } = await atTerminal(chat, [...words, '--no-pager', '--no-input'], env);
      assert.ok(bytes.length > 0, `${words.join(' ')} prints nothing`);
      for (const found of commands(bytes, ours)) wrong.push(`${words.join(' ')}: ${found}`);
    }
    assert.ok(liar.spoilt.count > 100, `${liar.spoilt.count} texts were spoilt`);
    assert.deepEqual(wrong, []);
  });
}

story('what is followed live is text, too', async () => {
  const env = await environment({ NO_COLOR: '1' });
  const said = (text) => text.includes('seen in the tail');
  const following = atTerminal(chat, ['tail', channel.name], env, { until: said, within: 30_000 });
  let over = false;
  following.finally(() => (over = true));
  const api = await ada.api();
  await until('tail shows what is said', async () => {
    for (const text of CONTROLS) await api.say(channel, `live ${text} end`);
    await api.say(channel, 'seen in the tail');
    return over;
  });
  const { bytes } = await following;
  assert.ok(said(bytes.toString('utf8')), bytes.toString('utf8'));
  assert.deepEqual(commands(bytes), []);
});

story('the terminal finds what a harmless server would not send', async () => {
  const echo = await atTerminal('printf', ['%b', String.raw`plain \033[31mred\033[0m \033]0;title\007 bell\007 over\rwritten`], {
    PATH: process.env.PATH,
  });
  const found = commands(echo.bytes);
  assert.ok(found.some((one) => one.includes('[31m')) && found.some((one) => one.includes(']0;title')), found.join('\n'));
  assert.ok(found.some((one) => one.startsWith('U+0007')) && found.some((one) => one.startsWith('U+000d')), found.join('\n'));
});
