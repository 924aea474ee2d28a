// The network between a browser and the gateway, which a test can cut. Chromium's own offline mode lets streams that
// are open already live on, so this is a real TCP relay; `--host-resolver-rules` leads the browser through it, and
// neither the page nor the server sees anything but their own addresses.

import { connect, createServer } from 'node:net';
import { once } from 'node:events';

/** A relay to the stack's gateway. */
export async function network(stack) {
  const { hostname, port } = new URL(stack.url);
  const open = new Set();
  let isUp = true;
  const server = createServer((browser) => {
    if (!isUp) {
      browser.resetAndDestroy();
      return;
    }
    const gateway = connect(Number(port), hostname);
    open.add(browser);
    browser.on('close', () => {
      open.delete(browser);
      gateway.destroy();
    });
    gateway.on('close', () => browser.destroy());
    // "close" follows each of them and says enough.
    browser.on('error', () => {});
    gateway.on('error', () => {});
    browser.setNoDelay(true);
    gateway.setNoDelay(true);
    browser.pipe(gateway).pipe(browser);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    /** What makes Chromium go through it. */
    flag: `--host-resolver-rules=MAP ${hostname}:${port} 127.0.0.1:${server.address().port}`,
    /** How many connections there are. */
    get connections() {
      return open.size;
    },
    /** Resets every connection, and every new one until `restore`. */
    cut() {
      isUp = false;
      for (const browser of open) browser.resetAndDestroy();
    },
    /** Lets connections through again. */
    restore() {
      isUp = true;
    },
    /** Ends it. */
    async close() {
      this.cut();
      server.close();
      await once(server, 'close');
    },
  };
}
