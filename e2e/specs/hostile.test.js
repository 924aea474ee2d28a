// Messages that want to be more than text: drawn with the page, drawn live, edited, in drafts and topics.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before } from 'node:test';

import { Conversation } from '../lib/conversation.js';
import { BOMBS, DISGUISED, FOREIGN, HOSTILE, NAMES, REFUSED_NAMES, UNSEEN, alive } from '../lib/corpus.js';
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

/** The status of a request whose body is exactly this. */
async function status(person, method, path, body) {
  const answer = await fetch(`${w.stack.url}/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${await person.token()}`, 'content-type': 'application/json' },
    body,
  });
  await answer.text();
  return answer.status;
}

story('a name is text wherever it stands', async () => {
  const api = await ben.api();
  await api.say(channel, 'from somebody with a name');
  const message = await api.say(channel, 'to be answered');
  const row = ada.page.locator(`#message-${message.id}`);
  await row.waitFor();
  for (const name of NAMES) {
    await api.call('PATCH', 'me', { display_name: name });
    // Between two of the same author, so that each has its name over it.
    await (await ada.api()).say(channel, 'And who are you?');
    const said = await api.say(channel, `I am ${NAMES.indexOf(name)}`);
    const shown = ada.page.locator(`#message-${said.id} .msg-author`);
    await untilEqual('the name', name.trim(), async () => (await shown.textContent()).trim());
    await ada.page.reload();
    await adas.ready();
    await untilEqual('the name, drawn with the page', name.trim(), async () => (await shown.textContent()).trim());
    assert.deepEqual(await ada.page.evaluate(alive), [], name);
    assert.equal(await ada.page.locator('.msg-author :not(bdi)').count(), 0, 'markup in a name');
  }
  await api.call('PATCH', 'me', { display_name: 'Ben' });
});

story('a name that would not be what it looks like is refused', async () => {
  for (const name of REFUSED_NAMES) {
    const refused = await status(ben, 'PATCH', 'me', JSON.stringify({ display_name: name }));
    assert.equal(refused, 422, `a display name ${JSON.stringify(name.slice(0, 20))}`);
    const topic = await status(ben, 'PATCH', `channels/${channel.id}`, JSON.stringify({ topic: name }));
    // A topic may have nothing but marks in it, where nobody is taken in by it.
    if (name !== '\u0301') assert.equal(topic, 422, `a topic ${JSON.stringify(name.slice(0, 20))}`);
  }
});

story('the name of a community is text, in the rail and in titles', async () => {
  const api = await ben.api();
  const communities = [];
  // All of them first: a page goes where a new community is by itself.
  for (const name of NAMES.slice(0, 6)) {
    communities.push(await api.post('communities', { name, slug: `evil-${randomUUID().slice(0, 8)}` }));
  }
  for (const community of communities) {
    const { name } = community;
    await ben.goto(`/c/${community.slug}/channels/general`);
    await ben.page.locator('#composer-input').waitFor();
    assert.ok((await ben.page.locator('body').textContent()).includes(name), name);
    assert.equal(await ben.page.evaluate(() => window.pwned), undefined, name);
    assert.deepEqual(await ben.page.evaluate(alive), [], name);
  }
});

story('what cannot be seen is not taken', async () => {
  for (const text of UNSEEN) {
    const body = `{"body_md":${text},"client_msg_id":"${randomUUID()}"}`;
    // A lone half of a pair is no JSON text; all others are no message.
    const wanted = text.includes('ud800') ? [400, 422] : [422];
    const refused = await status(ben, 'POST', `channels/${channel.id}/messages`, body);
    assert.ok(wanted.includes(refused), `${text}: ${refused}`);
  }
});

story('nobody can write as somebody else, or push others out of sight', async () => {
  const api = await ben.api();
  for (const text of DISGUISED) {
    const { id } = await api.say(channel, text);
    const row = ada.page.locator(`#message-${id}`);
    await row.waitFor();
    assert.match(await row.getAttribute('class'), /\bmsg\b/, 'drawn as what somebody wrote, not as the system');
    assert.ok(await row.locator('.msg-author, .vh').first().textContent(), 'with its author');
    const box = await row.boundingBox();
    const view = ada.page.viewportSize();
    assert.ok(box.height < 2 * view.height, `${text.slice(0, 10)}… is ${box.height} px high`);
    assert.ok(box.width <= view.width, `${text.slice(0, 10)}… is ${box.width} px wide`);
  }
  await harmless(adas);
});

story('a text that is expensive to read is read or refused, and the page goes on', async () => {
  const bens = await ben.api();
  for (const text of BOMBS) {
    const body = JSON.stringify({ body_md: text, client_msg_id: randomUUID() });
    const begun = Date.now();
    const taken = await status(ben, 'POST', `channels/${channel.id}/messages`, body);
    assert.ok([201, 422].includes(taken), `${text.slice(0, 10)}…: ${taken}`);
    assert.ok(Date.now() - begun < 2_000, `${text.slice(0, 10)}… took ${Date.now() - begun} ms`);
    const mark = `after ${text.slice(0, 3).replaceAll(/\W/g, '')} ${BOMBS.indexOf(text)}`;
    await bens.say(channel, mark);
    await adas.seen(mark);
  }
  await ada.page.reload();
  await adas.ready();
  await adas.row(`after ${BOMBS.at(-1).slice(0, 3).replaceAll(/\W/g, '')} ${BOMBS.length - 1}`).waitFor();
  await harmless(adas);
});

story('a thread draws its hostile root and replies as text', async () => {
  const api = await ben.api();
  const root = await api.say(channel, HOSTILE[2]);
  for (const text of HOSTILE.slice(0, 12)) await api.say(channel, text, { parent_id: root.id });
  await ada.goto(`${w.path(channel)}?thread=${root.id}`);
  const last = ada.page.locator('#thread .msg, #thread-replies .msg, .pane .msg');
  await until('the replies', async () => (await last.count()) >= 12);
  assert.equal(await ada.page.evaluate(() => window.pwned), undefined);
  const markup = await ada.page.evaluate(() => {
    const found = document.querySelectorAll('.prose script, .prose iframe, .prose img:not([src^="/files/"]), .prose [onerror], .prose [data-on\\:click]');
    return [...found].map((element) => element.outerHTML);
  });
  assert.deepEqual(markup, []);
  await ada.goto(w.path(channel));
  await adas.ready();
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
