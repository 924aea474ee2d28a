// The very first start, on an empty stack of its own: set up, sign in at another site, invite, be refused, sign out.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Person, launch } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { inspect } from '../lib/looks.js';
import { ownStack } from '../lib/stack.js';
import { story } from '../lib/story.js';

const HOME = '/c/harbour';
const GENERAL = `${HOME}/channels/general`;

let stack;
let browser;
let owner;
let guest;

before(async () => {
  [stack, browser] = await Promise.all([ownStack(), launch()]);
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

story('a set-up link with another token opens nothing', async () => {
  const visitor = await Person.visitor(browser, stack);
  visitor.expectProblems(/status of 40[34]/);
  for (const path of ['/setup', '/setup?token=wrong']) {
    const answer = await visitor.goto(path);
    assert.ok([403, 404].includes(answer.status()), `${path} is refused, not ${answer.status()}`);
    assert.equal(await visitor.page.locator('form#bootstrap').count(), 0);
  }
  await visitor.context.close();
});

story('the set-up link makes a community, and who signs in at the provider owns it', async () => {
  owner = await Person.visitor(browser, stack, { login: 'ola' });
  const { page } = owner;
  await owner.goto(`/setup?token=${encodeURIComponent(stack.setupToken)}`);
  await inspect(page, 'set-up', { shown: 'form#bootstrap' });

  await page.getByLabel('Community name').fill('Harbour & Co');
  await page.getByLabel('Address').fill('harbour');
  await page.locator('form#bootstrap button[type=submit]').first().click();
  await owner.clickThroughProvider('ola');

  // E10: the strict cookie must be there already on the first page after the click at the other site.
  const conversation = new Conversation(owner);
  await conversation.ready();
  assert.equal(new URL(page.url()).pathname, HOME);
  assert.match(await page.locator('h1').innerText(), /general/);
  await page.locator('#channel-list [aria-current=page]', { hasText: 'general' }).waitFor();
  const cookie = (await owner.context.cookies()).find(({ name }) => name.endsWith('ajet_session'));
  assert.ok(cookie.httpOnly, 'no script may read the session');
  assert.equal(cookie.sameSite, 'Strict');
  assert.ok(!page.url().includes(stack.setupToken));
});

story('set-up happens once', async () => {
  const late = await Person.visitor(browser, stack);
  late.expectProblems(/status of (403|404|409|410)/);
  const answer = await late.goto(`/setup?token=${encodeURIComponent(stack.setupToken)}`);
  assert.equal(await late.page.locator('form#bootstrap').count(), 0);
  assert.ok(answer.status() >= 400 || new URL(late.page.url()).pathname === '/login', 'it is refused or leads to login');
  await late.context.close();
});

story('an empty channel invites to write, and the first message shows', async () => {
  await inspect(owner.page, 'empty-channel');
  const conversation = new Conversation(owner);
  await conversation.send('Nobody here yet');
  await conversation.seen('Nobody here yet');
});

story('a stranger is asked for an invite', async () => {
  const stranger = await Person.visitor(browser, stack, { login: 'zoe' });
  stranger.expectProblems(/status of 403/);
  await stranger.goto('/');
  await stranger.page.waitForURL('**/login**');
  await inspect(stranger.page, 'login');
  await stranger.page.getByRole('link', { name: /^Continue with/ }).click();
  await stranger.clickThroughProvider('zoe');
  await stranger.page.getByText(/ask .*for an invite/i).first().waitFor();
  await inspect(stranger.page, 'no-invite');
  assert.equal(await stranger.token(), undefined);
  await stranger.context.close();
});

story('somebody who changes their mind at the provider comes back to the login page', async () => {
  const visitor = await Person.visitor(browser, stack);
  visitor.expectProblems(/status of 40[03]/);
  await visitor.goto('/login');
  await visitor.page.getByRole('link', { name: /^Continue with/ }).click();
  await visitor.page.getByRole('button', { name: 'Cancel' }).click();
  await visitor.page.waitForURL(`${stack.url}/**`);
  await visitor.page.getByRole('link', { name: /^Continue with/ }).waitFor();
  await visitor.page.getByRole('alert').waitFor();
  await visitor.context.close();
});

story('an invite survives the way through the provider', async () => {
  await owner.page.locator('#community-open').click();
  await owner.page.getByRole('menuitem', { name: 'Invite people' }).click();
  await owner.page.getByRole('button', { name: 'Create invite link' }).click();
  const invite = (await owner.page.locator('#invite-url').innerText()).trim();
  assert.equal(new URL(invite).origin, stack.url);
  await owner.goto(GENERAL);
  await new Conversation(owner).ready();

  guest = await Person.visitor(browser, stack, { login: 'mara' });
  await guest.page.goto(invite);
  await guest.page.getByText('Harbour & Co').first().waitFor();
  await inspect(guest.page, 'invite');
  await guest.page.getByRole('link', { name: /^Continue with/ }).click();
  await guest.clickThroughProvider('mara');

  const conversation = new Conversation(guest);
  await conversation.ready();
  assert.equal(new URL(guest.page.url()).pathname, HOME);
  assert.match(await guest.page.locator('h1').innerText(), /general/);
  await conversation.seen('Nobody here yet');
  await conversation.send('Now there is');
  await new Conversation(owner).seen('Now there is');

  const second = await Person.visitor(browser, stack);
  second.expectProblems(/status of (404|410)/);
  const answer = await second.page.goto(invite);
  assert.ok([404, 410].includes(answer.status()), 'it is used up');
  await second.context.close();
});

story('a new channel is made, found and joined', async () => {
  const { page } = owner;
  await page.locator('#community-open').click();
  await page.getByRole('menuitem', { name: 'Create a channel' }).click();
  await page.getByLabel('Name', { exact: true }).fill('No Such Name!');
  await page.getByRole('button', { name: 'Create channel' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Name', { exact: true }).fill('quay');
  await page.getByLabel('Topic').fill('Ships and sheds');
  await page.getByRole('button', { name: 'Create channel' }).click();
  await page.waitForURL(`**${HOME}/channels/quay`);
  const owners = new Conversation(owner);
  await owners.ready();
  await page.locator('#channel-topic', { hasText: 'Ships and sheds' }).waitFor();

  await guest.goto(`${HOME}/browse`);
  await guest.page.getByRole('button', { name: 'Join quay' }).click();
  await guest.page.waitForURL(`**${HOME}/channels/quay`);
  const guests = new Conversation(guest);
  await guests.ready();
  await guests.send('Good to be here');
  await owners.seen('Good to be here');
  await owner.goto(GENERAL);
  await guest.goto(GENERAL);
});

story('a deep link leads through login and back to where it pointed', async () => {
  const returning = await Person.visitor(browser, stack, { login: 'mara' });
  await returning.goto(`${GENERAL}?thread=`);
  await returning.page.waitForURL('**/login**');
  await returning.page.getByRole('link', { name: /^Continue with/ }).click();
  await returning.clickThroughProvider('mara');
  await new Conversation(returning).ready();
  assert.equal(new URL(returning.page.url()).pathname, GENERAL);
  await returning.context.close();
});

story('a link from another site opens what it points to for somebody who is signed in', async () => {
  // E11: a strict cookie stays at home on a cross-site navigation, so the page has to bounce once.
  guest.expectProblems(new RegExp(`status of 400.*${new URL(stack.provider).host}`));
  const tab = await guest.context.newPage();
  // Any page of that site will do, also the one by which it refuses nonsense.
  await tab.goto(`${stack.provider}/login/oauth/authorize`);
  await tab.evaluate((url) => {
    document.body.innerHTML = '<a id="out">out</a>';
    document.querySelector('#out').href = url;
  }, `${stack.url}${GENERAL}`);
  await tab.locator('#out').click();
  await new Conversation(guest, tab).ready();
  await tab.close();
});

story('who logs out in one tab is signed out in the other', async () => {
  const other = await guest.context.newPage();
  await other.goto(`${stack.url}${GENERAL}`);
  await new Conversation(guest, other).ready();
  const token = await guest.token();

  await guest.page.bringToFront();
  await guest.page.locator('.me-btn').click();
  await guest.page.getByRole('menuitem', { name: /(Sign|Log) out/ }).or(guest.page.getByRole('button', { name: /(Sign|Log) out/ })).first().click();
  await guest.page.waitForURL('**/login**');
  await other.bringToFront();
  await other.getByText(/signed out/i).first().waitFor();
  assert.equal(await guest.token(), undefined);
  const answer = await fetch(`${stack.url}/api/me`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 401);
});
