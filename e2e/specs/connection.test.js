// The network between one browser and the server goes and comes back. Nothing is lost, doubled or out of order.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { launch } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { network } from '../lib/cut.js';
import { story } from '../lib/story.js';
import { until } from '../lib/wait.js';
import { world } from '../lib/world.js';

/** The page tries again after at most this long by itself, and some more on a busy machine. */
const BACK = 40_000;

let w;
let net;
let browser;
let ada;
let ben;
let channel;
let adas;
let bens;

before(async () => {
  w = await world('net');
  net = await network(w.stack);
  browser = await launch(net.flag);
  [ada, ben] = [await w.newcomer('ada', { browser }), await w.newcomer('ben')];
  channel = await w.channel('line', ada, ben);
  [adas, bens] = await Promise.all([Conversation.open(ada, w.path(channel)), Conversation.open(ben, w.path(channel))]);
  ada.expectProblems(/net::ERR_|network error|Failed to fetch/);
});

after(async () => {
  await browser?.close();
  await net?.close();
  await w?.close();
});

story('the browser really goes through the line', async () => {
  assert.ok(net.connections > 0);
  await bens.send('before the cut');
  await adas.seen('before the cut');
});

story('what was said while the line was down comes once and in order, and what I was writing stays', async () => {
  await adas.input.fill('half of my ans');
  await adas.input.press('End');
  net.cut();
  await ada.page.locator('#banner').filter({ hasText: /reconnecting/i }).waitFor();
  const api = await ben.api();
  const lines = Array.from({ length: 8 }, (_, index) => `down ${index}`);
  await api.sayAll(channel, lines);
  await adas.input.pressSequentially('wer');
  assert.equal((await adas.texts()).filter((text) => text.startsWith('down')).length, 0);

  net.restore();
  await adas.seenExactly('down', lines, BACK);
  assert.equal(await adas.input.inputValue(), 'half of my answer');
  await until('the banner is gone', async () => (await ada.page.locator('#banner').innerText()).trim() === '');
  await adas.input.press('Enter');
  await bens.seen('half of my answer');
  // Before the next story cuts the line, the stream has made a message of the row that waits.
  await until('nothing waits', async () => (await ada.page.locator('#messages > [id^="pending-"]').count()) === 0);
});

story('what I write while the line is down goes out once and in order', async () => {
  net.cut();
  const lines = ['queue 0', 'queue 1', 'queue 2'];
  for (const line of lines) await adas.send(line);
  await adas.seenExactly('queue', lines);
  await until('they are waiting', async () => (await ada.page.locator('#messages > [id^="pending-"]').count()) === 3);
  assert.equal((await bens.texts()).filter((text) => text.startsWith('queue')).length, 0);

  net.restore();
  await bens.seenExactly('queue', lines, BACK);
  await adas.seenExactly('queue', lines, BACK);
  await until('nothing waits', async () => (await ada.page.locator('#messages > [id^="pending-"]').count()) === 0, BACK);
  const { items } = await (await ben.api()).get(`channels/${channel.id}/messages?limit=20`);
  assert.deepEqual(items.map(({ body_md: text }) => text).filter((text) => text.startsWith('queue')), lines);
});

story('what I wrote while the line was down is not lost by a reload', async () => {
  net.cut();
  await adas.send('kept over a reload');
  await until('it waits', async () => (await ada.page.locator('#messages > [id^="pending-"]').count()) === 1);
  net.restore();
  await ada.page.reload();
  await adas.ready();
  await bens.seen('kept over a reload');
  await adas.seen('kept over a reload');
});

story('what I write is never touched: not by fifty messages, not by a new connection, not by a page drawn anew', async () => {
  let resyncs = 0;
  // A place that the server cannot know makes it draw everything anew.
  await ada.page.route('**/sse?*', async (route) => {
    const headers = await route.request().allHeaders();
    resyncs += 1;
    await route.continue({ headers: { ...headers, 'last-event-id': '9999.1' } }).catch(() => {});
  });
  await adas.input.fill('[]');
  await adas.input.press('Home');
  await adas.input.press('ArrowRight');
  const text = 'the quick brown fox jumps over the lazy dog and '.repeat(8);
  const api = await ben.api();
  const lines = Array.from({ length: 50 }, (_, index) => `storm ${index}`);
  const happening = (async () => {
    await api.sayAll(channel, lines.slice(0, 25));
    net.cut();
    net.restore();
    await until('it came back', () => resyncs > 0, BACK);
    await api.sayAll(channel, lines.slice(25));
  })();
  let typed = 0;
  const storm = { over: false };
  happening.finally(() => (storm.over = true)).catch(() => {});
  while (!storm.over || typed < 40) {
    await adas.input.press(text[typed % text.length], { noWaitAfter: true });
    typed += 1;
  }
  await happening;
  await adas.seenExactly('storm', lines, BACK);
  const written = Array.from({ length: typed }, (_, index) => text[index % text.length]).join('');
  assert.equal(await adas.input.inputValue(), `[${written}]`);
  assert.deepEqual(await adas.input.evaluate((box) => [box.selectionStart, box.selectionEnd, document.activeElement === box]), [typed + 1, typed + 1, true]);
  await ada.page.unroute('**/sse?*');
  await adas.input.fill('');
});

