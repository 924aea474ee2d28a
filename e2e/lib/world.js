// The demo community with newcomers and channels of a test's own, so that tests in parallel stay out of each other's
// way.

import { Api, signIn } from './api.js';
import { Person, launch } from './browser.js';
import { surroundingStack } from './settings.js';

/** Login name of the demo's owner. */
const OWNER = 'ola';

/** Everything a test file works in. `prefix` tells its people and channels from those of other files. */
export async function world(prefix) {
  const stack = surroundingStack();
  const [browser, session] = await Promise.all([launch(), signIn(stack, OWNER)]);
  const owner = new Api(stack, session.token);
  const { slug } = await owner.community();
  return {
    stack,
    browser,
    owner,
    slug,
    /** A person who has just joined. */
    async newcomer(name, options = {}) {
      const { code } = await owner.invite();
      return Person.signedIn(options.browser ?? browser, stack, `${prefix}-${name}`, { ...options, invite: code });
    },
    /** A demo person. */
    demoPerson(login, options = {}) {
      return Person.signedIn(browser, stack, login, options);
    },
    /** A new channel that these people are in. */
    async channel(name, ...people) {
      const channel = await owner.createChannel(`${prefix}-${name}`);
      for (const person of people) {
        await (await person.api()).post(`channels/${channel.id}/join`);
      }
      return channel;
    },
    /** Address of a channel. */
    path: (channel) => `/c/${slug}/channels/${channel.name}`,
    async close() {
      await browser.close();
    },
  };
}
