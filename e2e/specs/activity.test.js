// What one is told of: the list grows while it is open, and what is read in one place is read everywhere.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Conversation } from '../lib/conversation.js';
import { inspect } from '../lib/looks.js';
import { story } from '../lib/story.js';
import { until, untilEqual } from '../lib/wait.js';
import { world } from '../lib/world.js';

let w;
let ada;
let ben;
let room;
let quiet;
let bens;

before(async () => {
  w = await world('activity');
  [ada, ben] = [await w.newcomer('ada'), await w.newcomer('ben')];
  [room, quiet] = [await w.channel('room', ada, ben), await w.channel('quiet', ada, ben)];
  bens = await Conversation.open(ben, w.path(quiet));
});

after(() => w?.close());

const badge = (page) => page.locator('#inbox-nav .count');
const notes = (page) => page.locator('#notification-list > li');
const count = async (page) => ((await badge(page).count()) ? Number(await badge(page).innerText()) : 0);

story('a mention counts beside Activity, everywhere', async () => {
  const second = await ben.elsewhere(w.browser);
  await Conversation.open(second, w.path(quiet));
  await (await ada.api()).say(room, 'Look, @activity-ben, a heron');
  for (const page of [ben.page, second.page]) await badge(page).filter({ hasText: '1' }).waitFor();

  await ben.page.locator('#inbox-nav a').click();
  await ben.page.waitForURL('**/activity**');
  const note = notes(ben.page).filter({ hasText: 'a heron' });
  await note.waitFor();
  assert.match(await note.innerText(), /Mention in #activity-room/);
  assert.match(await note.innerText(), /Activity-ada/);
  await note.locator('.dot').waitFor();

  // Its message is opened in its place, and it is read in the other browser as well.
  await note.locator('a').click();
  await ben.page.waitForURL(`**${w.path(room)}/m/**`);
  await ben.page.locator('.msg.target').filter({ hasText: 'a heron' }).waitFor();
  await badge(second.page).waitFor({ state: 'detached' });
  await second.context.close();
});

story('the open list grows by itself, and filters hold', async () => {
  await ben.goto(`/activity?show=mentions&c=${w.slug}`);
  await ben.live();
  const elsewhere = await ben.elsewhere(w.browser);
  await elsewhere.goto('/activity');
  await elsewhere.live();
  const api = await ada.api();
  const { me } = await (await ben.api()).get('sync');
  const direct = await api.post('dms', { user_ids: [me.id] });
  await api.say(direct, 'Only for you');
  await notes(elsewhere.page).filter({ hasText: 'Only for you' }).filter({ hasText: 'a direct message' }).waitFor();
  await api.say(room, 'And @activity-ben again');
  await notes(ben.page).filter({ hasText: 'again' }).waitFor();
  await until('the newest on top', async () => /again/.test(await notes(elsewhere.page).first().innerText()));
  assert.equal(await notes(ben.page).filter({ hasText: 'Only for you' }).count(), 0, 'not a mention');
  await until('both are counted', async () => (await count(ben.page)) === 2);

  // Read here, read there.
  await ben.page.getByRole('button', { name: 'Mark all read' }).click();
  for (const { page } of [ben, elsewhere]) {
    await badge(page).waitFor({ state: 'detached' });
    await untilEqual('no dots', 0, () => page.locator('.dot').count());
  }
  await elsewhere.context.close();
});

story('a reply in my thread is told, and reading the thread reads it', async () => {
  const api = await ben.api();
  const root = await api.say(room, 'What do herons eat?');
  await (await ada.api()).say(room, 'Frogs', { parent_id: root.id });
  await bens.page.goto(new URL(w.path(quiet), ben.home).href);
  await badge(ben.page).filter({ hasText: '1' }).waitFor();
  await ben.goto('/activity?show=threads');
  const note = notes(ben.page).filter({ hasText: 'Frogs' });
  assert.match(await note.innerText(), /Reply in a thread, #activity-room/);
  await ben.page.bringToFront();
  await ben.goto(`${w.path(room)}?thread=${root.id}`);
  await badge(ben.page).waitFor({ state: 'detached' });
  // One that comes while it is on screen is read as well.
  await (await ada.api()).say(room, 'And fish', { parent_id: root.id });
  await ben.page.locator('#thread-messages').filter({ hasText: 'And fish' }).waitFor();
  await until('read', async () => (await api.get('notifications?unread=true')).items.length === 0);
  await badge(ben.page).waitFor({ state: 'detached' });
});

story('what is deleted is quoted no more', async () => {
  const api = await ada.api();
  await ben.goto('/activity');
  await ben.live();
  const said = await api.say(room, 'Forget this, @activity-ben');
  await notes(ben.page).filter({ hasText: 'Forget this' }).waitFor();
  await api.call('DELETE', `messages/${said.id}`);
  await notes(ben.page).filter({ hasText: 'Forget this' }).waitFor({ state: 'detached' });
});

story('an invite and a change of role are told', async () => {
  const hidden = await w.owner.createChannel('activity-hidden', { visibility: 'private' });
  const { me } = await (await ben.api()).get('sync');
  await w.owner.post(`channels/${hidden.id}/members`, { user_id: me.id });
  const community = await w.owner.community();
  await w.owner.call('PATCH', `communities/${community.id}/members/${me.id}`, { role: 'admin' });
  await ben.goto('/activity?show=system');
  await notes(ben.page).filter({ hasText: 'added you to #activity-hidden' }).waitFor();
  await notes(ben.page).filter({ hasText: 'You are an admin now' }).waitFor();
  await notes(ben.page).filter({ hasText: 'added you' }).locator('a').click();
  await ben.page.waitForURL('**/channels/activity-hidden');
});

story('hostile text stays text in the list', async () => {
  const harm = '<img src=x onerror=alert(1)>${alert(2)} @activity-ben';
  await ben.goto('/activity');
  await ben.live();
  await (await ada.api()).say(room, harm);
  await notes(ben.page).filter({ hasText: 'onerror' }).waitFor();
  assert.equal(await ben.page.locator('img[src="x"]').count(), 0);
});

story('the list looks as it is drawn, full and empty', async () => {
  await ben.goto('/activity');
  await notes(ben.page).first().waitFor();
  await inspect(ben.page, 'activity');
  const fresh = await w.newcomer('fresh');
  await fresh.goto('/activity');
  await fresh.page.getByText('You are all caught up').waitFor();
  await inspect(fresh.page, 'activity-empty');
  await fresh.context.close();
});
