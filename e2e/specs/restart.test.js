// Processes die under the conversation, on a stack of this file's own. People notice at most a banner.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { promisify } from 'node:util';

import { Api } from '../lib/api.js';
import { Person, launch } from '../lib/browser.js';
import { Conversation } from '../lib/conversation.js';
import { programs } from '../lib/settings.js';
import { killService, ownStack } from '../lib/stack.js';
import { story } from '../lib/story.js';
import { until } from '../lib/wait.js';

const BACK = 40_000;

let stack;
let browser;
let ola;
let mara;
let olas;
let maras;

before(async () => {
  [stack, browser] = await Promise.all([ownStack(), launch()]);
  const login = async (...words) => {
    const options = { env: { ...process.env, ...stack.environment } };
    const { stdout } = await promisify(execFile)(join(programs, 'xtask'), ['login', ...words], options);
    return stdout.trim();
  };
  const owner = new Api(stack, await login('ola', '--community', 'Harbour'));
  ola = await Person.signedIn(browser, stack, 'ola');
  mara = await Person.signedIn(browser, stack, 'mara', { invite: (await owner.invite()).code });
  const path = '/c/harbour/channels/general';
  [olas, maras] = await Promise.all([Conversation.open(ola, path), Conversation.open(mara, path)]);
  for (const person of [ola, mara]) {
    person.expectProblems(/net::ERR_|network error|Failed to fetch|status of 50[0-9]|^50[234]: /);
  }
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

for (const service of ['web-sm', 'api', 'auth-gw', 'nats', 'postgres']) {
  story(`${service} is killed: everything said before, meanwhile and after comes once and in order`, async () => {
    const lines = Array.from({ length: 9 }, (_, index) => `${service} ${index}`);
    await maras.input.fill('not yet sent');
    for (const line of lines.slice(0, 3)) await olas.send(line);
    await killService(stack, service);
    for (const line of lines.slice(3, 6)) await olas.send(line);
    await Promise.all([olas.ready(), maras.ready()]);
    for (const line of lines.slice(6)) await olas.send(line);
    await Promise.all([olas.seenExactly(service, lines, BACK), maras.seenExactly(service, lines, BACK)]);
    await maras.input.waitFor();
    if ((await maras.input.inputValue()) !== 'not yet sent') throw new Error('what I was writing is gone');
    await until('no row is left waiting', async () => (await ola.page.locator('#messages > [id^="pending-"]').count()) === 0);
  });
}
