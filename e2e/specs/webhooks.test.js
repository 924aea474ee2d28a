// Machines that write: webhooks and tokens, made and ended on the settings pages, and what they post as people see it.

import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { after, before } from 'node:test';

import { Api } from '../lib/api.js';
import { Conversation } from '../lib/conversation.js';
import { inspect } from '../lib/looks.js';
import { story } from '../lib/story.js';
import { until } from '../lib/wait.js';
import { world } from '../lib/world.js';

const SECRET = 'a secret of two machines';

let w;
let admin;
let reader;
let conversation;
let channel;

before(async () => {
  w = await world('webhooks');
  [admin, reader] = await Promise.all([w.demoPerson('ola'), w.newcomer('rita')]);
  channel = await w.channel('builds', reader);
  conversation = await Conversation.open(reader, w.path(channel));
});

after(() => w?.close());

/** Calls a webhook as another system would. */
async function call(url, body, headers = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: text,
    signal: AbortSignal.timeout(15_000),
  });
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
}

/** Makes a webhook on the settings page and gives its address. */
async function make(name, secret = '') {
  const { page } = admin;
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Posts to').selectOption({ label: `#${channel.name}` });
  await page.getByLabel(/Signing secret/).fill(secret);
  await page.getByRole('button', { name: 'Create webhook' }).click();
  await page.locator('#created').getByText(`${name} is ready`).waitFor();
  return (await page.locator('#created-secret').innerText()).trim();
}

let plain;
let signed;

story('an admin makes a webhook from the community menu', async () => {
  await Conversation.open(admin, w.path(channel));
  const { page } = admin;
  await page.locator('#community-open').click();
  await page.getByRole('menuitem', { name: 'Webhooks and tokens' }).click();
  await page.getByRole('heading', { name: 'Community settings' }).waitFor();
  plain = await make('Kestrel CI');
  assert.ok(plain.startsWith(`${w.stack.url}/hook/`), plain);
  await page.getByRole('link', { name: 'Kestrel CI', exact: true }).waitFor();
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), '', 'the form is empty again');
  await inspect(page, 'settings-webhooks');
});

story('what another system posts stands in the channel at once, under its own name', async () => {
  const nothing = reader.page.getByText('Nothing has been written yet.');
  assert.ok(await nothing.isVisible());
  const answer = await call(plain, { text: 'build *passed*, see <https://ci.example/7|run 7>', username: 'Osprey' });
  assert.deepEqual({ status: answer.status, text: answer.text }, { status: 200, text: 'ok' });
  assert.match(answer.type, /^text\/plain/);
  await conversation.seen('build passed, see run 7');
  assert.ok(!(await nothing.isVisible()), 'that is not true any more');
  const row = conversation.row('build passed');
  await row.locator('.msg-author', { hasText: 'Osprey' }).waitFor();
  assert.equal(await row.locator('.msg-head .tag').innerText(), 'webhook');
  assert.equal(await row.locator('.prose strong').innerText(), 'passed');
  assert.equal(await row.getByRole('link', { name: 'run 7' }).getAttribute('href'), 'https://ci.example/7');
});

story('attachments become cards', async () => {
  const attachment = {
    color: 'danger',
    title: '#1284 replay from the next sequence',
    title_link: 'https://ci.example/1284',
    text: 'failed in *3 min 12 s*',
    fields: [
      { title: 'Branch', value: 'main', short: true },
      { title: 'Author', value: 'idris', short: true },
    ],
    footer: 'Kestrel CI',
  };
  assert.equal((await call(plain, { text: 'A build is done', attachments: [attachment] })).text, 'ok');
  const card = conversation.row('A build is done').locator('.card-ext');
  await card.getByRole('link', { name: '#1284 replay from the next sequence' }).waitFor();
  assert.match(await card.getAttribute('class'), /\bbad\b/);
  assert.match(await card.innerText(), /Branch\s+main/);
  await inspect(reader.page, 'webhook-card');
});

