// Two people in one channel: what one does, the other sees without reloading.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { PHONE } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { story } from '../lib/story.js';
import { until, untilEqual } from '../lib/wait.js';
import { world } from '../lib/world.js';

let w;
let ada;
let ben;
let channel;
let adas;
let bens;

before(async () => {
  w = await world('talk');
  [ada, ben] = [await w.newcomer('ada'), await w.newcomer('ben')];
  channel = await w.channel('room', ada, ben);
  [adas, bens] = await Promise.all([Conversation.open(ada, w.path(channel)), Conversation.open(ben, w.path(channel))]);
});

after(() => w?.close());

story('a message shows at once for its sender and once for everybody', async () => {
  // Every row that ever comes, in order: the echo of the form first, then the server's, never both for good.
  await ada.page.evaluate(() => {
    window.added = [];
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) {
        for (const { id } of addedNodes) if (/^(pending|message)-/.test(id ?? '')) window.added.push(id.split('-')[0]);
      }
    }).observe(document.querySelector('#messages'), { childList: true });
  });
  await adas.input.fill('Hello over there');
  const echo = await adas.input.evaluate((input) => {
    input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    const row = document.querySelector('#messages > [id^="pending-"]');
    return row && { text: row.innerText, draft: input.value };
  });
  assert.ok(echo, 'the row is there before the key press is over');
  assert.match(echo.text, /Hello over there/);
  assert.equal(echo.draft, '');

  const id = await adas.seen('Hello over there');
  assert.equal(await bens.seen('Hello over there'), id);
  await until('the echo is gone', async () => (await ada.page.locator('#messages > [id^="pending-"]').count()) === 0);
  assert.deepEqual(await ada.page.evaluate(() => window.added), ['pending', 'message']);

  await bens.send('Hello, I can read you');
  await adas.seen('Hello, I can read you');
  await adas.seenExactly('Hello', ['Hello over there', 'Hello, I can read you']);
});

story('many at once keep their order everywhere', async () => {
  const lines = Array.from({ length: 12 }, (_, index) => `burst ${String(index).padStart(2, '0')}`);
  for (const line of lines) await adas.send(line);
  await adas.seenExactly('burst', lines);
  await bens.seenExactly('burst', lines);
});

story('markdown is drawn, markup is text', async () => {
  await adas.input.fill('**bold** and `code` <b>not bold</b>\n\n```rust\nlet x = 1;\n```\n\n- one\n- two');
  await adas.input.press('Enter');
  const row = bens.row('not bold');
  await row.waitFor();
  assert.equal(await row.locator('.prose strong').innerText(), 'bold');
  assert.equal(await row.locator('.prose p code').innerText(), 'code');
  assert.match(await row.locator('.prose pre').innerText(), /let x = 1;/);
  assert.deepEqual(await row.locator('.prose li').allInnerTexts(), ['one', 'two']);
  assert.match(await row.locator('.prose p').first().innerText(), /<b>not bold<\/b>/);
});

story('messages of one author in a row are grouped', async () => {
  await bens.send('group one');
  await bens.seen('group one');
  await bens.send('group two');
  await bens.seen('group two');
  assert.ok(await bens.row('group two').evaluate((row) => row.classList.contains('cont')));
  await adas.seen('group two');
  assert.ok(await adas.row('group two').evaluate((row) => row.classList.contains('cont')));
});

story('both react, both see two, each knows their own', async () => {
  await adas.send('React to me');
  const id = await adas.seen('React to me');
  await bens.seen('React to me');
  const chip = (page) => page.locator(`#reactions-${id} .react`).filter({ hasText: '✅' });

  await (await adas.tool('React to me', /^React with ✅/)).click();
  await chip(ada.page).waitFor();
  await untilEqual('Ada knows that it is hers', 'true', () => chip(ada.page).getAttribute('aria-pressed'));
  await chip(ben.page).waitFor();
  assert.equal(await chip(ben.page).getAttribute('aria-pressed'), 'false');

  await chip(ben.page).click();
  for (const { page } of [ada, ben]) {
    await untilEqual('the count', true, async () => /2\s*$/.test(await chip(page).innerText()));
    await untilEqual('mine', 'true', () => chip(page).getAttribute('aria-pressed'));
  }
  await chip(ben.page).click();
  await untilEqual('one is left', true, async () => /1\s*$/.test(await chip(ada.page).innerText()));
  await untilEqual('Ben took his back', 'false', () => chip(ben.page).getAttribute('aria-pressed'));
});

story('a reaction is picked from the emoji picker', async () => {
  await bens.send('Pick one for me');
  const id = await bens.seen('Pick one for me');
  await adas.seen('Pick one for me');
  await (await adas.tool('Pick one for me', 'Add reaction')).click();
  const emoji = ada.page.locator('#emoji-picker').getByRole('button', { name: /👍|thumbs up/i }).first();
  await emoji.click();
  await ben.page.locator(`#reactions-${id} .react`).filter({ hasText: '👍' }).waitFor();
});

