// Threads: opened and answered without leaving the page, live on both sides, by keyboard and on a phone.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { PHONE } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { inspect } from '../lib/looks.js';
import { story } from '../lib/story.js';
import { until, untilEqual } from '../lib/wait.js';
import { world } from '../lib/world.js';

let w;
let ada;
let ben;
let room;
let adas;
let bens;

before(async () => {
  w = await world('threads');
  [ada, ben] = [await w.newcomer('ada'), await w.newcomer('ben')];
  room = await w.channel('room', ada, ben);
  [adas, bens] = await Promise.all([Conversation.open(ada, w.path(room)), Conversation.open(ben, w.path(room))]);
});

after(() => w?.close());

const focused = (page) => page.evaluate(() => document.activeElement?.id);
const replies = (page) => page.locator('#thread-messages > .msg[id^="message-"] .prose').allInnerTexts();

/** A mark on the document that a page load would take away. */
const marked = (page) => page.evaluate(() => (window.marked = true));
const isMarked = (page) => page.evaluate(() => window.marked === true);

story('r opens the thread beside the page, Esc closes it, and the focus comes back', async () => {
  await adas.send('The root of it');
  const root = await adas.seen('The root of it');
  await bens.seen('The root of it');
  for (const key of ['r', 't', 'Enter']) {
    await marked(ada.page);
    await ada.page.locator(`#message-${root}`).focus();
    await ada.page.keyboard.press(key);
    await ada.page.waitForURL(`**${w.path(room)}?thread=${root}`);
    await untilEqual('one can write at once', 'thread-input', () => focused(ada.page));
    assert.ok(await isMarked(ada.page), 'the page was not loaded');
    await ada.page.keyboard.press('Escape');
    await ada.page.locator('#pane').waitFor({ state: 'detached' });
    await untilEqual('back at the message', `message-${root}`, () => focused(ada.page));
    assert.ok(ada.page.url().endsWith(w.path(room)));
  }
});

story('replies come live on both sides, and the root says how many', async () => {
  const root = await adas.seen('The root of it');
  for (const conversation of [adas, bens]) {
    await (await conversation.tool('The root of it', 'Reply in thread')).click();
    await conversation.page.locator('#thread-input').waitFor();
  }
  await ben.page.locator('#thread-input').fill('First');
  await ben.page.locator('#thread-input').press('Enter');
  await ada.page.locator('#thread-input').fill('Second');
  await ada.page.locator('#thread-input').press('Enter');
  for (const { page } of [ada, ben]) {
    await until('both', async () => (await replies(page)).length === 2);
    await page.locator(`#thread-summary-${root}`).filter({ hasText: '2 replies' }).waitFor();
    await page.locator(`#thread-count-${root}`).filter({ hasText: '2 replies' }).waitFor();
  }
  assert.deepEqual((await replies(ada.page)).toSorted(), ['First', 'Second']);
  assert.equal(await adas.row('First').count(), 0, 'a reply is not in the channel');
  await ada.page.locator('#announcer').filter({ hasText: 'Threads-ben: First' }).waitFor({ state: 'attached' });
});

story('the time of the last reply stays in my time zone', async () => {
  const eve = await w.newcomer('eve', { context: { timezoneId: 'Pacific/Auckland' } });
  const [evesApi, api] = [await eve.api(), await ben.api()];
  await evesApi.post(`channels/${room.id}/join`);
  const { id: root } = await evesApi.say(room, 'A root for clocks');
  await Conversation.open(eve, w.path(room));
  const summary = eve.page.locator(`#thread-summary-${root}`);
  for (const label of ['1 reply', '2 replies']) {
    await api.say(room, label, { parent_id: root });
    await summary.filter({ hasText: label }).waitFor();
    const last = summary.locator('time');
    const mine = await last.evaluate((time) => new Date(time.dateTime).toTimeString().slice(0, 5));
    await untilEqual(`the time after ${label}`, mine, () => last.innerText());
  }
  await eve.context.close();
});

