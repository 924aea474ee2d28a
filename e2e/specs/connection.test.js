// The network between one browser and the server goes and comes back. Nothing is lost, doubled or out of order.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { launch } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { network } from '../lib/cut.js';
import { story } from '../lib/story.js';
import { until } from '../lib/wait.js';
import { world } from '../lib/world.js';

/** The page tries again after at most this long, and some more on a busy machine. */
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
