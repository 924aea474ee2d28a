// F45 of delivery-and-security.md section 4: a browser is offline, hidden or asleep for a while, and goes on as if it had not been.
// Seconds each, or five minutes with AJET_FAULT_LONG; all at the same time, each reader in a channel of their own.

import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { after, before } from 'node:test';

import { launch, Person } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { network, overHttp2 } from '../lib/cut.js';
import { asleep } from '../lib/sleep.js';
import { story } from '../lib/story.js';
import { until } from '../lib/wait.js';
import { world } from '../lib/world.js';

const LONG = process.env.AJET_FAULT_LONG !== undefined;
/** How long somebody is away; a page is sure that its machine slept after 15 to 20 s. */
const AWAY = LONG ? 300_000 : 8_000;
const ASLEEP = LONG ? 300_000 : 21_000;
/** Who is back is live within this time. */
const LIVE = 5_000;
/** What waits to be sent may be in the middle of a pause by then. */
const SENT = 15_000;
const EXPECTED = /net::ERR_|network error|Failed to fetch/;

let w;
let ben;
let api;
const numbers = [];
const open = [];

before(async () => {
  w = await world('away');
  ben = await w.newcomer('ben');
  api = await ben.api();
});

after(async () => {
  await Promise.all(open.map((one) => one.close()));
  await w?.close();
});

const kept = (one) => {
  open.push(one);
  return one;
};

/** Somebody in a channel of their own, which Ben is in, too. */
async function reader(name, { browser = w.browser, relay } = {}) {
  const person = await w.newcomer(name, { browser });
  const channel = await w.channel(name, person, ben);
  return inChannel(relay ? await behind(relay, person) : person, channel);
}

/** The same person where the gateway speaks HTTP/2. */
async function behind(relay, person) {
  const other = await Person.visitor(w.browser, relay.stack, { login: person.login, context: { ignoreHTTPSErrors: true } });
  const cookies = (await person.context.cookies()).map(({ name, value }) => ({ name, value, url: relay.stack.url, httpOnly: true, sameSite: 'Strict' }));
  await other.context.addCookies(cookies);
  return other;
}

async function inChannel(person, channel) {
  person.expectProblems(EXPECTED);
  const talk = await Conversation.open(person, w.path(channel));
  await person.page.evaluate(() => (window.notLoadedAnew = true));
  return { person, channel, talk, page: person.page };
}

/** Headless pages are always on screen, so a page is told that it is not. */
const show = (page, shown) =>
  page.evaluate((shown) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => !shown });
    document.dispatchEvent(new Event('visibilitychange'));
  }, shown);

const waiting = ({ page }) => page.locator('#messages > [id^="pending-"]').count();
const mine = ['mine 0', 'mine 1', 'mine 2'];
const theirs = ['theirs 0', 'theirs 1'];

/** Writes what cannot go out, and begins a further message. */
async function writeAway(reader) {
  for (const line of mine) await reader.talk.send(line);
  await until('they wait', async () => (await waiting(reader)) === mine.length);
  await reader.talk.input.fill('half a thought');
  await reader.talk.input.press('ArrowLeft');
}

/** What others say meanwhile, and the rest of the time. */
async function meanwhile({ channel }, time) {
  const end = performance.now() + time;
  await api.sayAll(channel, theirs);
  await until('the time has passed', () => performance.now() >= end, time + 5_000);
}

