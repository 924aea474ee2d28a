// Messages that want to be more than text: drawn with the page, drawn live, edited, in drafts and topics.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Conversation } from '../lib/conversation.js';
import { FOREIGN, HOSTILE, alive } from '../lib/corpus.js';
import { story } from '../lib/story.js';
import { until, untilEqual } from '../lib/wait.js';
import { world } from '../lib/world.js';

let w;
let ada;
let ben;
let channel;
let adas;

before(async () => {
  w = await world('evil');
  [ada, ben] = [await w.newcomer('ada'), await w.newcomer('ben')];
  channel = await w.channel('corpus', ada, ben);
  adas = await Conversation.open(ada, w.path(channel));
});

after(() => w?.close());

/** Text and nothing else, also after the pointer was on it. */
async function harmless(conversation) {
  for (const row of await conversation.rows.all()) await row.hover({ timeout: 2_000 }).catch(() => {});
  assert.deepEqual(await conversation.page.evaluate(alive), []);
  // Policy reports and requests to FOREIGN fail the test by way of the person's problems.
  assert.equal(await conversation.page.evaluate(() => window.pwned), undefined);
}

story('sent live, every text is inert', async () => {
  await (await ben.api()).sayAll(channel, HOSTILE);
  await (await ben.api()).say(channel, 'end of the live ones');
  await adas.seen('end of the live ones');
  await harmless(adas);
});

story('drawn with the page, every text is inert', async () => {
  await ada.page.reload();
  await adas.ready();
  await until('all of them are there', async () => {
    await ada.page.locator('#message-scroll').evaluate((box) => box.scrollTo(0, -1e6));
    return (await adas.rows.count()) > HOSTILE.length;
  });
  await harmless(adas);
});

story('edited into place, every text is inert', async () => {
  const api = await ben.api();
  const message = await api.say(channel, 'harmless so far');
  const row = ada.page.locator(`#message-${message.id}`);
  await row.waitFor();
  for (const [index, text] of HOSTILE.entries()) {
    await api.call('PATCH', `messages/${message.id}`, { body_md: `${text}\n\nround ${index} is over` });
    await row.filter({ hasText: `round ${index} is over` }).waitFor();
  }
  await harmless(adas);
});

story('the echo of what I send myself is inert', async () => {
  for (const text of HOSTILE.filter((text) => !text.includes('\n'))) await adas.send(text);
  await adas.send('end of my own ones');
  await adas.seen('end of my own ones');
  await until('no echo is left', async () => (await ada.page.locator('#messages > [id^="pending-"]').count()) === 0);
  await harmless(adas);
});

story('an expression in a draft is only a draft', async () => {
  const draft = `$draft \${window.pwned=1} @get('/api/me') '+alert(1)+' <img src=//${FOREIGN}/d.png onerror=window.pwned=1>`;
  await adas.input.fill('');
  await adas.input.pressSequentially(draft);
  await ada.page.reload();
  await adas.ready();
  await untilEqual('the draft', draft, () => adas.input.inputValue());
  assert.equal(await ada.page.evaluate(() => window.pwned), undefined);
  await adas.input.fill('');
});

story('an expression in a topic or a community is only text', async () => {
  const topic = `<img src=//${FOREIGN}/t.png onerror=window.pwned=1> $x @get('/api/me') \${window.pwned=1} "quoted'`;
  await w.owner.call('PATCH', `channels/${channel.id}`, { topic });
  const shown = ada.page.locator('#channel-topic');
  await shown.filter({ hasText: '@get(' }).waitFor();
  assert.equal((await shown.innerText()).trim(), topic);
  await ada.page.reload();
  await adas.ready();
  assert.equal((await shown.innerText()).trim(), topic);
  assert.equal(await shown.locator('img').count(), 0);
  assert.equal(await ada.page.evaluate(() => window.pwned), undefined);
});

story('the policy would stop what got in all the same', async () => {
  ada.expectProblems(/Content Security Policy|violates the following/i, /foreign: https:\/\/evil\.example\/x\.png/);
  const stopped = await ada.page.evaluate(async (host) => {
    const reports = [];
    const both = new Promise((resolve) => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
        reports.push([effectiveDirective, blockedURI]);
        if (reports.length === 2) resolve();
      });
    });
    const script = document.createElement('script');
    script.textContent = 'window.pwned = 1';
    document.body.append(script);
    new Image().src = `https://${host}/x.png`;
    await both;
    return { reports: reports.sort(), pwned: window.pwned };
  }, FOREIGN);
  assert.deepEqual(stopped, {
    reports: [
      ['img-src', `https://${FOREIGN}/x.png`],
      ['script-src-elem', 'inline'],
    ],
    pwned: undefined,
  });
});
