// What clients are told when something fails is kept in the run folder: the sweep at the end of the tier looks into it for
// secrets and for the names of private channels (e2e/nets/tests/sweeps.rs).

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

/** As the nets call it, who write to the same file. */
const FILE = 'error-bodies.jsonl';

/** Keeps one answer. `user_id` is whoever read it, when that is known. */
export function recordError(stack, { client, userId, method, url, status, body }) {
  const record = { client, user_id: userId, method, path: new URL(url).pathname, status, body };
  // An invite's code stands in the address of its page: the caller knows it, and it is no leak.
  if (record.path.startsWith('/invite/')) record.path = '/invite/*';
  appendFileSync(join(stack.runDir, FILE), `${JSON.stringify(record)}\n`);
}
