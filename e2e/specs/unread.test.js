// What calls for attention: badges, title, icon, the divider; and what makes them go, in every browser.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Conversation } from '../lib/conversation.js';
import { story } from '../lib/story.js';
import { until, untilEqual } from '../lib/wait.js';
import { world } from '../lib/world.js';

let w;
let ada;
let ben;
let quiet;
let busy;

before(async () => {
  w = await world('unread');
  [ada, ben] = [await w.newcomer('ada'), await w.newcomer('ben')];
  [quiet, busy] = [await w.channel('quiet', ada, ben), await w.channel('busy', ada, ben)];
});

after(() => w?.close());

const icon = (page) => page.locator('link[rel~=icon]').first().evaluate((link) => link.href);

story('messages elsewhere are counted, a mention stands out in badge, title and icon', async () => {
  const bens = await Conversation.open(ben, w.path(quiet));
  const second = await ben.elsewhere(w.browser);
  const there = await Conversation.open(second, w.path(quiet));
  const calm = await icon(ben.page);
  const adas = await ada.api();

  await adas.say(busy, 'Something new');
  for (const conversation of [bens, there]) {
    const row = conversation.sidebar(busy);
    await row.locator('.n', { hasText: '1' }).waitFor();
    assert.ok(await row.evaluate((link) => link.classList.contains('unread')));
  }

  await adas.say(busy, 'Look at this, @unread-ben');
  for (const conversation of [bens, there]) {
    await conversation.sidebar(busy).locator('.count', { hasText: '1' }).waitFor();
    await until('the title counts', async () => /^\(\d+\) /.test(await conversation.page.title()));
    await until('the icon tells', async () => (await icon(conversation.page)) !== calm);
  }

  // Read in one browser, read in the other.
  await ben.page.bringToFront();
  await bens.sidebar(busy).click();
  await ben.page.waitForURL(`**${w.path(busy)}`);
  await new Conversation(ben).ready();
  await there.sidebar(busy).locator('.count, .n').first().waitFor({ state: 'detached' });
  await until('the title is calm', async () => !/^\(\d/.test(await second.page.title()));
  await untilEqual('the icon is calm', calm, () => icon(second.page));
  await second.context.close();
});

story('the mention of me is marked for me, and not for its author', async () => {
  const adas = await Conversation.open(ada, w.path(busy));
  const bens = await Conversation.open(ben, w.path(busy));
  const ground = (conversation) =>
    conversation.row('Look at this').evaluate((row) => getComputedStyle(row).backgroundColor);
  await bens.seen('Look at this');
  assert.notEqual(await ground(bens), await ground(adas));
});

story('what came while away is below a divider', async () => {
  const bens = await Conversation.open(ben, w.path(quiet));
  const api = await ada.api();
  await api.sayAll(busy, ['first unseen', 'second unseen']);
  await bens.sidebar(busy).locator('.n', { hasText: '2' }).waitFor();
  await bens.sidebar(busy).click();
  const divider = ben.page.locator('#unread-divider');
  await divider.waitFor();
  assert.match(await divider.innerText(), /2 new/i);
  const order = await ben.page.locator('#messages > li').evaluateAll((rows) =>
    rows.map((row) => (row.id === 'unread-divider' ? '--' : row.querySelector('.prose')?.innerText)).filter(Boolean),
  );
  assert.deepEqual(order.slice(-3), ['--', 'first unseen', 'second unseen']);
});
