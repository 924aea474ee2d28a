// A stack of a test's own, for what would disturb others: the first start, and processes that die.

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { programs, stackOf } from './settings.js';
import { until } from './wait.js';

const READY = 'the stack is ready';

/** Starts an empty stack with each service as a process; `stop()` ends it. */
export async function ownStack() {
  const command = `env; echo "${READY}"; exec cat`;
  const child = spawn(join(programs, 'xtask'), ['with-stack', '--separate', '--', '/bin/sh', '-c', command], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let talk = '';
  child.stderr.on('data', (text) => (talk += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const environment = {};
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === READY) {
      child.stdout.resume();
      return {
        ...stackOf(environment),
        async stop() {
          child.stdin.end();
          await ended;
        },
      };
    }
    const [, name, value] = /^(AJET_\w+)=(.*)$/.exec(line) ?? [];
    if (name) environment[name] = value;
  }
  await ended;
  throw new Error(`the stack does not start:\n${talk}`);
}

/** Kills a service of such a stack as the power would, and waits until its supervisor has started it again. */
export async function killService(stack, service) {
  const file = join(stack.runDir, `${service}-1.pid`);
  const pid = Number(await readFile(file, 'utf8'));
  process.kill(pid, 'SIGKILL');
  await until(`${service} is started again`, async () => Number(await readFile(file, 'utf8')) !== pid);
}
