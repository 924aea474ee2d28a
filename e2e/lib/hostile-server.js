// A server that lies: it passes everything on to the real one, and puts control characters into every text that a person would
// read. What a terminal prints must be harmless whoever runs the server (A71).

import { createServer, request } from 'node:http';

import { CONTROLS } from './corpus.js';

/** Fields that people read. Ids, times, addresses and what a client must parse stay as they are. */
const TEXTS = ['name', 'title', 'detail', 'topic', 'body_md', 'display_name', 'status_text', 'user_agent', 'filename', 'text', 'quote', 'slug', 'username'];

/**
 * Starts it before `stack`; `url` is its address, `spoilt` how many texts it has changed. Texts in `kept` stay as they are: by them a
 * command finds what it was told to show.
 */
export async function hostileServer(stack, kept = []) {
  const spoilt = { count: 0 };
  const spoil = (value, key) => {
    if (Array.isArray(value)) return value.map((item) => spoil(item, key));
    if (value && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, spoil(item, name)]));
    }
    if (typeof value !== 'string' || !TEXTS.includes(key) || kept.includes(value)) return value;
    return value + CONTROLS[spoilt.count++ % CONTROLS.length];
  };
  const spoilJson = (text) => {
    try {
      return JSON.stringify(spoil(JSON.parse(text)));
    } catch {
      return text;
    }
  };
  const spoilEvents = (text) => text.replaceAll(/^data:(.*)$/gm, (_, json) => `data: ${spoilJson(json)}`);
  const server = createServer((asked, answer) => {
    const target = new URL(asked.url, stack.url);
    const headers = { ...asked.headers, host: new URL(stack.url).host, 'accept-encoding': 'identity' };
    const onward = request(target, { method: asked.method, headers }, (got) => {
      const kind = got.headers['content-type'] ?? '';
      const head = { ...got.headers };
      delete head['content-length'];
      answer.writeHead(got.statusCode, head);
      if (kind.includes('event-stream')) {
        let rest = '';
        got.setEncoding('utf8');
        got.on('data', (piece) => {
          const whole = (rest + piece).split('\n\n');
          rest = whole.pop();
          for (const event of whole) answer.write(`${spoilEvents(event)}\n\n`);
        });
        got.on('end', () => answer.end(rest));
      } else {
        const pieces = [];
        got.on('data', (piece) => pieces.push(piece));
        got.on('end', () => {
          const body = Buffer.concat(pieces);
          answer.end(kind.includes('json') ? spoilJson(body.toString('utf8')) : body);
        });
      }
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    spoilt,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
