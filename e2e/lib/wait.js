// Waiting for conditions; nothing here sleeps for luck.

import { setTimeout as pause } from 'node:timers/promises';

/** How long a person would put up with waiting for anything. */
export const PATIENCE = 15_000;

/**
 * Asks again and again until the answer is true (or anything that counts as it), and gives that answer. `probe` may
 * throw, which counts as "not yet" and is told when time is up.
 */
export async function until(what, probe, within = PATIENCE) {
  const deadline = Date.now() + within;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${within / 1000} s for: ${what}; last seen: ${describe(last)}`, { cause: last });
    }
    await pause(40);
  }
}

/** Waits until `probe` answers exactly `wanted`. */
export async function untilEqual(what, wanted, probe, within = PATIENCE) {
  const goal = JSON.stringify(wanted);
  let seen;
  try {
    await until(what, async () => JSON.stringify((seen = await probe())) === goal, within);
  } catch (error) {
    throw new Error(`${what}\n  wanted ${goal}\n  seen   ${describe(seen)}`, { cause: error });
  }
}

function describe(value) {
  return value instanceof Error ? value.message : JSON.stringify(value);
}
