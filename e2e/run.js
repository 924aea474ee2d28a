// `npm test [-- PART…]`: runs the specs whose file names contain one of PART, all of them without, two files at a time,
// and ends with the plain totals that `cargo xtask test` adds up.

import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import { spec as Spec } from 'node:test/reporters';

import { artefacts } from './lib/settings.js';

const FILES_AT_A_TIME = 2;
// A fault in full length takes minutes.
const TIMEOUT = process.env.AJET_FAULT_LONG === undefined ? 240_000 : 900_000;
// The slowest files first, so that none of them is left over at the end.
const ORDER = ['first-run', 'restart', 'pages', 'connection', 'f45'];

const folder = join(import.meta.dirname, 'specs');
const rank = (file) => (ORDER.findIndex((name) => file.startsWith(name)) + ORDER.length + 1) % (ORDER.length + 1);
const parts = process.argv.slice(2);
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort((a, b) => rank(a) - rank(b));
if (files.length === 0) {
  console.error(`no spec has a name with ${parts.join(' or ')} in it`);
  process.exit(2);
}

await rm(join(artefacts, 'failures'), { recursive: true, force: true });
const begun = Date.now();
const totals = new Map();
const events = run({ files: files.map((file) => join(folder, file)), concurrency: FILES_AT_A_TIME, timeout: TIMEOUT });
events.on('test:diagnostic', ({ message }) => {
  const [, name, number] = /^(pass|fail|cancelled) (\d+)$/.exec(message) ?? [];
  if (name) totals.set(name, Number(number));
});
await pipeline(events, new Spec(), process.stdout, { end: false });

const failed = (totals.get('fail') ?? 0) + (totals.get('cancelled') ?? 0);
const passed = totals.get('pass') ?? 0;
if (failed > 0) console.log(`  ${failed} failed`);
console.log(`  ${passed} passed (${((Date.now() - begun) / 1000).toFixed(1)}s)`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
