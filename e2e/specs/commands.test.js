// Commands, and what the box offers while one writes: by keyboard, by touch, for a screen reader.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { PHONE } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { accessible, noSidewaysScroll, picture } from '../lib/looks.js';
import { story } from '../lib/story.js';
import { until, untilEqual } from '../lib/wait.js';
import { world } from '../lib/world.js';

let w;
let ada;
let ben;
let eve;
let room;
let adas;
let bens;

before(async () => {
  w = await world('cmd');
  [ada, ben, eve] = [await w.newcomer('ada'), await w.newcomer('ben'), await w.newcomer('eve')];
  room = await w.channel('room', ada, ben);
  [adas, bens] = await Promise.all([Conversation.open(ada, w.path(room)), Conversation.open(ben, w.path(room))]);
});

after(() => w?.close());

const options = (page) => page.locator('#autocomplete [role=option]');
const names = (page) => options(page).locator('.ins').allInnerTexts();
const chosen = (page) => page.locator('#autocomplete [aria-selected=true] .ins').innerText();

/** Types into an empty box. */
async function type(conversation, text) {
  await conversation.input.fill('');
  await conversation.input.pressSequentially(text);
}

story('a slash offers the commands, and letters narrow them', async () => {
  await type(adas, '/');
  await options(ada.page).first().waitFor();
  await type(adas, '/to');
  await until('only what begins so', async () => {
    const shown = await names(ada.page);
    return shown.length > 0 && shown.every((name) => name.startsWith('/to'));
  });
  const topic = options(ada.page).filter({ hasText: '/topic' });
  assert.match(await topic.innerText(), /\[text\]/, 'how it is written');
  assert.match(await topic.innerText(), /channel/, 'what it does');
  assert.equal(await options(ada.page).filter({ hasText: '/token' }).count(), 0, 'a member is not offered what admins may');
  await type(adas, '/nothing-like-it');
  await ada.page.locator('#autocomplete-box').filter({ hasText: 'No command matches' }).waitFor();
  await adas.input.fill('');
  await ada.page.locator('#autocomplete-box').waitFor({ state: 'detached' });
});

story('the keys choose, take and close, and a screen reader follows', async () => {
  const { page } = ada;
  await type(adas, '/m');
  await options(page).nth(1).waitFor();
  assert.equal(await adas.input.getAttribute('aria-autocomplete'), 'list');
  assert.equal(await adas.input.getAttribute('aria-controls'), 'autocomplete');
  const first = await chosen(page);
  const active = () => adas.input.getAttribute('aria-activedescendant');
  assert.equal(await active(), 'ac-1');
  await page.keyboard.press('ArrowDown');
  assert.equal(await active(), 'ac-2');
  assert.notEqual(await chosen(page), first);
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  assert.equal(await active(), `ac-${await options(page).count()}`, 'round the end');
  await page.locator('#announcer').filter({ hasText: /suggestion/ }).waitFor({ state: 'attached' });
  await page.keyboard.press('Escape');
  await page.locator('#autocomplete-box').waitFor({ state: 'detached' });
  assert.equal(await active(), null);
  await adas.input.pressSequentially('s');
  assert.equal(await page.locator('#autocomplete-box').count(), 0, 'closed for this word');
  await type(adas, '/top');
  await options(page).first().waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await adas.input.inputValue(), '/topic ');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'composer-input');
});

story('arguments are completed: people, channels, words, commands', async () => {
  const { page } = ada;
  await type(adas, '/msg @cmd-b');
  await options(page).filter({ hasText: '@cmd-ben' }).waitFor();
  await page.keyboard.press('Enter');
  assert.equal(await adas.input.inputValue(), '/msg @cmd-ben ');
  await type(adas, '/msg cmd-b');
  await options(page).filter({ hasText: '@cmd-ben' }).waitFor();
  await type(adas, '/join gen');
  await options(page).filter({ hasText: '#general' }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await adas.input.inputValue(), '/join #general ');
  await type(adas, '/help to');
  await options(page).filter({ hasText: '/topic' }).first().waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await adas.input.inputValue(), '/help topic ');
  // What takes a text says how it is written and is not in the way of Enter.
  await type(adas, '/topic some');
  await page.locator('#autocomplete-box').filter({ hasText: '/topic [text]' }).waitFor();
  assert.equal(await options(page).count(), 0);
  await adas.input.fill('');
});

