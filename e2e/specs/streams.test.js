// The rules between the page, Datastar and its stream: T-DS-1 to 6 of delivery-and-security.md section 2.9, and streams over HTTP/2.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Person } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { overHttp2 } from '../lib/cut.js';
import { story } from '../lib/story.js';
import { until } from '../lib/wait.js';
import { world } from '../lib/world.js';

/** The page is back within this time once the network or its reader is, with some more for a busy machine. */
const BACK = 8_000;

let w;
let relay;
let ada;
let ben;
let channel;
let adas;
let bens;
/** What the next streams of Ada's page are answered; none: what the server answers. */
let answer;
/** Her page's requests for a stream: when, and after which event. */
let asked;

const events = (...blocks) => ({ status: 200, contentType: 'text/event-stream', body: blocks.map((block) => `${block}\n\n`).join('') });
const at = (position) => `event: datastar-patch-signals\ndata: signals {"_at":"${position}"}\nid: ${position}`;

/** Headless pages are always on screen, so a page is told that it is not. */
const show = (page, shown) =>
  page.evaluate((shown) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => !shown });
    document.dispatchEvent(new Event('visibilitychange'));
  }, shown);

before(async () => {
  w = await world('streams');
  relay = await overHttp2(w.stack);
  [ada, ben] = [await w.newcomer('ada'), await w.newcomer('ben')];
  channel = await w.channel('rules', ada, ben);
  await ada.page.route('**/sse?*', async (route) => {
    const after = (await route.request().allHeaders())['last-event-id'];
    asked.push({ when: performance.now(), after });
    await (answer ? route.fulfill(answer) : route.continue()).catch(() => {});
  });
  bens = await Conversation.open(ben, w.path(channel));
  ada.expectProblems(/net::ERR_|network error|Failed to fetch|status of 503|^503: /);
});

after(async () => {
  await relay?.close();
  await w?.close();
});

/** Ada's page, new, whose streams are answered so. */
async function begin(first) {
  // The page of before asks no more.
  await ada.page.goto('about:blank');
  [answer, asked] = [first, []];
  adas = new Conversation(ada);
  await ada.goto(w.path(channel));
  await adas.input.waitFor();
}

const gaps = () => asked.slice(1).map(({ when }, index) => when - asked[index].when);

story('T-DS-1 a stream that ends in order is opened again, after the last event', async () => {
  await begin(events('retry: 50', at('7.9')));
  await until('it asks again', () => asked.length > 2);
  assert.deepEqual(asked.slice(0, 3).map(({ after }) => after), [undefined, '7.9', '7.9']);
});

story('T-DS-2 a hidden page lets go of its stream, and shown again it has what was said meanwhile', async () => {
  await begin(null);
  await adas.ready();
  await bens.send('seen by ada');
  await adas.seen('seen by ada');
  const ended = ada.page.waitForEvent('requestfailed', (request) => request.url().includes('/sse?'));
  await show(ada.page, false);
  await ended;
  await bens.send('said behind her back');
  await bens.seen('said behind her back');
  assert.equal(await adas.row('said behind her back').count(), 0);
  const shown = performance.now();
  await show(ada.page, true);
  await adas.seen('said behind her back');
  assert.ok(performance.now() - shown < BACK);
  assert.equal(asked.length, 2);
  assert.match(asked[1].after, /^\d+\.\d+$/);
  await bens.send('and live again');
  await adas.seenExactly('and live', ['and live again']);
});

story('T-DS-3 neither after 204 nor after a page does it ask again', async () => {
  for (const last of [{ status: 204 }, { status: 200, contentType: 'text/html', body: '<div id="banner" role="status">You are signed out.</div>' }]) {
    await begin(events('retry: 1', at('7.9')));
    await until('it asks again', () => asked.length > 2);
    // Listened for before the last answer can be had: it may come within a millisecond.
    await ada.page.evaluate(() => {
      globalThis.finished = new Promise((done) => document.addEventListener('datastar-fetch', ({ detail }) => detail.type === 'finished' && done()));
    });
    answer = last;
    await ada.page.evaluate(() => globalThis.finished);
    const times = asked.length;
    await ada.page.evaluate(() => dispatchEvent(new Event('online')));
    await show(ada.page, false);
    await show(ada.page, true);
    // It would ask again after a millisecond.
    await ada.page.evaluate(() => new Promise((done) => setTimeout(done, 300)));
    assert.equal(asked.length, times);
  }
  await ada.page.getByText('You are signed out.').waitFor();
});

story('T-DS-4 and 5 a server that refuses is asked less and less often, and never given up', async () => {
  await begin(events('retry: 1', at('7.9')));
  await until('it asks again', () => asked.length > 2);
  answer = { status: 503 };
  asked = [];
  await until('it was refused thirteen times', () => asked.length >= 13, 40_000);
  const pauses = gaps();
  assert.ok(pauses.at(-1) > 1_500 && pauses.at(-2) > 700, `${pauses.map(Math.round)}`);
  await ada.page.locator('#banner').filter({ hasText: /reconnecting/i }).waitFor();
  // The network is back: nobody waits for the rest of a pause.
  answer = null;
  const back = performance.now();
  await ada.page.evaluate(() => dispatchEvent(new Event('online')));
  await adas.ready();
  assert.ok(performance.now() - back < BACK);
  await until('the banner is gone', async () => (await ada.page.locator('#banner').innerText()).trim() === '');
});

