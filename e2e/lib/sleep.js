// A laptop that is closed: every process of a browser stands still, and its clock goes on.

import { readdir, readFile } from 'node:fs/promises';

/** The processes of a browser, from the first one down. */
async function processes(browser) {
  const control = await browser.newBrowserCDPSession();
  const { processInfo } = await control.send('SystemInfo.getProcessInfo');
  await control.detach();
  const all = processInfo.filter(({ type }) => type === 'browser').map(({ id }) => id);
  const parents = new Map();
  for (const name of await readdir('/proc')) {
    // One that has just ended has no parent any more.
    const stat = /^\d+$/.test(name) && (await readFile(`/proc/${name}/stat`, 'utf8').catch(() => ''));
    // The name before it may hold anything, but no `)` follows it.
    if (stat) parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]));
  }
  for (const parent of all) for (const [id, of] of parents) if (of === parent) all.push(id);
  return all;
}

/** Lets a browser sleep while something happens. */
export async function asleep(browser, happens) {
  const ids = await processes(browser);
  const tell = (signal) => {
    for (const id of ids) {
      try {
        process.kill(id, signal);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    }
  };
  tell('SIGSTOP');
  try {
    await happens();
  } finally {
    tell('SIGCONT');
  }
}
