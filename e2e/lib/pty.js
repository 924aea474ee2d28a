// A command at a terminal of its own, and every byte that it writes there.

import { spawn } from 'node:child_process';

const quoted = (word) => `'${String(word).replaceAll("'", `'\\''`)}'`;

/**
 * Runs a command in a pseudo-terminal made by util-linux' `script`, without input, and gives what it wrote. One that goes on is
 * ended by `until` (asked after each piece of output) or after `within` milliseconds.
 */
export function atTerminal(program, args, env, { until = () => false, within = 20_000 } = {}) {
  return new Promise((resolve, reject) => {
    const line = [program, ...args].map(quoted).join(' ');
    // A wide terminal, so that no line is broken where a test looks for it.
    const command = `stty cols 200 rows 50; exec ${line}`;
    const child = spawn('script', ['-qefc', command, '/dev/null'], {
      env: { TERM: 'xterm-256color', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGTERM');
      } catch {
        // It has ended by itself.
      }
    };
    const timer = setTimeout(end, within);
    const pieces = [];
    child.stdout.on('data', (piece) => {
      pieces.push(piece);
      if (until(Buffer.concat(pieces).toString('utf8'))) end();
    });
    child.stderr.on('data', (piece) => pieces.push(piece));
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, bytes: Buffer.concat(pieces) });
    });
  });
}

/**
 * What a terminal would have acted on instead of showing it. A line ends with CR LF there. `ours` says which escape sequences a
 * program may write itself.
 */
export function commands(bytes, ours = () => false) {
  const text = bytes.toString('utf8').replaceAll('\r\n', '\n');
  const found = [];
  // eslint-disable-next-line no-control-regex
  const sequence = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|.)?/gs;
  const rest = text.replaceAll(sequence, (escape) => {
    if (!ours(escape)) found.push(`escape ${JSON.stringify(escape)}`);
    return '';
  });
  for (const letter of rest) {
    const code = letter.codePointAt(0);
    const control = (code < 0x20 && letter !== '\n' && letter !== '\t') || (code >= 0x7f && code <= 0x9f);
    const turning = /[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/.test(letter);
    if (control || turning) found.push(`U+${code.toString(16).padStart(4, '0')} after ${JSON.stringify(before(rest, letter))}`);
  }
  return [...new Set(found)];
}

function before(text, letter) {
  const at = text.indexOf(letter);
  return text.slice(Math.max(0, at - 30), at);
}