const waiting = (page = ada.page) => page.locator('#messages > [id^="pending-"]').count();
const saidSo = async (prefix) => {
  const { items } = await (await ben.api()).get(`channels/${channel.id}/messages?limit=50`);
  return items.map(({ body_md: text }) => text).filter((text) => text.startsWith(prefix));
};

story('a clock that goes back does not change the order of what waits', async () => {
  net.cut();
  await adas.send('hour 0');
  await ada.page.evaluate(() => {
    const now = Date.now.bind(Date);
    Date.now = () => now() - 3_600_000;
  });
  await adas.send('hour 1');
  await until('they wait', async () => (await waiting()) === 2);
  net.restore();
  await ada.page.reload();
  await adas.ready();
  await bens.seenExactly('hour', ['hour 0', 'hour 1'], BACK);
  assert.deepEqual(await saidSo('hour'), ['hour 0', 'hour 1']);
});

story('two tabs of one person send what waits once and in order', async () => {
  const taken = [];
  ada.context.on('response', async (response) => {
    // What was refused for a moment, while everything comes back, is sent again and was not taken.
    const isPost = response.request().method() === 'POST' && /\/messages$/.test(response.url());
    if (isPost && response.ok()) taken.push(response.request().postDataJSON().body_md);
  });
  const second = await ada.context.newPage();
  const other = await Conversation.open(ada, w.path(channel), second);
  net.cut();
  const lines = ['tabs 0', 'tabs 1', 'tabs 2'];
  await adas.send(lines[0]);
  await other.send(lines[1]);
  await adas.send(lines[2]);
  // Each may show what the other has in store.
  await until('they wait', async () => (await waiting()) >= 2 && (await waiting(second)) >= 1);
  net.restore();
  await Promise.all([adas, other, bens].map((one) => one.seenExactly('tabs', lines, BACK)));
  await until('nothing waits', async () => (await waiting()) === 0 && (await waiting(second)) === 0);
  assert.deepEqual(taken, lines);
  assert.deepEqual(await saidSo('tabs'), lines);
  await second.close();
});

story('what another tab could not send says so where it was written', async () => {
  const second = await ada.context.newPage();
  await second.goto(new URL('/activity', ada.home).href);
  await ada.live(second);
  ada.expectProblems(/status of 403/);
  await ada.page.route('**/messages', (route) => route.abort());
  await second.route('**/messages', (route) => route.fulfill({ status: 403, contentType: 'application/problem+json', body: JSON.stringify({ detail: 'You are muted here' }) }));
  await adas.send('refused in another tab');
  const row = adas.row('refused in another tab');
  await row.filter({ hasText: 'Waiting for the connection' }).waitFor();
  await second.evaluate(() => dispatchEvent(new Event('online')));
  await row.filter({ hasText: 'Not sent. You are muted here.' }).waitFor();
  await row.getByRole('button', { name: 'Delete' }).click();
  await row.waitFor({ state: 'detached' });
  await ada.page.unroute('**/messages');
  await second.close();
});

story('a tab that is closed in the middle of a send has not said it twice', async () => {
  const ids = [];
  await ada.context.route('**/messages', async (route) => {
    ids.push(route.request().postDataJSON().client_msg_id);
    // Taken, but nobody hears of it.
    if (ids.length === 1) await route.fetch();
    else await route.continue();
  });
  await adas.send('closed in the middle');
  await bens.seen('closed in the middle');
  await ada.page.close();
  ada.page = await ada.context.newPage();
  adas = await Conversation.open(ada, w.path(channel));
  await adas.seen('closed in the middle');
  await until('nothing waits', async () => (await waiting()) === 0);
  await until('it was sent again', () => ids.length === 2);
  assert.equal(ids[0], ids[1]);
  assert.deepEqual(await saidSo('closed'), ['closed in the middle']);
  await ada.context.unroute('**/messages');
});

story('an edit, a reaction and a deletion of meanwhile are there afterwards', async () => {
  const api = await ben.api();
  const [edited, deleted] = await api.sayAll(channel, ['will be edited', 'will be deleted']);
  await adas.seen('will be deleted');
  net.cut();
  await api.call('PATCH', `messages/${edited.id}`, { body_md: 'has been edited' });
  await api.call('PUT', `messages/${edited.id}/reactions/${encodeURIComponent('🎉')}`);
  await api.call('DELETE', `messages/${deleted.id}`);
  net.restore();
  const row = ada.page.locator(`#message-${edited.id}`);
  await row.filter({ hasText: 'has been edited' }).waitFor({ timeout: BACK });
  await row.locator('.react').filter({ hasText: '🎉' }).waitFor();
  await until('the deleted one is gone', async () => (await adas.row('will be deleted').count()) === 0);
});
