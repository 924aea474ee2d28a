// The full-screen interface in a terminal of its own: tmux draws what it writes, so that a test sees the screen as a person does.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

import { artefacts, programs } from './settings.js';
import { until } from './wait.js';

const run = promisify(execFile);
const quoted = (word) => `'${String(word).replaceAll("'", `'\\''`)}'`;
let count = 0;

/** A terminal with `ajet-chat` in it. */
export class Screen {
  /** Everyone that is open, for pictures of a failure. */
  static everybody = new Set();

  /**
   * Opens one. `env` is all the program gets beside what a terminal gives; `home` is kept by whoever gave it. The shell under it says
   * `ended N` when the program ends, and lives on.
   */
  static async open({ columns = 80, rows = 24, args = [], env = {}, home }) {
    count += 1;
    const screen = new Screen();
    screen.folder = await mkdtemp(join(tmpdir(), 'ajet-tmux-'));
    screen.home = home ?? screen.folder;
    screen.socket = join(screen.folder, 'tmux');
    screen.log = join(screen.folder, 'raw');
    await writeFile(screen.log, '');
    const variables = { PATH: process.env.PATH, HOME: screen.home, LANG: 'C.UTF-8', ...env };
    const assigned = Object.entries(variables).map(([name, value]) => quoted(`${name}=${value}`)).join(' ');
    const program = [join(programs, 'ajet-chat'), ...args].map(quoted).join(' ');
    // It starts when every byte that it will write is being kept.
    const line = `tmux -S ${quoted(screen.socket)} wait-for go; env -i TERM=$TERM ${assigned} ${program}; echo ended $?; exec sh`;
    await screen.tmux('new-session', '-d', '-x', columns, '-y', rows, line);
    await screen.tmux('set-option', '-g', 'status', 'off');
    await screen.tmux('pipe-pane', '-o', `cat >> ${quoted(screen.log)}`);
    await screen.tmux('wait-for', '-S', 'go');
    Screen.everybody.add(screen);
    return screen;
  }

  async tmux(...args) {
    const env = { PATH: process.env.PATH, HOME: this.folder, LANG: 'C.UTF-8', SHELL: '/bin/sh' };
    const options = ['-S', this.socket, '-f', '/dev/null', '-u'];
    const { stdout } = await run('tmux', [...options, ...args.map(String)], { env });
    return stdout;
  }

  /** Presses keys as tmux names them: `Enter`, `C-k`, `M-n`. */
  async press(...keys) {
    for (const key of keys) await this.tmux('send-keys', key);
  }

  /** Types text. */
  async type(text) {
    await this.tmux('send-keys', '-l', text);
  }

  /** Types text and Enter. */
  async send(text) {
    await this.type(text);
    await this.shows('what was typed', (screen) => screen.includes(text.slice(-20)));
    await this.press('Enter');
  }

  /** The screen as text. */
  async text() {
    return this.tmux('capture-pane', '-p');
  }

  /** The screen with its colours. */
  async colours() {
    return this.tmux('capture-pane', '-p', '-e');
  }

  /** Every byte that came to the terminal. */
  async raw() {
    return readFile(this.log);
  }

  /** Something tmux knows: `alternate_on`, `pane_title`, `pane_pid`. */
  async asks(format) {
    return (await this.tmux('display-message', '-p', `#{${format}}`)).trim();
  }

  async resize(columns, rows) {
    await this.tmux('resize-window', '-x', columns, '-y', rows);
  }

  /** Waits until the screen fits, and gives it. */
  async shows(what, fits, within) {
    const test = typeof fits === 'string' ? (text) => text.includes(fits) : fits instanceof RegExp ? (text) => fits.test(text) : fits;
    let last = '';
    try {
      await until(what, async () => test((last = await this.text())), within);
    } catch (error) {
      throw new Error(`${error.message.split('; last seen')[0]}; the screen:\n${last}`, { cause: error });
    }
    return last;
  }

  /** Ready to write in a channel. */
  async ready(channel) {
    await this.shows(`#${channel} is open`, (text) => text.includes(`│ # ${channel} `) && /[›✎] /.test(text) && text.includes('●'));
  }

  /** Process id of the program, which is a child of the shell in the pane. */
  async pid() {
    const shell = await this.asks('pane_pid');
    const { stdout } = await run('ps', ['-o', 'pid=,comm=', '--ppid', shell]);
    const line = stdout.split('\n').find((one) => one.includes('ajet-chat'));
    return Number.parseInt(line, 10);
  }

  /** Keeps what is on the screen beside the other pictures. */
  async picture(name) {
    await mkdir(join(artefacts, 'pictures'), { recursive: true });
    await writeFile(join(artefacts, 'pictures', `${name}.txt`), await this.text());
  }

  /** Ends everything in it. */
  async close() {
    Screen.everybody.delete(this);
    const pid = await this.pid().catch(() => undefined);
    await this.tmux('kill-server').catch(() => {});
    // It keeps what was begun before it goes.
    if (pid) await until('the end of the program without a terminal', () => !existsSync(`/proc/${pid}`));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Closes all; when a test failed, what they showed is kept. */
  static async closeAll(failed) {
    for (const screen of [...Screen.everybody]) {
      if (failed) {
        const folder = join(artefacts, 'failures', basename(process.argv[1], '.test.js'));
        await mkdir(folder, { recursive: true });
        await appendFile(join(folder, 'screens.txt'), `${failed}\n${await screen.text().catch(String)}\n`);
      }
      await screen.close();
    }
  }
}
