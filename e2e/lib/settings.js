// What the surrounding `cargo xtask with-stack` tells us.

import { join, resolve } from 'node:path';

/** The checkout. */
export const root = resolve(import.meta.dirname, '../..');

/** Where pictures and traces of failures go; ignored by git. */
export const artefacts = join(root, 'e2e/artefacts');

/** The programs of this workspace. */
export const programs = process.env.AJET_BIN_DIR ?? join(root, 'target/debug');

/** The browser: Debian's, unless told otherwise. */
export const chromium = process.env.AJET_CHROMIUM || '/usr/bin/chromium';

/** The surrounding stack, which holds the demo. */
export function surroundingStack() {
  return stackOf(process.env);
}

/** A stack by the variables that `with-stack` gives to its command. */
export function stackOf(environment) {
  const required = (name) => {
    const value = environment[name];
    if (!value) throw new Error(`${name} is not set: run \`cargo xtask test e2e\`, or npm under \`cargo xtask with-stack\``);
    return value;
  };
  return {
    url: required('AJET_URL'),
    provider: required('AJET_OAUTH_URL'),
    runDir: required('AJET_RUN_DIR'),
    setupToken: required('AJET_SETUP_TOKEN'),
    environment,
  };
}