story('edits, deletions and reactions reach the pane', async () => {
  const page = ben.page;
  const reply = page.locator('#thread-messages > .msg').filter({ hasText: 'First' });
  const id = (await reply.getAttribute('id')).slice('message-'.length);
  await reply.hover();
  await reply.getByRole('button', { name: 'Edit' }).click();
  await page.locator(`#message-${id} textarea`).fill('First, mended');
  await page.locator(`#message-${id} textarea`).press('Enter');
  await ada.page.locator(`#message-${id}`).filter({ hasText: 'First, mended' }).waitFor();
  const root = await adas.seen('The root of it');
  const inPane = page.locator(`#root-message-${root}`);
  await inPane.hover();
  await inPane.getByRole('button', { name: /^React with/ }).click();
  for (const one of [`#reactions-${root}`, `#root-reactions-${root}`]) {
    await ada.page.locator(`${one} .react`).filter({ hasText: '✅' }).waitFor();
    await page.locator(`${one} .react[aria-pressed=true]`).waitFor();
  }
});

story('the box of a thread offers the same, and keeps its draft', async () => {
  const box = ada.page.locator('#thread-input');
  await box.fill('');
  await box.pressSequentially('look @threads-b');
  await ada.page.locator('#thread-composer #autocomplete [role=option]').filter({ hasText: '@threads-ben' }).waitFor();
  await ada.page.keyboard.press('Tab');
  assert.equal(await box.inputValue(), 'look @threads-ben ');
  await ada.page.locator('#pane-close').click();
  await ada.page.locator('#pane').waitFor({ state: 'detached' });
  await ada.page.locator('.thread-link').first().click();
  await untilEqual('the draft', 'look @threads-ben ', () => ada.page.locator('#thread-input').inputValue());
  await ada.page.locator('#thread-input').fill('');
});

story('back and forward follow, and a loaded page shows the same', async () => {
  const root = await adas.seen('The root of it');
  await Conversation.open(ada, w.path(room));
  await marked(ada.page);
  await ada.page.locator(`#thread-summary-${root}`).click();
  await ada.page.locator('#pane').waitFor();
  await ada.page.goBack();
  await ada.page.locator('#pane').waitFor({ state: 'detached' });
  await ada.page.goForward();
  await ada.page.locator('#thread-messages .msg').first().waitFor();
  assert.ok(await isMarked(ada.page), 'the page was not loaded');
  const before = await replies(ada.page);
  await ada.page.reload();
  await adas.ready();
  assert.deepEqual(await replies(ada.page), before);
  await ada.page.locator('#thread-input').fill('after a load');
  await ada.page.locator('#thread-input').press('Enter');
  await until('live as before', async () => (await replies(ben.page)).includes('after a load'));
});

story('nothing is lost or doubled that comes while a thread is being opened', async () => {
  await adas.send('A busy thread');
  const root = await adas.seen('A busy thread');
  await bens.seen('A busy thread');
  const api = await ben.api();
  await ada.page.locator('#pane-close').click();
  // The answer waits until more has come by the stream.
  let answer;
  const arrived = new Promise((resolve) => (answer = resolve));
  await ada.page.route('**/pane?thread=*', async (route) => {
    const response = await route.fetch();
    answer();
    await until('the stream was quicker', () => done);
    await route.fulfill({ response });
  });
  let done = false;
  await ada.page.locator(`#message-${root}`).focus();
  await ada.page.keyboard.press('r');
  await arrived;
  for (const text of ['one', 'two', 'three']) await api.say(room, text, { parent_id: root });
  await ada.page.locator(`#thread-summary-${root}`).filter({ hasText: '3 replies' }).waitFor();
  done = true;
  await untilEqual('all, once, in order', ['one', 'two', 'three'], () => replies(ada.page));
  await api.say(room, 'four', { parent_id: root });
  await untilEqual('and on', ['one', 'two', 'three', 'four'], () => replies(ada.page));
  await ada.page.unroute('**/pane?thread=*');
});