story('a signed delivery of GitHub is drawn, an unsigned one refused, a repeated one posted once', async () => {
  signed = await make('Repository', SECRET);
  assert.equal(await admin.page.getByLabel(/Signing secret/).inputValue(), '', 'the secret does not stay');
  const push = JSON.stringify({
    ref: 'refs/heads/main',
    before: '1'.repeat(40),
    after: '2'.repeat(40),
    created: false,
    deleted: false,
    forced: false,
    compare: 'https://github.example/tide/compare',
    commits: [
      {
        id: '2'.repeat(40),
        message: 'Let the tide in\n\nMore words',
        url: 'https://github.example/tide/commit/2',
        author: { name: 'Idris', username: 'idris' },
      },
    ],
    repository: { full_name: 'salt/tide', html_url: 'https://github.example/tide' },
    pusher: { name: 'idris' },
    sender: { login: 'idris', html_url: 'https://github.example/idris' },
  });
  const headers = (secret) => ({
    'x-github-event': 'push',
    'x-github-delivery': 'a1b2c3',
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(push).digest('hex')}`,
  });
  const refused = await call(signed, push, { ...headers('another secret'), 'x-github-delivery': 'other' });
  assert.ok([401, 403].includes(refused.status), `refused, not ${refused.status}`);
  assert.equal((await call(signed, push, headers(SECRET))).status, 200);
  assert.equal((await call(signed, push, headers(SECRET))).status, 200);
  await conversation.seen('Let the tide in');
  assert.equal(await conversation.row('Let the tide in').count(), 1);
});

story('an admin sees what came in and what became of it', async () => {
  const { page } = admin;
  await page.getByRole('link', { name: 'Deliveries of Repository' }).click();
  await page.getByRole('heading', { name: /Deliveries of Repository/ }).waitFor();
  const rows = page.locator('tbody tr');
  await until('two deliveries', async () => (await rows.count()) === 2);
  await page.getByText('posted', { exact: true }).waitFor();
  await page.getByText('refused', { exact: true }).waitFor();
  await inspect(page, 'settings-deliveries');
  await page.getByRole('link', { name: 'Back to webhooks' }).click();
});

story('a new address ends the old one, and revoking ends both', async () => {
  const { page } = admin;
  await page.getByRole('button', { name: 'New address for Kestrel CI' }).click();
  await page.getByRole('button', { name: 'Make a new address' }).click();
  await page.locator('#created').getByText('Kestrel CI is ready').waitFor();
  const fresh = (await page.locator('#created-secret').innerText()).trim();
  assert.notEqual(fresh, plain);
  assert.equal((await call(plain, { text: 'by the old address' })).status, 404);
  assert.equal((await call(fresh, { text: 'by the new address' })).status, 200);
  await conversation.seen('by the new address');
  await page.getByRole('button', { name: 'Revoke Kestrel CI' }).click();
  await page.getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.getByRole('link', { name: 'Kestrel CI', exact: true }).waitFor({ state: 'detached' });
  const gone = await call(fresh, { text: 'after the end' });
  const unknown = await call(`${w.stack.url}/hook/${randomUUID()}/${fresh.split('/').at(-1)}`, { text: 'x' });
  assert.deepEqual(gone, unknown);
  assert.equal(gone.status, 404);
});

story('a token lets a bot write until it is revoked', async () => {
  const { page } = admin;
  await page.getByRole('link', { name: 'Tokens' }).click();
  await page.getByLabel('Name of the bot').fill('Release Bot');
  await page.getByRole('checkbox', { name: 'channels:write' }).check();
  await page.getByRole('button', { name: 'Create token' }).click();
  await page.locator('#created').getByText('Release Bot').waitFor();
  const secret = (await page.locator('#created-secret').innerText()).trim();
  assert.match(secret, /^ajp_/);
  await inspect(page, 'settings-tokens');
  const bot = new Api(w.stack, secret);
  await bot.post(`channels/${channel.id}/join`);
  await bot.say(channel, 'Tagged by a machine');
  await conversation.seen('Tagged by a machine');
  assert.equal(await conversation.row('Tagged by a machine').locator('.msg-head .tag').innerText(), 'bot');
  await page.getByRole('button', { name: 'Revoke Release Bot' }).click();
  await page.getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.getByRole('button', { name: 'Revoke Release Bot' }).waitFor({ state: 'detached' });
  // A token's row is looked at again after a second.
  await until('the bot is refused', () =>
    bot.get('me').then(
      () => false,
      (error) => /401/.test(error.message),
    ),
  );
});

story('an admin lets members invite people, and takes it back', async () => {
  const { page } = admin;
  const invites = reader.page.locator('#invite-entry');
  const offered = async () => (await invites.getAttribute('hidden')) === null;
  await page.goto(new URL(`/c/${w.slug}/settings/tokens`, admin.home).href);
  await page.getByRole('link', { name: 'General', exact: true }).click();
  const may = page.getByRole('checkbox', { name: 'Members may invite people' });
  assert.ok(!(await may.isChecked()) && !(await offered()), 'at first they may not');
  await inspect(page, 'settings-general');
  await may.check();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved. Members may invite people.').waitFor();
  await until('members are offered it at once', offered);
  await reader.page.locator('#community-open').click();
  await invites.click();
  await reader.page.getByRole('button', { name: 'Create invite link' }).click();
  await reader.page.locator('#invite-url').waitFor();
  await page.reload();
  assert.ok(await may.isChecked(), 'it is kept');
  await may.uncheck();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved. Only owners and admins invite people.').waitFor();
  await until('and not any more', async () => !(await offered()));
  assert.equal(await page.getByRole('menuitem', { name: 'Community settings' }).count(), 0, 'the menu is closed');
  await page.locator('#community-open').click();
  await page.getByRole('menuitem', { name: 'Community settings' }).waitFor();
  await page.keyboard.press('Escape');
});

story('members do not get in', async () => {
  reader.expectProblems(/status of 403/);
  for (const place of ['/webhooks', '/tokens', '']) {
    const answer = await reader.goto(`/c/${w.slug}/settings${place}`);
    assert.equal(answer.status(), 403);
  }
});