story('people of the channel come first, then the others; channels and emoji as well', async () => {
  const { page } = ada;
  await type(adas, 'ask @cmd');
  await options(page).filter({ hasText: '@cmd-eve' }).waitFor();
  const shown = await names(page);
  assert.deepEqual(shown.slice(0, 2).toSorted(), ['@cmd-ada', '@cmd-ben']);
  assert.ok(shown.indexOf('@cmd-eve') > 1);
  assert.match(await options(page).filter({ hasText: '@cmd-eve' }).innerText(), /not in this channel/);
  await page.keyboard.press('ArrowDown');
  const wanted = await chosen(page);
  await page.keyboard.press('Enter');
  assert.equal(await adas.input.inputValue(), `ask ${wanted} `);
  await type(adas, 'see #gene');
  await options(page).filter({ hasText: '#general' }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await adas.input.inputValue(), 'see #general ');
  await type(adas, 'a :s');
  assert.equal(await page.locator('#autocomplete-box').count(), 0, 'one letter is no emoji');
  await type(adas, 'off we go :roc');
  await options(page).filter({ hasText: '🚀' }).waitFor();
  await page.keyboard.press('Enter');
  assert.equal(await adas.input.inputValue(), 'off we go 🚀 ');
  await type(adas, '```');
  await page.keyboard.press('Shift+Enter');
  await adas.input.pressSequentially('@cmd');
  assert.equal(await page.locator('#autocomplete-box').count(), 0, 'code calls nobody');
  await type(adas, 'mail me@cmd');
  assert.equal(await page.locator('#autocomplete-box').count(), 0, 'an address calls nobody');
  await adas.input.fill('');
});

story('an answer is a note for me alone, and goes when it is dismissed', async () => {
  const before = await bens.rows.count();
  await adas.send('/help');
  const note = ada.page.locator('.answer');
  await note.filter({ hasText: 'Only you see this' }).filter({ hasText: '/topic' }).waitFor();
  assert.equal(await adas.input.inputValue(), '');
  await accessible(ada.page, 'an answer');
  await ada.page.reload();
  await adas.ready();
  assert.equal(await note.count(), 0, 'it is stored nowhere');
  await adas.send('/help');
  await note.getByRole('button', { name: 'Dismiss' }).click();
  await note.waitFor({ state: 'detached' });
  assert.equal(await ada.page.evaluate(() => document.activeElement.id), 'composer-input');
  assert.equal(await bens.rows.count(), before, 'nobody else saw anything');
  assert.equal(await ben.page.locator('.answer').count(), 0);
});

story('an unknown command stays in the box, with what it may have meant', async () => {
  ada.expectProblems(/status of 422/);
  await adas.send('/topik new');
  const note = ada.page.locator('.answer.bad');
  await note.filter({ hasText: '/topic' }).waitFor();
  assert.equal(await adas.input.inputValue(), '/topik new');
  assert.equal(await adas.row('/topik').count(), 0, 'it is no message');
  await adas.send('/topic What the room is about');
  await ben.page.locator('#channel-topic').filter({ hasText: 'What the room is about' }).waitFor();
  await note.waitFor({ state: 'detached' });
});

story('two slashes make a message that begins with one', async () => {
  await adas.send('//usr/bin is a path');
  await bens.seen('/usr/bin is a path');
  await untilEqual('one slash', true, async () => (await bens.texts()).some((text) => text.trim() === '/usr/bin is a path'));
});

story('what somebody does is one line that begins with the name', async () => {
  await adas.send('/me waves at **Ben**');
  await bens.seen('waves at Ben');
  const row = ben.page.locator('.msg.act').filter({ hasText: 'waves at Ben' });
  const line = await row.evaluate((one) => {
    const top = (selector) => Math.round(one.querySelector(selector).getBoundingClientRect().top / 8);
    return { name: one.querySelector('.msg-author').innerText, apart: Math.abs(top('.msg-author') - top('.prose')) };
  });
  assert.match(line.name, /Cmd-ada/);
  assert.ok(line.apart <= 1, 'name and words stand on one line');
  await adas.send('and a message after it');
  await bens.seen('and a message after it');
  assert.ok(!(await bens.row('and a message after it').evaluate((one) => one.classList.contains('cont'))));
});

