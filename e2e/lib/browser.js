// A browser and the people who use it. Each person has a context of their own: another profile, as if on another
// machine. Whatever goes wrong behind a page's face (console, policy, foreign requests) is kept and fails the test.

import { chromium as chromiumType } from 'playwright-core';

import { Api, signIn } from './api.js';
import { recordError } from './record.js';
import { chromium } from './settings.js';
import { until } from './wait.js';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Wide and narrow, as the design is drawn. */
export const WIDE = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** Starts Chromium with a fresh profile. */
export function launch(...flags) {
  return chromiumType.launch({ executablePath: chromium, headless: true, args: [...FLAGS, ...flags] });
}

/** Somebody in front of a browser. */
export class Person {
  static everybody = new Set();

  #stack;
  #problems = [];
  #allowed = [];
  #streams = new Map();

  /** Somebody who is not signed in. */
  static async visitor(browser, stack, options = {}) {
    const person = new Person();
    person.#stack = stack;
    person.login = options.login ?? 'visitor';
    person.context = await browser.newContext({ viewport: WIDE, locale: 'en-GB', ...options.context });
    person.context.setDefaultTimeout(15_000);
    person.#watch();
    person.#watchStreams();
    person.page = await person.context.newPage();
    Person.everybody.add(person);
    return person;
  }

  /** Somebody who has signed in before, by an invite where they are new. */
  static async signedIn(browser, stack, login, options = {}) {
    const person = await Person.visitor(browser, stack, { ...options, login });
    const { cookie, token } = await signIn(stack, login, options.invite);
    await person.context.addCookies([
      { name: cookie, value: token, url: stack.url, httpOnly: true, sameSite: 'Strict' },
    ]);
    return person;
  }

  /** Where the application is. */
  get home() {
    return this.#stack.url;
  }

  /** The same person and the same session in another browser. */
  async elsewhere(browser, context = {}) {
    const other = await Person.visitor(browser, this.#stack, { login: this.login, context });
    await other.context.addCookies(await this.context.cookies());
    return other;
  }

  /** The session's token, as the browser holds it. */
  async token() {
    const cookies = await this.context.cookies(this.#stack.url);
    return cookies.find(({ name }) => /^(__Host-)?ajet_session$/.test(name))?.value;
  }

  /** The REST API with this person's session. */
  async api() {
    return new Api(this.#stack, await this.token());
  }

  /** Opens an address of the application. */
  async goto(path) {
    return this.page.goto(new URL(path, this.#stack.url).href);
  }

  /** Goes through the provider's page by hand, as at the first time, and comes back signed in or refused. */
  async clickThroughProvider(login) {
    await this.page.waitForURL(`${this.#stack.provider}/**`);
    const known = this.page.locator(`button[name=login][value="${login}"]`);
    if (await known.count()) {
      await known.click();
    } else {
      await this.page.locator('#other').fill(login);
      await this.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    }
    await this.page.waitForURL(`${this.#stack.url}/**`);
  }

  /** Says that problems like this one are what the test is about. */
  expectProblems(...patterns) {
    this.#allowed.push(...patterns);
  }

  /** What went wrong behind this person's pages since the last time. */
  takeProblems() {
    const problems = this.#problems.splice(0);
    return problems.filter((problem) => !this.#allowed.some((pattern) => pattern.test(problem)));
  }

  #watch() {
    const ours = new URL(this.#stack.url).origin;
    const home = new Set([ours, new URL(this.#stack.provider).origin]);
    const note = (problem) => this.#problems.push(problem);
    this.context.on('console', (message) => {
      const [type, text] = [message.type(), message.text()];
      if (['error', 'warning'].includes(type)) {
        note(`console ${type}: ${shortened(text)} (${message.location().url})`);
      }
    });
    this.context.on('weberror', (error) => note(`uncaught: ${error.error()}`));
    this.context.on('dialog', (dialog) => {
      note(`dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    this.context.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (!['data:', 'blob:', 'about:'].includes(protocol) && !home.has(origin)) note(`foreign: ${request.url()}`);
    });
    this.context.on('response', (response) => {
      if (response.status() >= 500) note(`${response.status()}: ${response.url()}`);
      if (response.status() >= 400 && new URL(response.url()).origin === ours) this.#record(response);
    });
  }

  /** Keeps what the page was told, for the sweep. */
  #record(response) {
    const [method, url, status] = [response.request().method(), response.url(), response.status()];
    response
      .text()
      .then((body) => recordError(this.#stack, { client: 'browser', method, url, status, body }))
      // The page may be gone before it was read.
      .catch(() => {});
  }

  /** Keeps the requests that are open streams, by page. */
  #watchStreams() {
    const of = (request) => this.#streams.get(request.frame().page());
    const isStream = (request) => request.method() === 'GET' && new URL(request.url()).pathname === '/sse';
    this.context.on('page', (page) => {
      this.#streams.set(page, new Set());
      // A new document, not an address that the page has given itself.
      page.on('request', (request) => {
        if (request.isNavigationRequest() && request.frame() === page.mainFrame()) this.#streams.get(page).clear();
      });
    });
    this.context.on('response', (response) => {
      if (isStream(response.request()) && response.status() === 200) of(response.request()).add(response.request());
    });
    const ended = (request) => isStream(request) && of(request).delete(request);
    this.context.on('requestfinished', ended);
    this.context.on('requestfailed', ended);
  }

  /** Waits until the page follows the conversation: its stream has answered and goes on. */
  async live(page = this.page) {
    await until(`${this.login}'s page is live`, () => this.#streams.get(page).size > 0);
  }
}

/** Both ends of a long text. */
function shortened(text) {
  return text.length > 400 ? `${text.slice(0, 200)} … ${text.slice(-200)}` : text;
}