/** From the moment of coming back: everything is there, live, once and in order, and nobody has touched what was being written. */
async function isBack(reader, what, back) {
  const { channel, page, talk } = reader;
  await talk.seenExactly('theirs', theirs);
  await api.say(channel, 'live');
  await talk.seen('live');
  const took = performance.now() - back;
  assert.ok(took < LIVE, `${what}: live after ${took} ms`);
  numbers.push({ what: `${what}: live again`, value: `${(took / 1000).toFixed(1)} s`, limit: `≤ ${LIVE / 1000}.0 s` });
  await until(`${what}: nothing waits`, async () => (await waiting(reader)) === 0, SENT);
  await talk.seenExactly('mine', mine);
  const { items } = await api.get(`channels/${channel.id}/messages?limit=50`);
  const said = items.map(({ body_md: text }) => text).filter((text) => text.startsWith('mine'));
  assert.deepEqual(said, mine, `${what}: what waited goes out in order and once`);
  const box = await talk.input.evaluate((box) => [box.value, box.selectionStart, document.activeElement === box]);
  assert.deepEqual(box, ['half a thought', 'half a thought'.length - 1, true], `${what}: what is being written stays`);
  assert.ok(await page.evaluate(() => window.notLoadedAnew), `${what}: the page was not loaded anew`);
}

async function offline() {
  const net = kept(await network(w.stack));
  const ada = await reader('ada', { browser: kept(await launch(net.flag)) });
  await ada.person.context.setOffline(true);
  net.cut();
  await writeAway(ada);
  await meanwhile(ada, AWAY);
  net.restore();
  await ada.person.context.setOffline(false);
  await isBack(ada, 'offline', performance.now());
}

/** What the page sends does not leave its machine until `restore`. */
async function unsent({ page }) {
  const refuse = (route) => route.abort('internetdisconnected');
  await page.route('**/messages', refuse);
  return () => page.unroute('**/messages', refuse);
}

async function hidden() {
  const cleo = await reader('cleo');
  const restore = await unsent(cleo);
  await writeAway(cleo);
  const gone = cleo.page.waitForEvent('requestfailed', (request) => new URL(request.url()).pathname === '/sse');
  await show(cleo.page, false);
  await gone;
  await meanwhile(cleo, AWAY);
  const seen = (await cleo.talk.texts()).filter((text) => text.startsWith('theirs'));
  assert.deepEqual(seen, [], 'over HTTP/1.1 a hidden page has no stream');
  await restore();
  const back = performance.now();
  await show(cleo.page, true);
  await isBack(cleo, 'hidden', back);
}

async function hiddenOverHttp2() {
  const relay = kept(await overHttp2(w.stack));
  const dora = await reader('dora', { relay });
  const restore = await unsent(dora);
  await writeAway(dora);
  const streams = [];
  dora.page.on('request', (request) => new URL(request.url()).pathname === '/sse' && streams.push(request));
  await show(dora.page, false);
  await meanwhile(dora, AWAY);
  await dora.talk.seenExactly('theirs', theirs);
  await restore();
  const back = performance.now();
  await show(dora.page, true);
  await isBack(dora, 'hidden, HTTP/2', back);
  assert.equal(streams.length, 0, 'over HTTP/2 a hidden page keeps its stream');
}

async function laptop() {
  const net = kept(await network(w.stack));
  const browser = kept(await launch(net.flag));
  const emil = await reader('emil', { browser });
  const restore = await unsent(emil);
  await writeAway(emil);
  // A browser that is told of the sleep closes what it does not use; one that is stopped cannot, so the gateway does it first.
  await until('only the stream is open', () => net.connections === 1, 20_000);
  await asleep(browser, async () => {
    net.stall();
    await meanwhile(emil, ASLEEP);
  });
  const back = performance.now();
  await restore();
  await isBack(emil, 'asleep', back);
}

story(
  'f45 a browser that was offline, hidden or asleep goes on where it was',
  async () => {
    const begun = performance.now();
    await Promise.all([offline(), hidden(), hiddenOverHttp2(), laptop()]);
    const results = process.env.AJET_FAULT_RESULTS;
    const seed = Number(process.env.AJET_FAULT_SEED ?? 0);
    const record = { id: 'F45', seed, long: LONG, took_ms: Math.round(performance.now() - begun), numbers };
    if (results) await appendFile(results, `${JSON.stringify(record)}\n`);
  },
  { timeout: AWAY + 90_000 },
);