story('a command that leads elsewhere goes there', async () => {
  const other = await w.channel('other');
  await adas.send(`/join #${other.name}`);
  await ada.page.waitForURL(`**${w.path(other)}`);
  await adas.ready();
  await Conversation.open(ada, w.path(room));
});

story('a secret stays until it is dismissed', async () => {
  const ola = await w.demoPerson('ola');
  const general = await Conversation.open(ola, w.path({ name: 'general' }));
  await general.send('/token create for-the-spec');
  const secret = ola.page.locator('.answer.secret');
  await secret.filter({ hasText: 'not shown again' }).waitFor();
  const words = await secret.locator('code').allInnerTexts();
  const token = words.map((text) => text.trim()).find((text) => /\w{20}/.test(text));
  await ola.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await secret.getByRole('button', { name: 'Copy' }).click();
  await ola.page.locator('.toast').filter({ hasText: 'Copied' }).waitFor();
  assert.equal(await ola.page.evaluate(() => navigator.clipboard.readText()), token);
  await general.send('/help');
  await ola.page.locator('.answer').filter({ hasText: '/topic' }).waitFor();
  assert.equal(await secret.count(), 1);
  const stored = await ola.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!stored.includes(token), 'stored nowhere');
  await secret.getByRole('button', { name: 'Dismiss' }).click();
  await secret.waitFor({ state: 'detached' });
  await ola.context.close();
});

story('without a connection a command says so and stays', async () => {
  ada.expectProblems(/ERR_INTERNET_DISCONNECTED|Failed to fetch/);
  await type(adas, '/me vanishes');
  await options(ada.page).first().waitFor({ state: 'detached' });
  await ada.context.setOffline(true);
  await ada.page.keyboard.press('Enter');
  await ada.page.locator('.answer.bad').filter({ hasText: 'could not be reached' }).waitFor();
  assert.equal(await adas.input.inputValue(), '/me vanishes');
  await ada.context.setOffline(false);
  await ada.page.keyboard.press('Enter');
  await bens.seen('vanishes');
  await adas.seen('vanishes');
});

story('hostile names stay text in the list', async () => {
  await (await eve.api()).call('PATCH', 'me', { display_name: '<img src=x onerror=alert(1)> Eve' });
  await ada.page.reload();
  await adas.ready();
  await type(adas, '@cmd-e');
  await options(ada.page).filter({ hasText: '<img src=x' }).waitFor();
  assert.equal(await ada.page.locator('#autocomplete img[src="x"]').count(), 0);
  await adas.input.fill('');
});

story('on a phone the buttons begin, and a tap takes', async () => {
  const phone = await ben.elsewhere(w.browser, { hasTouch: true, isMobile: true, viewport: PHONE });
  const conversation = await Conversation.open(phone, w.path(room));
  const { page } = phone;
  await page.locator('#composer').getByRole('button', { name: 'Commands' }).tap();
  await options(page).first().waitFor();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await accessible(page, `commands on a phone, ${colorScheme}`);
    await picture(page, `composer-slash-phone-${colorScheme}`);
  }
  await noSidewaysScroll(page, 'commands on a phone');
  const inView = await page.locator('#autocomplete-box').evaluate((box) => box.getBoundingClientRect().top >= 0);
  assert.ok(inView, 'all of the list is on screen');
  await conversation.input.pressSequentially('top');
  await options(page).filter({ hasText: '/topic' }).tap();
  assert.equal(await conversation.input.inputValue(), '/topic ');
  await conversation.input.fill('');
  await page.locator('#composer').getByRole('button', { name: 'Mention someone' }).tap();
  await options(page).filter({ hasText: '@cmd-ada' }).tap();
  assert.equal(await conversation.input.inputValue(), '@cmd-ada ');
  await phone.context.close();
});

story('the lists look as they are drawn', async () => {
  const { page } = ada;
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await type(adas, '/t');
    await options(page).first().waitFor();
    await accessible(page, `commands, ${colorScheme}`);
    await picture(page, `composer-slash-wide-${colorScheme}`);
    await type(adas, 'Thanks! Could you send this to @');
    await options(page).first().waitFor();
    await accessible(page, `people, ${colorScheme}`);
    await picture(page, `composer-mention-wide-${colorScheme}`);
  }
  await adas.input.fill('');
});