story('an edit shows everywhere with its mark', async () => {
  await adas.send('A typpo');
  const id = await adas.seen('A typpo');
  await bens.seen('A typpo');
  await (await adas.tool('A typpo', 'Edit')).click();
  const editor = ada.page.locator(`#message-${id} textarea`);
  await editor.fill('A typo, mended');
  await editor.press('Enter');
  for (const page of [ada.page, ben.page]) {
    const row = page.locator(`#message-${id}`);
    await row.filter({ hasText: 'A typo, mended' }).waitFor();
    await row.locator('.msg-edited').waitFor();
  }
  assert.equal(await ada.page.locator(`#message-${id} textarea`).count(), 0);
});

story('a deleted message goes everywhere', async () => {
  await adas.send('Not for long');
  const id = await adas.seen('Not for long');
  await bens.seen('Not for long');
  await (await adas.tool('Not for long', 'More actions')).click();
  await ada.page.getByRole('menuitem', { name: /^Delete/ }).click();
  await ada.page.getByRole('dialog').getByRole('button', { name: 'Delete message' }).click();
  for (const page of [ada.page, ben.page]) {
    await until('it is gone', async () => !(await page.locator(`#message-${id}`).allInnerTexts()).join().includes('Not for long'));
  }
  assert.equal(await bens.row('Not for long').count(), 0);
});

story('a reply in a thread counts at its root and shows in an open thread', async () => {
  await adas.send('Let us take this aside');
  const id = await adas.seen('Let us take this aside');
  await bens.seen('Let us take this aside');
  await (await bens.tool('Let us take this aside', 'Reply in thread')).click();
  await ben.page.waitForURL(`**${w.path(channel)}?thread=${id}`);
  await bens.ready();
  await ben.page.locator('#thread-input').fill('Here I am');
  await ben.page.locator('#thread-input').press('Enter');
  const replies = (page) => page.locator('#thread-messages > .msg[id^="message-"] .prose').allInnerTexts();
  await untilEqual('my reply', ['Here I am'], () => replies(ben.page));

  const summary = ada.page.locator(`#thread-summary-${id}`);
  await summary.filter({ hasText: '1 reply' }).waitFor();
  assert.equal(await adas.row('Here I am').count(), 0, 'a reply is not in the channel');
  await summary.click();
  await ada.page.waitForURL(`**?thread=${id}`);
  await adas.ready();
  await ada.page.locator('#thread-input').fill('And so am I');
  await ada.page.locator('#thread-input').press('Enter');
  for (const { page } of [ada, ben]) {
    await untilEqual('both replies', ['Here I am', 'And so am I'], () => replies(page));
    await page.locator(`#thread-summary-${id}`).filter({ hasText: '2 replies' }).waitFor();
  }
  for (const { page } of [ada, ben]) {
    await page.locator('#pane-close').click();
    await page.waitForURL(`**${w.path(channel)}`);
    assert.equal(await page.locator('#pane').count(), 0);
  }
  await Promise.all([adas.ready(), bens.ready()]);
});

story('who is there has a dot', async () => {
  const page = await ben.context.newPage();
  await page.goto(new URL(`${w.path(channel)}?members=1`, w.stack.url).href);
  const { id } = (await (await ada.api()).get('sync')).me;
  const row = page.locator(`#member-${id}`);
  await row.locator('.presence.on').waitFor();
  assert.match(await row.innerText(), /online/i);
  await page.close();
});

story('one sees the other type', async () => {
  const typing = ada.page.locator('#typing');
  await ben.page.bringToFront();
  await bens.input.pressSequentially('I am thin');
  await typing.filter({ hasText: 'Talk-ben' }).waitFor();
  await typing.filter({ hasText: 'typing' }).waitFor();
  await bens.input.pressSequentially('king');
  await bens.input.press('Enter');
  await adas.seen('I am thinking');
  await untilEqual('nobody types', '', async () => (await typing.innerText()).trim());
});

story('a draft survives a reload, and only in its own channel', async () => {
  await adas.input.fill('half a thou');
  await adas.input.press('End');
  await adas.input.pressSequentially('ght');
  await ada.page.reload();
  await adas.ready();
  await untilEqual('the draft', 'half a thought', () => adas.input.inputValue());
  const general = await Conversation.open(ada, w.path({ name: 'general' }));
  assert.equal(await general.input.inputValue(), '');
  await Conversation.open(ada, w.path(channel));
  await untilEqual('the draft is still there', 'half a thought', () => adas.input.inputValue());
  await adas.input.press('Enter');
  await bens.seen('half a thought');
  await ada.page.reload();
  await adas.ready();
  assert.equal(await adas.input.inputValue(), '', 'what is sent is no draft any more');
});

story('after a reload all is as it was', async () => {
  const before = await adas.texts();
  await ada.page.reload();
  await adas.ready();
  assert.deepEqual(await adas.texts(), before);
  await untilEqual('Ben has the same', before, () => bens.texts());
});

story('on a phone Enter makes a line and the button sends', async () => {
  const phone = await ben.elsewhere(w.browser, { hasTouch: true, isMobile: true, viewport: PHONE });
  const conversation = await Conversation.open(phone, w.path(channel));
  await conversation.input.tap();
  await phone.page.keyboard.type('from');
  await phone.page.keyboard.press('Enter');
  await phone.page.keyboard.type('my phone');
  assert.equal(await conversation.input.inputValue(), 'from\nmy phone');
  await phone.page.getByRole('button', { name: 'Send message' }).tap();
  await adas.seen('my phone');
  await conversation.seen('my phone');
  await phone.context.close();
});
