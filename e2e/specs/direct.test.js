// People: the card beside a name, direct messages of two and of more, live in the list of both.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Conversation } from '../lib/conversation.js';
import { accessible, inspect, noSidewaysScroll, picture } from '../lib/looks.js';
import { PHONE, WIDE } from '../lib/browser.js';
import { story } from '../lib/story.js';
import { until, untilEqual } from '../lib/wait.js';
import { world } from '../lib/world.js';

let w;
let ada;
let ben;
let eve;
let room;
let adas;
let bens;

before(async () => {
  w = await world('direct');
  [ada, ben, eve] = [await w.newcomer('ada'), await w.newcomer('ben'), await w.newcomer('eve')];
  room = await w.channel('room', ada, ben);
  [adas, bens] = await Promise.all([Conversation.open(ada, w.path(room)), Conversation.open(ben, w.path(room))]);
});

after(() => w?.close());

const card = (page) => page.locator('#profile-card');
const entry = (page, name) => page.locator('#dm-list .nav-item').filter({ hasText: name });

story('a name opens a card, by pointer and by keyboard, and Esc gives the focus back', async () => {
  await bens.send('Who am I, @direct-ada?');
  const id = await adas.seen('Who am I');
  const { page } = ada;
  const author = page.locator(`#message-${id} .msg-author`);
  await author.click();
  await card(page).filter({ hasText: '@direct-ben' }).filter({ hasText: 'Online' }).waitFor();
  assert.match(await card(page).innerText(), /Member since/);
  await page.keyboard.press('Escape');
  await card(page).waitFor({ state: 'detached' });
  await author.focus();
  await page.keyboard.press('Enter');
  await card(page).waitFor();
  await until('the focus is in it', () => page.evaluate(() => document.activeElement.closest('#profile-card') !== null));
  await page.keyboard.press('Escape');
  await page.locator(`#message-${id} > .avatar`).click();
  await card(page).filter({ hasText: '@direct-ben' }).waitFor();
  await page.keyboard.press('Escape');
  // My own card has nobody to write to.
  await page.locator(`#message-${id} .mention`).click();
  await card(page).filter({ hasText: '@direct-ada, you' }).waitFor();
  await until('the focus is on it all the same', () => page.evaluate(() => document.activeElement.id === 'profile-card'));
  assert.equal(await card(page).getByRole('button', { name: 'Message' }).count(), 0);
  await page.keyboard.press('Escape');
  await page.locator('#members-toggle').click();
  await page.locator('#pane .who').filter({ hasText: 'Direct-ben' }).click();
  await card(page).filter({ hasText: '@direct-ben' }).waitFor();
  await card(page).getByRole('button', { name: 'Mention' }).click();
  assert.equal(await adas.input.inputValue(), '@direct-ben ');
  await adas.input.fill('');
});

story('Message opens a conversation that shows up at the other side, unread', async () => {
  const { page } = ada;
  await page.locator('.msg-author').filter({ hasText: 'Direct-ben' }).first().click();
  await card(page).getByRole('button', { name: 'Message' }).click();
  await page.waitForURL('**/dm/**');
  await adas.ready();
  await entry(ben.page, 'Direct-ada').waitFor();
  await entry(ben.page, 'Direct-ada').locator('.presence.on').waitFor();
  await adas.send('Just between us');
  await entry(ben.page, 'Direct-ada').locator('.count', { hasText: '1' }).waitFor();
  await until('the title tells', async () => /^\(\d+\) /.test(await ben.page.title()));
  await entry(ben.page, 'Direct-ada').click();
  await ben.page.waitForURL('**/dm/**');
  await bens.ready();
  await bens.seen('Just between us');
  await bens.send('Nobody else');
  await adas.seen('Nobody else');
  await entry(ben.page, 'Direct-ada').locator('.count').waitFor({ state: 'detached' });
  // The same people, the same conversation.
  const address = page.url();
  await Conversation.open(ada, w.path(room));
  await page.locator('.msg-author').filter({ hasText: 'Direct-ben' }).first().click();
  await card(page).getByRole('button', { name: 'Message' }).click();
  await page.waitForURL('**/dm/**');
  assert.equal(page.url(), address);
});

