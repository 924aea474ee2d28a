// A long channel: older messages on the way up, and a pill for new ones below.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Conversation } from '../lib/conversation.js';
import { story } from '../lib/story.js';
import { until, untilEqual } from '../lib/wait.js';
import { world } from '../lib/world.js';

const LINES = Array.from({ length: 130 }, (_, index) => `line ${String(index).padStart(3, '0')}`);

let w;
let ada;
let ben;
let channel;
let adas;

before(async () => {
  w = await world('history');
  [ada, ben] = [await w.newcomer('ada'), await w.newcomer('ben')];
  channel = await w.channel('long', ada, ben);
  await (await ben.api()).sayAll(channel, LINES);
  await (await ada.api()).post(`channels/${channel.id}/read`, {
    up_to: (await (await ada.api()).get(`channels/${channel.id}/messages?limit=1`)).items.at(-1).id,
  });
  adas = await Conversation.open(ada, w.path(channel));
});

after(() => w?.close());

const scroll = (to) => ada.page.locator('#message-scroll').evaluate((box, top) => box.scrollTo(0, top), to);

story('the newest are shown first, at the end', async () => {
  const shown = await adas.texts();
  assert.equal(shown.at(-1), LINES.at(-1));
  assert.ok(shown.length <= 60, `the first view is small, not ${shown.length} messages`);
  assert.equal(await adas.distanceFromEnd(), 0);
});

story('scrolling up brings the older ones, once and in order, and the view does not jump', async () => {
  const seen = adas.row('line 090');
  await seen.scrollIntoViewIfNeeded();
  await until('all of them are there', async () => {
    // As somebody with a wheel would go: to the top of what there is.
    await scroll(-1e6);
    return (await adas.texts())[0] === LINES[0];
  });
  assert.deepEqual(await adas.texts(), LINES);
  assert.equal(await ada.page.locator('#history-top').count(), 0, 'the sentinel is gone at the start of history');
});

story('who reads old messages is not moved by new ones, but told of them', async () => {
  await scroll(-1e6);
  const before = await adas.distanceFromEnd();
  assert.ok(before > 500);
  const middle = adas.row('line 004');
  const place = async () => Math.round((await middle.boundingBox()).y);
  const at = await place();
  const api = await ben.api();
  await api.sayAll(channel, ['news one', 'news two']);
  const pill = ada.page.locator('.jump-latest');
  await pill.filter({ hasText: '2 new messages' }).waitFor();
  assert.equal(await place(), at, 'the page has not moved');
  await pill.click();
  await untilEqual('at the end', 0, () => adas.distanceFromEnd());
  await adas.seen('news two');
  await pill.waitFor({ state: 'hidden' });
});

story('who is at the end stays there, and sending goes there', async () => {
  await (await ben.api()).say(channel, 'one more');
  await adas.seen('one more');
  await untilEqual('at the end', 0, () => adas.distanceFromEnd());
  await scroll(-1e6);
  await until('scrolled up', async () => (await adas.distanceFromEnd()) > 500);
  await adas.send('my own words');
  await adas.seen('my own words');
  await untilEqual('at the end', 0, () => adas.distanceFromEnd());
});

story('a link to an old message opens around it', async () => {
  const old = (await (await ada.api()).get(`channels/${channel.id}/messages?limit=1`)).items;
  assert.equal(old.length, 1);
  const all = await ada.page.locator('#messages > .msg').evaluateAll((rows) => rows.map(({ id }) => id));
  const target = all[20].slice('message-'.length);
  const page = await ada.context.newPage();
  const conversation = await Conversation.open(ada, `${w.path(channel)}/m/${target}`, page);
  await page.locator(`#message-${target}`).waitFor();
  assert.match(await page.locator(`#message-${target}`).innerText(), /line 020/);
  const texts = await conversation.texts();
  assert.ok(texts.includes('line 019') && texts.includes('line 021'));
  await page.close();
});

story('who reads old messages still does when the page was drawn anew', async () => {
  await ada.page.goto(new URL(w.path(channel), ada.home).href);
  await adas.ready();
  const read = adas.row('line 020');
  await until('line 020 is there', async () => {
    await scroll(-1e6);
    return (await read.count()) === 1;
  });
  await read.evaluate((row) => row.scrollIntoView({ block: 'start' }));
  // A place that the server cannot know makes it draw everything anew.
  await ada.page.route('**/sse?*', async (route) => route.continue({ headers: { ...(await route.request().allHeaders()), 'last-event-id': '9999.1' } }).catch(() => {}), { times: 1 });
  const led = ada.page.waitForURL(/\/m\//);
  await ada.page.evaluate(() => dispatchEvent(new Event('online')));
  await led;
  await adas.ready();
  await read.waitFor();
  const [row, view] = [await read.boundingBox(), await ada.page.locator('#message-scroll').boundingBox()];
  assert.ok(row.y + row.height > view.y && row.y < view.y + view.height, 'line 020 is on the screen');
});
