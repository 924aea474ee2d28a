// The full-screen interface, in a terminal, beside people who write through the API.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Api, signIn } from '../lib/api.js';
import { CONTROLS } from '../lib/corpus.js';
import { network } from '../lib/cut.js';
import { hostileServer } from '../lib/hostile-server.js';
import { commands } from '../lib/pty.js';
import { surroundingStack } from '../lib/settings.js';
import { Screen } from '../lib/tmux.js';
import { until, untilEqual } from '../lib/wait.js';

let stack;
let owner;
let ada;
let bob;

/** Somebody who has just joined. */
async function newcomer(name) {
  const { code } = await owner.invite();
  const { token } = await signIn(stack, `tui-${name}`, code);
  return new Api(stack, token);
}

before(async () => {
  stack = surroundingStack();
  owner = new Api(stack, (await signIn(stack, 'ola')).token);
  [ada, bob] = [await newcomer('ada'), await newcomer('bob')];
});

/** A test with a channel of its own that both are in; its terminals are closed behind it. */
function story(name, tell) {
  test(name, { timeout: 120_000 }, async (t) => {
    let failed;
    const home = await mkdtemp(join(tmpdir(), 'ajet-tui-'));
    try {
      const channel = await owner.createChannel(`tui-${crypto.randomUUID().slice(0, 8)}`);
      for (const person of [ada, bob]) await person.post(`channels/${channel.id}/join`);
      await tell(t, channel, home);
    } catch (error) {
      failed = name;
      throw error;
    } finally {
      await Screen.closeAll(failed);
      await rm(home, { recursive: true, force: true });
    }
  });
}

/** The interface of somebody, in a channel. */
async function open(person, channel, { url = stack.url, env = {}, ...options } = {}) {
  const screen = await Screen.open({
    args: channel ? ['tui', channel.name] : [],
    env: { AJET_SERVER: url, AJET_TOKEN: person.token, ...env },
    ...options,
  });
  if (channel) await screen.ready(channel.name);
  return screen;
}

/** To message mode. An Escape that is not waited for would make another key of the one that follows, as at any terminal. */
async function messages(screen) {
  await screen.press('Escape');
  await screen.shows('message mode', ' MSG ');
}

const bodies = async (channel) => (await bob.get(`channels/${channel.id}/messages`)).items.map((message) => message.body_md);