story('/msg writes to somebody from anywhere', async () => {
  await Conversation.open(ada, w.path(room));
  await adas.send('/msg @direct-eve psst');
  await entry(ada.page, 'Direct-eve').waitFor();
  const eves = await Conversation.open(eve, w.path({ name: 'general' }));
  await entry(eve.page, 'Direct-ada').locator('.count', { hasText: '1' }).waitFor();
  await entry(eve.page, 'Direct-ada').click();
  await eve.page.waitForURL('**/dm/**');
  await eves.ready();
  await eves.seen('psst');
});

story('+ finds people as one types, and several make a group', async () => {
  const { page } = ada;
  await Conversation.open(ada, w.path(room));
  await page.getByRole('link', { name: 'New message' }).click();
  await page.waitForURL('**/new-message');
  await page.locator('#people li').first().waitFor();
  await inspect(page, 'new-message');
  const shown = () => page.locator('#people li:visible b').allInnerTexts();
  await page.locator('#find-people').fill('nobody at all');
  await page.locator('#nobody').waitFor();
  await page.getByRole('button', { name: 'Start conversation' }).click();
  await page.locator('#form-error').filter({ hasText: 'Choose somebody' }).waitFor();
  await page.locator('#find-people').fill('direct-b');
  await untilEqual('only Ben', ['Direct-ben'], shown);
  await page.locator('#find-people').press('Enter');
  assert.equal(await page.locator('#find-people').inputValue(), '');
  await page.locator('#find-people').pressSequentially('direct-e');
  await untilEqual('Eve, and Ben who is chosen', ['Direct-ben', 'Direct-eve'], shown);
  await page.getByRole('checkbox', { name: /Direct-eve/ }).check();
  await page.getByRole('button', { name: 'Start conversation' }).click();
  await page.waitForURL('**/dm/**');
  await adas.ready();
  await adas.send('All three of us');
  for (const other of [ben, eve]) {
    const row = other.page.locator('#dm-list .nav-item').filter({ hasText: 'Direct-ada,' });
    await row.or(other.page.locator('#dm-list .nav-item').filter({ hasText: ', Direct-ada' })).locator('.count').waitFor();
  }
  await page.locator('#channel-header').filter({ hasText: 'Direct-ben' }).filter({ hasText: 'Direct-eve' }).waitFor();
});

story('a link to somebody is a page, and to nobody is none', async () => {
  ada.expectProblems(/status of 404/);
  const { id } = (await (await ben.api()).get('sync')).me;
  await ada.goto(`/people/${id}`);
  await ada.page.getByRole('heading', { name: 'Direct-ben' }).waitFor();
  await inspect(ada.page, 'profile');
  const answer = await ada.goto('/people/0198c0de-0000-7000-8000-000000000001');
  assert.equal(answer.status(), 404);
});

story('names that mean harm stay text on the card and in the list', async () => {
  const harm = '<img src=x onerror=alert(1)>';
  await (await eve.api()).call('PATCH', 'me', { display_name: harm, status_text: harm });
  const { id } = (await (await eve.api()).get('sync')).me;
  await ada.goto(`/people/${id}`);
  await ada.page.locator('#main').filter({ hasText: harm }).waitFor();
  await ada.goto(`/c/${w.slug}/new-message`);
  await ada.page.locator('#people').filter({ hasText: harm }).waitFor();
  assert.equal(await ada.page.locator('img[src="x"]').count(), 0);
});

story('the card looks as it is drawn', async () => {
  await Conversation.open(ada, w.path(room));
  const { page } = ada;
  for (const [size, viewport] of [['wide', WIDE], ['phone', PHONE]]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.locator('.msg-author').filter({ hasText: 'Direct-ben' }).first().click();
      await card(page).waitFor();
      await accessible(page, `card, ${size}, ${colorScheme}`);
      await noSidewaysScroll(page, `card, ${size}`);
      await picture(page, `profile-card-${size}-${colorScheme}`);
      await page.keyboard.press('Escape');
      await card(page).waitFor({ state: 'detached' });
    }
  }
  await page.setViewportSize(WIDE);
});