story('T-DS-6 it comes back when the server says', async () => {
  await begin(events('retry: 300', at('7.9')));
  await until('it asked six times', () => asked.length >= 6);
  assert.ok(gaps().slice(1, 5).every((gap) => gap > 280 && gap < 1_500), `${gaps().map(Math.round)}`);
});

story('what the server says about itself stands on the page until it is live again', async () => {
  const notice = 'event: datastar-patch-elements\ndata: elements <div id="banner" role="status"><div class="banner info">The server restarts.</div></div>';
  await begin(events('retry: 60000', notice));
  await ada.page.getByText('The server restarts.').waitFor();
  answer = null;
  await ada.page.evaluate(() => dispatchEvent(new Event('online')));
  await adas.ready();
  await until('the banner is gone', async () => (await ada.page.locator('#banner').innerText()).trim() === '');
});

story('over HTTP/2 a hidden page stays live, and its stream is mended while it is hidden', async () => {
  const eve = await Person.visitor(w.browser, relay.stack, { login: 'streams-eve', context: { ignoreHTTPSErrors: true } });
  eve.expectProblems(/net::ERR_|network error|Failed to fetch/);
  const cookies = (await ben.context.cookies()).map(({ name, value }) => ({ name, value, url: relay.stack.url, httpOnly: true, sameSite: 'Strict' }));
  await eve.context.addCookies(cookies);
  const eves = await Conversation.open(eve, w.path(channel));
  assert.equal(await eve.page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol), 'h2');
  const api = await ada.api();
  await show(eve.page, false);
  await api.say(channel, 'to a hidden page');
  await eves.seen('to a hidden page');
  relay.cut();
  await api.say(channel, 'to a mended page');
  await eves.seen('to a mended page');
  // Shown, it is what it was: no second stream.
  const streams = [];
  eve.page.on('request', (request) => request.url().includes('/sse?') && streams.push(request));
  await show(eve.page, true);
  await api.say(channel, 'to a shown page');
  await eves.seen('to a shown page');
  assert.equal(streams.length, 0);
  await eve.context.close();
});

story('the page of one who is signed out neither hears nor says anything as who signed in next', async () => {
  const eve = await w.newcomer('eve');
  eve.expectProblems(/status of 401|net::ERR_|network error|Failed to fetch/);
  await (await eve.api()).post(`channels/${channel.id}/join`);
  const eves = await Conversation.open(eve, w.path(channel));
  const hers = await eve.context.cookies();
  await eve.context.addCookies(await ben.context.cookies());
  const answered = eve.page.waitForResponse((response) => /\/messages$/.test(response.url()));
  await eves.send('written by Eve');
  assert.equal((await answered).status(), 401);
  // A hidden page has let go of its stream, and knows of nothing when it comes back.
  await show(eve.page, false);
  await show(eve.page, true);
  await eve.page.locator('#banner').filter({ hasText: 'You are signed out' }).waitFor();
  await (await ben.api()).say(channel, 'not for her page');
  await bens.seen('not for her page');
  assert.equal(await eves.row('not for her page').count(), 0);
  assert.equal(await bens.row('written by Eve').count(), 0);
  // Herself again, she says it.
  await eve.context.addCookies(hers);
  await Conversation.open(eve, w.path(channel));
  const id = await bens.seen('written by Eve');
  const { author } = await (await ben.api()).get(`messages/${id}`);
  assert.equal(author.username, 'streams-eve');
  await eve.context.close();
});

story('a page that was opened in the background and is looked at at once keeps its stream', async () => {
  const page = await ben.context.newPage();
  // The clocks of a hidden page are late: the one that is set where its stream begins strikes when it is looked at.
  await page.addInitScript(() => {
    let [hidden, holding] = [true, false];
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    const [soon, late] = [window.setTimeout, []];
    window.setTimeout = (work, ...rest) => (holding ? late.push(work) : soon(work, ...rest));
    const held = (begin) => () => {
      holding = hidden;
      const options = begin();
      holding = false;
      return options;
    };
    Object.defineProperty(HTMLDivElement.prototype, 'line', {
      set(begin) {
        Object.defineProperty(this, 'line', { value: held(begin) });
      },
    });
    window.lookAtIt = () => {
      hidden = false;
      document.dispatchEvent(new Event('visibilitychange'));
      for (const work of late.splice(0)) work();
    };
  });
  const cut = [];
  page.on('requestfailed', (request) => request.url().includes('/sse?') && cut.push(request));
  await page.goto(new URL(w.path(channel), ben.home).href);
  await ben.live(page);
  await page.evaluate(() => window.lookAtIt());
  await (await ada.api()).say(channel, 'to a page of the background');
  await new Conversation(ben, page).seen('to a page of the background');
  assert.equal(cut.length, 0, 'its stream was cut');
  await page.close();
});
