// A test as a story about people: pictures are taken when it fails, and it fails too when something went wrong behind
// the pages.

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';

import { Person } from './browser.js';
import { artefacts } from './settings.js';

/** One test. */
export function story(name, tell, { timeout = 90_000 } = {}) {
  test(name, { timeout }, async (t) => {
    const problems = () =>
      [...Person.everybody].flatMap((person) => person.takeProblems().map((problem) => `${person.login}: ${problem}`));
    try {
      await tell(t);
      const found = problems();
      assert.ok(found.length === 0, `something went wrong behind the pages:\n${found.join('\n')}`);
    } catch (error) {
      await pictures(name, problems());
      throw error;
    }
  });
}

async function pictures(name, problems) {
  const folder = join(artefacts, 'failures', basename(process.argv[1], '.test.js'));
  await mkdir(folder, { recursive: true });
  const title = name.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 60);
  for (const { login, context } of Person.everybody) {
    for (const [index, page] of context.pages().entries()) {
      const file = join(folder, `${title}--${login}-${index}`);
      // The page may be gone or stuck; the first error is the one that counts.
      await page.screenshot({ path: `${file}.png`, timeout: 5_000 }).catch(() => {});
      const html = await page.content().catch((error) => String(error));
      await writeFile(`${file}.html`, `<!-- ${page.url()}\n${problems.join('\n')}\n-->\n${html}`).catch(() => {});
    }
  }
}