for (const [columns, rows] of [
  [80, 24],
  [120, 40],
]) {
  story(`the demo at ${columns} by ${rows}`, async () => {
    const mara = new Api(stack, (await signIn(stack, 'mara')).token);
    // Without arguments, as people start it.
    const screen = await open(mara, undefined, { columns, rows });
    const text = await screen.shows('the demo', (seen) => /# general/.test(seen) && /Message [#⊡@]?\S/.test(seen) && seen.includes('●'));
    for (const part of ['▾ CHANNELS', '# release-room', ' INS ', 'help']) assert.ok(text.includes(part), `${part} in\n${text}`);
    const lines = text.split('\n');
    assert.ok(lines.slice(0, rows).every((line) => [...line].length <= columns), text);
    await screen.picture(`tui-${columns}x${rows}`);
    await screen.press('C-k');
    await screen.type('general');
    await screen.shows('general in the palette', /▌ # general/);
    await screen.press('Enter');
    await screen.ready('general');
    await screen.picture(`tui-${columns}x${rows}-general`);
  });
}

story('what I send is in the channel once, what others send appears, ↑ edits', async (_, channel) => {
  const screen = await open(ada, channel);
  await screen.send('Hello **from** the terminal');
  await until('it is there', async () => (await bodies(channel)).includes('Hello **from** the terminal'));
  await screen.shows('my message, drawn', 'Hello from the terminal');
  await bob.say(channel, 'Welcome, terminal 日本語');
  await screen.shows('the answer', 'Welcome, terminal 日本語');
  await screen.press('Up');
  await screen.shows('my text in the box', /[›✎] Hello \*\*from\*\* the terminal/);
  await screen.send(', edited');
  await screen.shows('the edited message', /Hello from the terminal, edited/);
  await until('the edited one is there', async () => (await bodies(channel)).includes('Hello **from** the terminal, edited'));
  assert.equal((await bodies(channel)).filter((body) => body.startsWith('Hello')).length, 1);
});

story('a thread, a reaction and a command from the keyboard', async (_, channel) => {
  const screen = await open(ada, channel);
  const asked = await bob.say(channel, 'Who takes the minutes?');
  await screen.shows('the question', 'Who takes the minutes?');
  await messages(screen);
  await screen.press('+');
  await screen.shows('the reactions', '1 👍');
  await screen.press('1');
  await screen.shows('mine', '[👍 1]');
  await screen.press('r');
  await screen.shows('the thread', 'Thread');
  await screen.send('I do');
  await until('the answer', async () => (await bob.get(`messages/${asked.id}/replies`)).items.some((reply) => reply.body_md === 'I do'));
  await screen.press('Escape');
  await screen.shows('message mode of the thread', ' MSG ');
  await screen.press('Escape');
  await screen.shows('the summary under the question', '╰ 1 reply');
  await screen.press('i');
  await screen.send('/topic Minutes of today');
  await until('the topic', async () => (await bob.get(`channels/${channel.id}`)).topic === 'Minutes of today');
  await screen.shows('the topic over the messages', /# tui-.*Minutes of today/);
  await screen.send('/nonsense here');
  await screen.shows('what is wrong', '✗');
  await screen.shows('the text, to be mended', '/nonsense here');
  assert.ok(!(await bodies(channel)).some((body) => body.includes('nonsense')));
});

story('unread, mentions and activity', async (_, channel) => {
  const other = await owner.createChannel(`${channel.name}-b`);
  await ada.post(`channels/${other.id}/join`);
  await bob.post(`channels/${other.id}/join`);
  const screen = await open(ada, channel);
  await bob.say(other, 'Look here, @tui-ada');
  await screen.shows('the mention in the list', /@1/);
  await screen.press('M-n');
  await screen.ready(other.name);
  await screen.shows('what was new', 'Look here, @tui-ada');
  await until('it is read', async () => (await ada.get(`channels/${other.id}`)).unread === 0);
  await screen.press('C-n');
  await screen.shows('the activity', /mentioned you in/);
  await screen.press('Enter');
  await screen.shows('the message', (text) => text.includes(' MSG ') && text.includes('Look here'));
});

story('the network goes and comes back: nothing is lost, nothing twice, what was written waits', async (_, channel, home) => {
  const wire = await network(stack);
  try {
    const screen = await open(ada, channel, { url: wire.url, home });
    await bob.say(channel, 'before');
    await screen.shows('what came before', 'before');
    wire.cut();
    await screen.shows('the row that says so', /▲ Reconnecting|Reconnecting/);
    await screen.send('written without a network');
    await screen.shows('it waits', 'waiting');
    for (const text of ['missed one', 'missed two', 'missed three']) await bob.say(channel, text);
    wire.restore();
    await screen.press('C-r');
    const back = await screen.shows('everything', (text) =>
      ['missed one', 'missed two', 'missed three', 'written without a network'].every((part) => text.includes(part)) &&
      !text.includes('waiting') && text.includes('●'), 45_000);
    for (const part of ['missed one', 'missed two', 'missed three', 'written without a network']) {
      assert.equal(back.split(part).length, 2, `${part} once in\n${back}`);
    }
    const all = ['before', 'missed one', 'missed two', 'missed three', 'written without a network'];
    await untilEqual('all of it on the server', all, () => bodies(channel));
  } finally {
    await wire.close();
  }
});

story('what was not sent, and what was only begun, survive a crash', async (_, channel, home) => {
  const wire = await network(stack);
  try {
    const screen = await open(ada, channel, { url: wire.url, home });
    wire.cut();
    await screen.shows('the row that says so', /Reconnecting/);
    await screen.send('kept through a crash');
    await screen.shows('it waits', 'waiting');
    await screen.type('only begun');
    // Drafts rest for a second before they are kept.
    const draft = join(home, '.local/state/ajet-chat');
    await until('the draft is kept', async () => (await grep(draft, 'only begun')));
    process.kill(await screen.pid(), 'SIGKILL');
    await screen.shows('its end', 'ended 137');
    await screen.close();
    wire.restore();
    const again = await open(ada, channel, { url: wire.url, home });
    await again.shows('what was begun', '› only begun');
    await until('what was kept is sent', async () => (await bodies(channel)).includes('kept through a crash'));
    assert.equal((await bodies(channel)).length, 1);
    await until('and forgotten', async () => !(await grep(draft, 'kept through a crash')));
  } finally {
    await wire.close();
  }
});

/** Whether a text is in a file of a folder. */
async function grep(folder, text) {
  const { execFile } = await import('node:child_process');
  return new Promise((resolve) => execFile('grep', ['-rqF', text, folder], (error) => resolve(!error)));
}

for (const [name, end] of [
  ['SIGTERM', async (screen) => process.kill(await screen.pid(), 'SIGTERM')],
  ['SIGHUP', async (screen) => process.kill(await screen.pid(), 'SIGHUP')],
  ['Ctrl-Q', async (screen) => screen.press('C-q')],
]) {
  story(`${name} gives the terminal back`, async (_, channel) => {
    const screen = await open(ada, channel);
    assert.equal(await screen.asks('alternate_on'), '1');
    assert.match(await screen.asks('pane_title'), new RegExp(`#${channel.name} · ajet-chat`));
    await end(screen);
    await screen.shows('the shell', 'ended 0');
    assert.equal(await screen.asks('alternate_on'), '0');
    assert.equal(await screen.asks('mouse_any_flag'), '0');
    assert.equal(await screen.asks('cursor_flag'), '1');
    // Keys come line by line again, and are shown.
    await screen.type('clear; stty -a');
    await screen.press('Enter');
    await screen.shows('a sane terminal', (text) => ['icanon', 'echo', 'isig'].every((flag) => new RegExp(`(^| )${flag}( |$)`, 'm').test(text)));
    assert.ok((await screen.raw()).includes('\u001b[?2004l'), 'bracketed paste is off again');
  });
}

story('it stops and goes on', async (_, channel) => {
  const screen = await open(ada, channel);
  const pid = await screen.pid();
  process.kill(pid, 'SIGTSTP');
  await until('the screen is given back', async () => (await screen.asks('alternate_on')) === '0');
  await bob.say(channel, 'while it slept');
  process.kill(pid, 'SIGCONT');
  await screen.shows('what came meanwhile', 'while it slept');
  assert.equal(await screen.asks('alternate_on'), '1');
});

story('an editor of my own, and the whole screen again', async (_, channel, home) => {
  const editor = join(home, 'editor');
  await writeFile(editor, '#!/bin/sh\nprintf "%s, in the editor\\nand a second line\\n" "$(cat "$1")" > "$1"\n', { mode: 0o755 });
  const screen = await open(ada, channel, { env: { EDITOR: editor } });
  await screen.type('Begun here');
  await screen.shows('what was begun', '› Begun here');
  await screen.press('C-o');
  await screen.shows('what the editor made of it', 'Begun here, in the editor');
  await screen.press('Enter');
  await until('it is sent', async () => (await bodies(channel)).includes('Begun here, in the editor\nand a second line'));
  // Whatever another program has written over it is gone after Ctrl-L.
  await screen.press('C-l');
  await bob.say(channel, 'still here');
  await screen.shows('what came after it', 'still here');
});

story('an editor that is stopped stops the interface with it', async (_, channel, home) => {
  const [editor, go] = [join(home, 'editor'), join(home, 'go')];
  await writeFile(editor, `#!/bin/sh\nwhile [ ! -e '${go}' ]; do sleep 0.1; done\necho written > "$1"\n`, { mode: 0o755 });
  const screen = await open(ada, channel, { env: { EDITOR: editor } });
  await screen.press('C-o');
  await until('the editor has the terminal', async () => (await screen.asks('alternate_on')) === '0');
  const pid = await screen.pid();
  // What Ctrl-Z in the editor sends to all of its group: a shell takes the terminal once everybody there is stopped.
  process.kill(pid, 'SIGTSTP');
  const state = async () => (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1][0];
  await until('it is stopped', async () => (await state()) === 'T');
  process.kill(pid, 'SIGCONT');
  await writeFile(go, '');
  await screen.shows('what the editor wrote', '› written');
});

story('any size, also one that is too small', async (_, channel) => {
  await bob.say(channel, 'A line that has to be broken when there is less room for it than it needs, as there is now');
  const screen = await open(ada, channel);
  await screen.resize(39, 9);
  await screen.shows('that it is too small', /too small/);
  await bob.say(channel, 'still received');
  for (const [columns, rows] of [[40, 10], [63, 20], [120, 40], [200, 60], [80, 24]]) {
    await screen.resize(columns, rows);
    await screen.shows(`the channel at ${columns} by ${rows}`, 'still received');
  }
});

story('without colour', async (_, channel) => {
  await bob.say(channel, '**Bold**, `code` and @tui-ada');
  const screen = await open(ada, channel, { env: { NO_COLOR: '1' } });
  await screen.shows('the message', 'Bold');
  await messages(screen);
  const raw = (await screen.raw()).toString('utf8');
  // eslint-disable-next-line no-control-regex
  const colours = raw.match(/\u001b\[(?:[0-9;]*;)?(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|[34]8;[25])(?:;[0-9;]*)?m/g) ?? [];
  assert.deepEqual(colours, []);
  const coloured = await open(ada, channel);
  await coloured.shows('the message', 'Bold');
  // eslint-disable-next-line no-control-regex
  assert.match(await coloured.colours(), /\u001b\[[0-9;]*(?:3[0-7]|38;)/, 'there are colours otherwise');
});

story('nothing a server says is obeyed by the terminal', async (_, channel) => {
  const liar = await hostileServer(stack, [channel.name]);
  try {
    for (const text of CONTROLS) await bob.say(channel, `begin ${text} end`);
    const parent = await bob.say(channel, 'the parent of hostile answers');
    for (const text of CONTROLS) await bob.say(channel, `answer ${text} end`, { parent_id: parent.id });
    await bob.say(channel, '@tui-ada \u001b]0;pwned\u0007');
    const screen = await open(ada, channel, { url: liar.url, columns: 120, rows: 40 });
    await screen.shows('the messages', 'begin ');
    await messages(screen);
    await screen.press('G', 'i');
    await screen.shows('the newest ones', 'the parent of hostile answers');
    await bob.say(channel, 'live \u001b[2J\u001b[31mred\u0007');
    await screen.shows('a live one', 'live ');
    // Through everything that shows texts: completion, palette, activity, help, a thread.
    await screen.type('@');
    await screen.press('C-c');
    await screen.press('C-k');
    await screen.shows('the palette', 'GO TO');
    await screen.press('Escape');
    await screen.press('C-n');
    await screen.shows('the activity', /Activity.*marks all read/);
    await screen.press('Escape');
    await screen.shows('the activity closed', (text) => !/marks all read/.test(text));
    await screen.press('i');
    await screen.send('/nonsense');
    await screen.shows('an answer', '✗');
    await screen.press('C-c');
    await messages(screen);
    await screen.press('k', 'C-t');
    await screen.shows('a thread', /Thread/);
    const title = await screen.asks('pane_title');
    assert.match(title, new RegExp(`#${channel.name} · ajet-chat$`));
    await screen.press('C-q');
    await screen.shows('its end', 'ended 0');
    assert.ok(liar.spoilt.count > 50, `it has lied ${liar.spoilt.count} times`);
    // eslint-disable-next-line no-control-regex
    const ours = /^\u001b(?:\[[0-9;?<>=]*[A-HJKhlmtuX]|\[[0-9]* q|\]0;[^\u0000-\u001f]*\u0007)$/;
    const raw = (await screen.raw()).toString('utf8');
    // The keyboard protocol, on and off, is of a form of its own.
    // eslint-disable-next-line no-control-regex
    const text = raw.slice(0, raw.indexOf('\u001b[?1049l')).replaceAll(/\u001b\[[<>]\d*u/g, '');
    assert.deepEqual(commands(Buffer.from(text), (escape) => ours.test(escape)), []);
    for (const control of ['\u001b[31;5m', '\u001b[2J\u001b[H', '\u001b]8;;https://evil', '\u001b]52;', '\u001bP', '\u001b]0;pwned']) {
      assert.ok(!text.includes(control), JSON.stringify(control));
    }
  } finally {
    await liar.close();
  }
});

for (const [what, sign] of [
  ['without a sign-in', {}],
  ['with one that is over', { AJET_TOKEN: 'ajs_nothing_of_yours' }],
]) {
  story(`${what} it says how to get one, in the shell`, async (_, channel) => {
    const screen = await Screen.open({ args: ['tui', channel.name], env: { AJET_SERVER: stack.url, ...sign } });
    const text = await screen.shows('its end', 'ended 4');
    assert.match(text, /not signed in/);
    assert.match(text, /ajet-chat login --server/);
    assert.equal(await screen.asks('alternate_on'), '0');
  });
}

after(async () => {
  await Screen.closeAll();
});