story('a long thread brings its beginning as one scrolls up', async () => {
  const api = await ben.api();
  const root = await api.say(room, 'A very long thread');
  const texts = Array.from({ length: 130 }, (_, index) => `reply ${String(index).padStart(3, '0')}`);
  for (const text of texts) await api.say(room, text, { parent_id: root.id });
  await Conversation.open(ada, `${w.path(room)}?thread=${root.id}`);
  assert.equal((await replies(ada.page)).length, 100, 'the newest come first');
  await until('all of it, in order', async () => {
    await ada.page.locator('#thread-scroll').evaluate((scroll) => scroll.scrollTo(0, -scroll.scrollHeight));
    return JSON.stringify(await replies(ada.page)) === JSON.stringify(texts);
  });
  assert.equal(await ada.page.locator('#thread-earlier').count(), 0);
  const spoken = ada.page.locator('#announcer');
  assert.equal(await spoken.filter({ hasText: 'reply' }).count(), 0, 'what was said long ago is not read aloud');
  await api.say(room, 'at last', { parent_id: root.id });
  await spoken.filter({ hasText: 'Threads-ben: at last' }).waitFor({ state: 'attached' });
});

story('a call in a thread is on the row of its channel until the thread was seen', async () => {
  const api = await ben.api();
  const aside = await w.channel('aside', ada);
  const root = await api.say(room, 'A root for a call');
  await Conversation.open(ada, w.path(aside));
  const row = ada.page.locator(`#channel-${room.id}`);
  await api.say(room, 'are you there, @threads-ada?', { parent_id: root.id });
  await row.locator('.count').waitFor();
  await Conversation.open(ada, `${w.path(room)}?thread=${root.id}`);
  await row.locator('.count').waitFor({ state: 'detached' });
  const { mentions } = await (await ada.api()).get(`channels/${room.id}`);
  assert.equal(mentions, 0, 'the server counts none either');
});

story('a link to a reply opens its thread and points at it', async () => {
  const root = await adas.seen('The root of it');
  const [reply] = (await (await ada.api()).get(`messages/${root}/replies`)).items;
  await ada.goto(`/m/${reply.id}`);
  await ada.page.waitForURL(`**?thread=${root}#message-${reply.id}`);
  assert.ok(await ada.page.locator(`#message-${reply.id}`).evaluate((row) => row.matches('#pane :target')));
});

story('members open beside the page as well', async () => {
  await Conversation.open(ada, w.path(room));
  await marked(ada.page);
  const toggle = ada.page.locator('#members-toggle');
  await toggle.click();
  await ada.page.locator('#pane').filter({ hasText: 'Members' }).waitFor();
  assert.equal(await toggle.getAttribute('aria-expanded'), 'true');
  await toggle.click();
  await ada.page.locator('#pane').waitFor({ state: 'detached' });
  assert.equal(await toggle.getAttribute('aria-expanded'), 'false');
  assert.ok(await isMarked(ada.page));
});

story('on a phone a thread takes the screen and gives it back', async () => {
  const phone = await ben.elsewhere(w.browser, { hasTouch: true, isMobile: true, viewport: PHONE });
  await Conversation.open(phone, w.path(room));
  await phone.page.locator('.thread-link').first().tap();
  await phone.page.locator('#thread-messages').waitFor();
  assert.ok(!(await phone.page.locator('#message-scroll').isVisible()), 'one view at a time');
  await phone.page.locator('#pane .back').tap();
  await phone.page.locator('#message-scroll').waitFor();
  await phone.context.close();
});

story('a thread looks as it is drawn', async () => {
  const root = await adas.seen('The root of it');
  await Conversation.open(ada, w.path(room));
  await ada.page.locator(`#thread-summary-${root}`).click();
  await ada.page.locator('#thread-messages .msg').first().waitFor();
  await inspect(ada.page, 'thread-live', { shown: '#pane' });
});
