// Everything by keyboard, with the keys of the design (§10).

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Conversation } from '../lib/conversation.js';
import { story } from '../lib/story.js';
import { until, untilEqual } from '../lib/wait.js';
import { world } from '../lib/world.js';

let w;
let ada;
let first;
let second;
let adas;

before(async () => {
  w = await world('keys');
  ada = await w.newcomer('ada');
  first = await w.channel('first', ada);
  second = await w.channel('second', ada);
  adas = await Conversation.open(ada, w.path(first));
});

after(() => w?.close());

const focused = () => ada.page.evaluate(() => document.activeElement?.id || document.activeElement?.className);
const editor = () => ada.page.locator('#messages textarea');

story('Enter sends, Shift+Enter makes a line', async () => {
  await adas.input.focus();
  await ada.page.keyboard.type('above');
  await ada.page.keyboard.press('Shift+Enter');
  await ada.page.keyboard.type('below');
  assert.equal(await adas.input.inputValue(), 'above\nbelow');
  await ada.page.keyboard.press('Enter');
  await adas.seen('above');
  assert.equal(await adas.input.inputValue(), '');
  assert.match(await adas.row('above').locator('.prose').innerText(), /above\s*\n\s*below/);
  assert.equal(await focused(), 'composer-input', 'one can go on writing');
});

story('an empty message is not sent', async () => {
  const before = await adas.rows.count();
  await adas.input.focus();
  await ada.page.keyboard.press('Enter');
  await ada.page.keyboard.type('   ');
  await ada.page.keyboard.press('Enter');
  await adas.input.fill('marker');
  await ada.page.keyboard.press('Enter');
  await adas.seen('marker');
  assert.equal(await adas.rows.count(), before + 1);
});

story('Enter that ends a composition sends nothing', async () => {
  await adas.input.fill('にほん');
  await adas.input.evaluate((input) =>
    input.dispatchEvent(
      new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, keyCode: 229, bubbles: true, cancelable: true }),
    ),
  );
  assert.equal(await adas.input.inputValue(), 'にほん');
  assert.equal(await adas.row('にほん').count(), 0);
  await adas.input.fill('');
});

story('↑ in an empty box edits my last message; Esc leaves it as it was, Enter saves', async () => {
  await adas.send('my last words');
  const id = await adas.seen('my last words');
  await adas.input.focus();
  await ada.page.keyboard.press('ArrowUp');
  await editor().waitFor();
  await until('the editor has focus', () => editor().evaluate((box) => box === document.activeElement));
  assert.equal(await editor().inputValue(), 'my last words');
  await ada.page.keyboard.type(' or not');
  await ada.page.keyboard.press('Escape');
  await editor().waitFor({ state: 'detached' });
  await untilEqual('unchanged', 'my last words', async () => (await ada.page.locator(`#message-${id} .prose`).innerText()).trim());
  await until('focus is back', async () => (await focused()) === 'composer-input');

  await ada.page.keyboard.press('ArrowUp');
  await editor().waitFor();
  await ada.page.keyboard.press('End');
  await ada.page.keyboard.type(', really');
  await ada.page.keyboard.press('Enter');
  await ada.page.locator(`#message-${id}`).filter({ hasText: 'my last words, really' }).waitFor();
  await editor().waitFor({ state: 'detached' });
});

story('↑ in a box with text only moves the cursor', async () => {
  await adas.input.fill('text');
  await ada.page.keyboard.press('ArrowUp');
  assert.equal(await editor().count(), 0);
  await adas.input.fill('');
});

story('Esc goes to the list, j and k move there, e edits, i comes back', async () => {
  await adas.send('list one');
  const one = await adas.seen('list one');
  await adas.send('list two');
  const two = await adas.seen('list two');
  await adas.input.focus();
  await ada.page.keyboard.press('Escape');
  await untilEqual('the newest has focus', `message-${two}`, focused);
  await ada.page.keyboard.press('k');
  await untilEqual('one up', `message-${one}`, focused);
  await ada.page.keyboard.press('j');
  await untilEqual('one down', `message-${two}`, focused);
  await ada.page.keyboard.press('ArrowUp');
  await untilEqual('one up again', `message-${one}`, focused);
  await ada.page.keyboard.press('e');
  await ada.page.locator(`#message-${one} textarea`).waitFor();
  await ada.page.keyboard.press('Escape');
  await editor().waitFor({ state: 'detached' });
  await ada.page.locator(`#message-${one}`).focus();
  await ada.page.keyboard.press('i');
  await untilEqual('back in the box', 'composer-input', focused);
});

story('letters of the list are letters in the box', async () => {
  await adas.input.focus();
  await ada.page.keyboard.type('jke');
  assert.equal(await adas.input.inputValue(), 'jke');
  assert.equal(await editor().count(), 0);
  await adas.input.fill('');
});

story('Alt+↓ and Alt+↑ change the channel', async () => {
  const order = await ada.page
    .locator('#channel-list .nav-item .name')
    .allInnerTexts();
  const next = order[order.indexOf(first.name) + 1];
  assert.ok(next, `${first.name} is not the last of ${order}`);
  await adas.input.focus();
  await ada.page.keyboard.press('Alt+ArrowDown');
  await ada.page.waitForURL(`**/channels/${next}`);
  await adas.ready();
  await ada.page.keyboard.press('Alt+ArrowUp');
  await ada.page.waitForURL(`**${w.path(first)}`);
  await adas.ready();
  assert.ok(order.includes(second.name));
});

story('the first stop of Tab is the way to the content', async () => {
  await ada.page.reload();
  await adas.ready();
  // Not by pressing Tab: the message box has focus from the start, and that is where Tab would go on from.
  const first = await ada.page.evaluate(() => {
    const stops = [...document.querySelectorAll('a[href], button, input, textarea, [tabindex]')];
    const stop = stops.find((element) => element.tabIndex >= 0 && element.checkVisibility());
    stop.focus();
    return stop.innerText;
  });
  assert.match(first, /skip to content/i);
  await ada.page.keyboard.press('Enter');
  await untilEqual('in the content', 'main', focused);
});

story('the whole list is one stop of Tab', async () => {
  const stops = await ada.page.locator('#messages > .msg').evaluateAll(
    (rows) => rows.filter((row) => row.tabIndex === 0).length,
  );
  assert.ok(stops <= 1, `${stops} rows are stops`);
});

story('new messages are spoken, mine are not', async () => {
  const announcer = ada.page.locator('#announcer');
  await w.owner.post(`channels/${first.id}/join`).catch(() => {});
  await w.owner.say(first, 'Say this aloud');
  await announcer.filter({ hasText: 'Ola Brandt: Say this aloud' }).waitFor({ state: 'attached' });
  await adas.send('do not say this');
  await adas.seen('do not say this');
  assert.doesNotMatch(await announcer.innerText(), /do not say this/);
});
