// The main pages of the demo at all sizes and in both themes: accessibility, overflow, pictures. What the pictures
// show is looked at by people, beside the design.

import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before } from 'node:test';

import { Person, PHONE } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { accessible, inspect, noSidewaysScroll, picture } from '../lib/looks.js';
import { artefacts, root } from '../lib/settings.js';
import { story } from '../lib/story.js';
import { world } from '../lib/world.js';

let w;
let mara;

before(async () => {
  w = await world('pages');
  mara = await w.demoPerson('mara');
});

after(() => w?.close());

/** The demo's channel with most kinds of content. */
async function fullChannel() {
  const { channels } = (await (await mara.api()).get('sync')).communities[0];
  const release = channels.find(({ name }) => name.startsWith('release'));
  return release ?? channels.toSorted((a, b) => b.last_seq - a.last_seq)[0];
}

// First, while the demo still has unread messages.
story('the picture of the README', async () => {
  const channel = await fullChannel();
  const { items } = await (await mara.api()).get(`channels/${channel.id}/messages?limit=100`);
  const chart = items.findLastIndex(({ attachments }) => attachments.some(({ width }) => width));
  const rooted = items.slice(0, chart).findLast(({ reply_count: replies }) => replies > 0);
  const reader = await w.demoPerson('mara');
  await Conversation.open(reader, `${w.path(channel)}?thread=${rooted.id}`);
  await reader.page.locator(`#message-${items[chart].id}`).evaluate((row) => row.scrollIntoView({ block: 'center' }));
  await picture(reader.page, 'readme');
  await reader.context.close();
  if (process.env.AJET_README_SHOT === '1') {
    await mkdir(join(root, 'docs'), { recursive: true });
    await copyFile(join(artefacts, 'pictures/readme.png'), join(root, 'docs/screenshot.png'));
  }
});

story('login', async () => {
  const visitor = await Person.visitor(w.browser, w.stack);
  await visitor.goto('/login');
  await inspect(visitor.page, 'login-demo');
  await visitor.context.close();
});

story('a full channel', async () => {
  await Conversation.open(mara, w.path(await fullChannel()));
  await inspect(mara.page, 'channel');
});

story('every channel of the demo', async () => {
  const { channels } = (await (await mara.api()).get('sync')).communities[0];
  assert.ok(channels.length >= 5);
  for (const channel of channels.filter(({ joined }) => joined)) {
    await Conversation.open(mara, w.path(channel));
    await accessible(mara.page, `#${channel.name}`);
    await noSidewaysScroll(mara.page, `#${channel.name}`);
    await picture(mara.page, `demo-${channel.name}`);
  }
});

story('a thread', async () => {
  const { channels } = (await (await mara.api()).get('sync')).communities[0];
  for (const channel of channels.filter(({ joined }) => joined)) {
    const { items } = await (await mara.api()).get(`channels/${channel.id}/messages?limit=50`);
    const rooted = items.find(({ reply_count: replies }) => replies > 0);
    if (!rooted) continue;
    const conversation = await Conversation.open(mara, w.path(channel));
    const summary = mara.page.locator(`#thread-summary-${rooted.id}`);
    await summary.scrollIntoViewIfNeeded();
    await summary.click();
    await mara.page.waitForURL(`**${w.path(channel)}?thread=${rooted.id}`);
    await mara.page.locator('#pane #thread-messages').waitFor();
    await mara.page.locator('#thread-messages .msg').first().waitFor();
    await inspect(mara.page, 'thread', { shown: '#pane' });
    await mara.page.goBack();
    await mara.page.waitForURL(`**${w.path(channel)}`);
    await conversation.ready();
    return;
  }
  assert.fail('the demo has no thread');
});

story('the pages of a community', async () => {
  const ola = await w.demoPerson('ola');
  const { page } = ola;
  for (const name of ['browse', 'new-channel', 'invite']) {
    await ola.goto(`/c/${w.slug}/${name}`);
    await inspect(page, name);
  }
  await page.getByRole('button', { name: 'Create invite link' }).click();
  await page.locator('#invite-url').waitFor();
  await inspect(page, 'invite-link');
});

story('the members', async () => {
  await Conversation.open(mara, `${w.path(await fullChannel())}?members=1`);
  await inspect(mara.page, 'members', { shown: '#pane' });
});

story('menus and dialogs', async () => {
  const conversation = await Conversation.open(mara, w.path(await fullChannel()));
  const { page } = mara;
  const row = page.locator('#messages > .msg:not(.cont)').last();
  await row.hover();
  await row.getByRole('button', { name: 'Add reaction' }).click();
  await page.locator('#emoji-picker').waitFor();
  await accessible(page, 'emoji picker');
  await picture(page, 'emoji-picker');
  await page.keyboard.press('Escape');
  await page.locator('#emoji-picker').waitFor({ state: 'hidden' });
  await row.hover();
  await row.getByRole('button', { name: 'More actions' }).click();
  await page.locator('#message-menu').waitFor();
  await accessible(page, 'message menu');
  await picture(page, 'message-menu');
  await page.keyboard.press('Escape');
  await page.locator('#community-open').click();
  await page.locator('#community-menu').waitFor();
  await accessible(page, 'community menu');
  await page.keyboard.press('Escape');
  await conversation.input.focus();
  await page.keyboard.press('Control+/');
  await page.locator('#keyboard-help').waitFor();
  await accessible(page, 'keyboard help');
  await picture(page, 'keyboard-help');
  await page.keyboard.press('Escape');
  await page.locator('#keyboard-help').waitFor({ state: 'hidden' });
});

story('the way around on a phone', async () => {
  const { page } = mara;
  await page.setViewportSize(PHONE);
  await mara.goto(`/c/${w.slug}`);
  await page.locator('#sidebar').waitFor();
  assert.ok(!(await page.locator('#main').isVisible()), 'one view at a time');
  await inspect(page, 'nav', { sizes: ['phone'], shown: '#sidebar' });
  await page.setViewportSize(PHONE);
  await page.locator('#channel-list .nav-item').first().click();
  await page.locator('#composer-input').waitFor();
  assert.ok(!(await page.locator('#sidebar').isVisible()));
  await page.getByRole('link', { name: 'Back to channels' }).click();
  await page.locator('#sidebar').waitFor();
});

story('an unknown address', async () => {
  mara.expectProblems(/status of 404/);
  const answer = await mara.goto(`/c/${w.slug}/channels/there-is-none`);
  assert.equal(answer.status(), 404);
  await accessible(mara.page, 'not found');
  await picture(mara.page, 'not-found');
});

story('the head of every answer', async () => {
  const answer = await mara.goto(w.path(await fullChannel()));
  const headers = answer.headers();
  const policy = headers['content-security-policy'] ?? '';
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe-inline/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.match(headers['cache-control'] ?? '', /no-store/);
  assert.equal(headers['referrer-policy'], 'no-referrer');
});
