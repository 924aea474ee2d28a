// The network between a browser and the gateway, which a test can cut. Chromium's own offline mode lets streams that
// are open already live on, so this is a real TCP relay; `--host-resolver-rules` leads the browser through it, and
// neither the page nor the server sees anything but their own addresses.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as ask } from 'node:http';
import { createSecureServer } from 'node:http2';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { promisify } from 'node:util';

/** A relay to the stack's gateway. */
export async function network(stack) {
  const { hostname, port } = new URL(stack.url);
  const open = new Set();
  let isUp = true;
  // The gateway answers to its own name only. What was given the relay's address names that one; a browser never does.
  const renamed = () =>
    new Transform({
      transform(piece, _, done) {
        done(null, Buffer.from(piece.toString('latin1').replaceAll(`127.0.0.1:${server.address().port}`, `${hostname}:${port}`), 'latin1'));
      },
    });
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
    gateway.on('close', () => browser.stalled || browser.destroy());
    browser.on('stall', () => gateway.destroy());
    // "close" follows each of them and says enough.
    browser.on('error', () => {});
    gateway.on('error', () => {});
    browser.setNoDelay(true);
    gateway.setNoDelay(true);
    browser.pipe(renamed()).pipe(gateway).pipe(browser);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    /** What makes Chromium go through it. */
    flag: `--host-resolver-rules=MAP ${hostname}:${port} 127.0.0.1:${server.address().port}`,
    /** Its address, for programs that can be told one. */
    url: `http://127.0.0.1:${server.address().port}`,
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
    /** Every connection there is falls silent without an end, as when an address was given away while a laptop slept. */
    stall() {
      for (const browser of open) {
        browser.stalled = true;
        browser.unpipe();
        browser.resume();
        browser.emit('stall');
      }
    },
    /** Ends it. */
    async close() {
      this.cut();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The gateway as it stands behind a proxy that speaks HTTP/2, which browsers take over TLS only. */
export async function overHttp2(stack) {
  const gateway = new URL(stack.url);
  const sessions = new Set();
  const server = createSecureServer(await certificate(), (request, response) => {
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith(':')));
    headers.host = gateway.host;
    if (headers.origin) headers.origin = gateway.origin;
    const { method, url: path } = request;
    const asked = ask({ host: gateway.hostname, port: gateway.port, method, path, headers }, (answer) => {
      const { connection, 'keep-alive': _, 'transfer-encoding': __, ...kept } = answer.headers;
      response.writeHead(answer.statusCode, kept);
      answer.pipe(response);
    });
    asked.on('error', () => response.stream.close());
    response.on('close', () => asked.destroy());
    request.pipe(asked);
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => sessions.forEach((session) => session.destroy());
  return {
    /** The stack as a browser finds it there. */
    stack: { ...stack, url: `https://127.0.0.1:${server.address().port}` },
    /** Ends every connection there is. */
    cut,
    /** Ends it. */
    async close() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A certificate that nobody has to trust. */
async function certificate() {
  const folder = await mkdtemp(join(tmpdir(), 'ajet-e2e-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  await promisify(execFile)('openssl', ['req', '-x509', ...curve, '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1', '-keyout', key, '-out', cert]);
  const made = { key: await readFile(key), cert: await readFile(cert) };
  await rm(folder, { recursive: true });
  return made;
}
