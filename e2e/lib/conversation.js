// The page of a channel, by the ids and roles that the design names.

import { until, untilEqual } from './wait.js';

/** One person's view of one conversation. */
export class Conversation {
  constructor(person, page = person.page) {
    this.person = person;
    this.page = page;
    this.input = page.locator('#composer-input');
    this.rows = page.locator('#messages > .msg');
  }

  /** Opens it and waits until it follows the conversation. */
  static async open(person, path, page = person.page) {
    await page.goto(new URL(path, person.home).href);
    const conversation = new Conversation(person, page);
    await conversation.ready();
    return conversation;
  }

  /** Waits until one can write and everything comes live. */
  async ready() {
    await this.input.waitFor();
    await this.person.live(this.page);
  }

  /** Types into the message box and presses Enter. */
  async send(text) {
    await this.input.fill(text);
    await this.input.press('Enter');
  }

  /** The row whose text contains this. */
  row(text) {
    return this.rows.filter({ hasText: text });
  }

  /** Waits for the one row with this text that the server has confirmed, and gives its message's id. */
  async seen(text) {
    const confirmed = this.page.locator('#messages > .msg[id^="message-"]').filter({ hasText: text });
    await until(`one row “${text}” at ${this.person.login}`, async () => (await confirmed.count()) === 1);
    return (await confirmed.getAttribute('id')).slice('message-'.length);
  }

  /** The texts of all messages, top to bottom. */
  texts() {
    return this.rows.locator('.prose').allInnerTexts();
  }

  /** Waits until those rows whose text begins so are exactly these, in this order. */
  async seenExactly(prefix, wanted, within) {
    const seen = async () => (await this.texts()).filter((text) => text.startsWith(prefix));
    await untilEqual(`the messages “${prefix}…” at ${this.person.login}`, wanted, seen, within);
  }

  /** Puts the pointer on a message and gives one of its tools. */
  async tool(text, name) {
    const row = this.row(text);
    await row.hover();
    return row.locator('.msg-tools').getByRole('button', { name });
  }

  /** The sidebar's row of a channel. */
  sidebar(channel) {
    return this.page.locator(`#channel-${channel.id} .nav-item`);
  }

  /** How far from the newest message the view is. */
  distanceFromEnd() {
    return this.page.locator('#message-scroll').evaluate((scroll) => Math.abs(Math.round(scroll.scrollTop)));
  }
}
