// What HTML and Datastar do not do by themselves: writing and its unsent queue, keys, reading marks, the title, the connection.
// The server draws everything else. Text by users only ever goes into textContent and value.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const app = $('#app');
const me = app.dataset.me;
const list = $('#messages');
const view = $('#message-scroll');
const channel = list?.dataset.channel;
const canonical = new URL($('link[rel=canonical]').href).pathname;
const touch = matchMedia('(pointer: coarse)');
const key = (...parts) => ['ajet', me, ...parts].join(':');
const clone = id => $(`#${id}`).content.cloneNode(true);
const idOf = row => row.id.slice(-36);
const isMine = row => row.dataset.author === me;
const clamp = n => (n > 99 ? '99+' : n);

// Where storage is full or off, things are kept as long as the page.
const kept = new Map();
const store = {
  get(name) { try { return JSON.parse(kept.get(name) ?? localStorage.getItem(name)); } catch { return null; } },
  set(name, value) {
    kept.delete(name);
    try { value ? localStorage.setItem(name, JSON.stringify(value)) : localStorage.removeItem(name); } catch { if (value) kept.set(name, JSON.stringify(value)); }
  },
  keys(prefix) {
    const names = new Set(kept.keys());
    try { Object.keys(localStorage).forEach(name => names.add(name)); } catch { /* off */ }
    return [...names].filter(name => name.startsWith(prefix)).sort();
  },
};
const session = (() => { try { return sessionStorage; } catch { return null; } })();

// What hangs is as good as not reached: behind it others wait.
const post = (path, body = {}) => fetch(path, {
  method: 'POST',
  signal: AbortSignal.timeout(15000),
  headers: { 'Content-Type': 'application/json', 'X-Ajet-CSRF': '1' },
  body: JSON.stringify(body),
});

const uuid = () => {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = bytes[6] & 15 | 64;
  bytes[8] = bytes[8] & 63 | 128;
  const hex = [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
};

const toast = (text, bad) => {
  const box = document.createElement('div');
  box.className = 'toast';
  if (bad) box.setAttribute('role', 'alert');
  box.append(Object.assign(document.createElement('span'), { textContent: text }));
  $('#toasts').append(box);
  setTimeout(() => box.remove(), bad ? 10000 : 5000);
};

const reasonOf = async response => {
  const problem = await response.json().catch(() => ({}));
  const text = problem.detail || problem.title || 'The server refused it';
  return text[0].toUpperCase() + text.slice(1).replace(/\.?$/, '.');
};

// Does something for which the stream draws the result.
const act = async (path, body, undo) => {
  try {
    const response = await post(path, body);
    if (response.ok) return true;
    toast(await reasonOf(response), true);
  } catch {
    toast('The server could not be reached. Try again.', true);
  }
  undo?.();
  return false;
};

// ---- the reader's own time zone ----

const two = n => String(n).padStart(2, '0');
const dayOf = date => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
const clockOf = date => `${two(date.getHours())}:${two(date.getMinutes())}`;

const dayName = day => {
  const date = new Date(`${day}T12:00`), now = new Date();
  const part = (name, value) => date.toLocaleDateString('en-GB', { [name]: value });
  let name = `${part('weekday', 'long')} ${date.getDate()} ${part('month', 'long')}`;
  if (date.getFullYear() !== now.getFullYear()) name += ` ${date.getFullYear()}`;
  if (day === dayOf(now)) return `Today, ${name}`;
  now.setDate(now.getDate() - 1);
  return day === dayOf(now) ? `Yesterday, ${name}` : name;
};

const localize = () => {
  for (const time of $$('time[datetime*="T"]:not([data-local])')) {
    const date = new Date(time.dateTime);
    time.textContent = clockOf(date);
    time.title = date.toLocaleString('en-GB', { dateStyle: 'full', timeStyle: 'short' });
    time.dataset.local = '';
  }
};

// Day dividers come in UTC; here they stand where the reader's days begin.
const redate = () => {
  if (!list) return;
  const starts = new Map();
  let last = '';
  for (const row of $$(':scope > [id^="message-"]', list)) {
    const day = dayOf(new Date($('time', row).dateTime));
    if (day !== last && !starts.has(day)) starts.set(day, row);
    last = day;
  }
  const heads = row => (row.previousElementSibling?.id === 'unread-divider' ? row.previousElementSibling : row);
  for (const divider of $$(':scope > .day', list)) {
    const day = divider.id.slice(4), first = starts.get(day);
    if (first && heads(first).previousElementSibling === divider) {
      starts.delete(day);
      const time = $('time', divider), name = dayName(day);
      if (time.textContent !== name) time.textContent = name;
    } else {
      divider.remove();
    }
  }
  for (const [day, row] of starts) {
    const divider = document.createElement('li'), heading = document.createElement('h2'), time = document.createElement('time');
    divider.className = 'divider day';
    divider.id = `day-${day}`;
    time.dateTime = day;
    time.textContent = dayName(day);
    heading.append(time);
    divider.append(heading);
    heads(row).before(divider);
  }
};

// ---- scrolling, what is new, the title ----

// The list is a reversed column: 0 is the bottom, above is negative.
const atBottom = () => view.scrollTop > -100;
const rows = (root = list) => $$(':scope > .msg[id*="message-"], :scope > .sys', root);
const newest = () => rows().at(-1);
const pill = $('#jump-latest');
const title = document.title, calmIcon = $('#favicon').href;
let badge = +app.dataset.badge, here = +app.dataset.here;
let fresh = 0, known = list && newest(), read = null, readTimer = 0;

const drawTitle = () => {
  const seen = view && document.hasFocus() && atBottom();
  const n = Math.max(0, badge - (seen ? here : 0));
  document.title = n ? `(${clamp(n)}) ${title}` : title;
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M3.5 20 12 4l8.5 16-8.5-4.2z" fill="#006e73"/><circle cx="18" cy="6" r="6" fill="#ca341c"/></svg>';
  const icon = n ? `data:image/svg+xml,${encodeURIComponent(svg)}` : calmIcon;
  if ($('#favicon').href !== icon) $('#favicon').href = icon;
};

const drawPill = () => {
  if (!pill) return;
  if (atBottom() && !$('#history-bottom')) fresh = 0;
  pill.hidden = !fresh && view.scrollTop > -view.clientHeight && !$('#history-bottom');
  pill.lastElementChild.textContent = fresh ? `${fresh} new message${fresh > 1 ? 's' : ''}` : 'Latest messages';
};

// The read mark moves when the newest row was on screen for a second in a focused tab.
const mayRead = () => view?.offsetParent && document.hasFocus() && atBottom() && !$('#history-bottom') && newest();
const noteRead = () => {
  drawTitle();
  clearTimeout(readTimer);
  const row = mayRead();
  if (!row || row.id === read) return;
  readTimer = setTimeout(() => {
    if (mayRead() !== row) return noteRead();
    read = row.id;
    post(`/channels/${channel}/read`, { up_to: idOf(row) }).then(response => { if (!response.ok) read = null; }, () => { read = null; });
  }, 1000);
};

// New rows at the end: count them for the pill, and mark where they begin when nobody is looking.
const noteRows = () => {
  const row = newest();
  if (row && row !== known) {
    if (!known?.isConnected || known.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING) {
      const added = rows().slice(known?.isConnected ? rows().indexOf(known) + 1 : -1).filter(one => !isMine(one));
      if (added.length && !atBottom()) fresh += added.length;
      if (added.length && !document.hasFocus() && !$('#unread-divider')) {
        const divider = document.createElement('li');
        divider.id = 'unread-divider';
        divider.className = 'divider unread';
        divider.append(Object.assign(document.createElement('h2'), { textContent: 'New' }));
        added[0].before(divider);
      }
    }
    known = row;
  }
  drawPill();
  noteRead();
};

const toBottom = () => {
  if ($('#history-bottom')) return location.assign(canonical);
  view.scrollTop = 0;
};

// ---- unsent messages: they survive a reload and go out in order ----

const queuePrefix = key('unsent', '');
const queue = () => store.keys(queuePrefix).map(name => ({ name, ...store.get(name) })).filter(entry => entry.id);
const save = ({ name, ...entry }) => store.set(name, entry);
let sending = false, tries = 0, failing = 0, retryTimer = 0, live = false;

const note = (row, template) => {
  const box = $('.msg-note', row);
  box.replaceChildren(...(template ? [clone(template)] : []));
  box.hidden = !template;
  box.classList.toggle('bad', template === 'failed-note');
  template === 'failed-note' ? box.setAttribute('role', 'alert') : box.removeAttribute('role');
  return box;
};

const drawEntry = entry => {
  const target = entry.parent ? $(`#thread-messages[data-thread="${entry.parent}"]`) : entry.channel === channel && list;
  if (!target) return;
  let row = $(`#pending-${entry.id}`);
  if (!row) {
    row = clone('waiting-row').firstElementChild;
    row.id = `pending-${entry.id}`;
    const at = new Date(entry.at), above = target.lastElementChild;
    $('time', row).dateTime = at.toISOString();
    $('.pre', row).textContent = entry.body;
    const before = above?.matches('.msg') && isMine(above) && $('time', above);
    if (before && at - new Date(before.dateTime) < 300000 && dayOf(at) === dayOf(new Date(before.dateTime))) {
      row.classList.add('cont');
      $('.avatar', row).replaceWith(Object.assign(document.createElement('span'), { className: 'msg-gutter' }));
      $('.msg-head', row).className = 'vh';
    }
    target.append(row);
  }
  row.classList.toggle('failed', !!entry.failed);
  row.classList.toggle('pending', !entry.failed);
  if (entry.failed) $('.reason', note(row, 'failed-note')).textContent = entry.failed;
  else note(row, entry.waiting && 'waiting-note');
};

const sendAll = async () => {
  // What the server refused is out of the way; what it could not be reached for holds up the rest, to keep the order.
  for (let entry; (entry = queue().find(one => !one.failed || one.retry)) && !entry.failed; ) {
    let response = null;
    try {
      response = await post(`/channels/${entry.channel}/messages`, { body_md: entry.body, client_msg_id: entry.id, parent_id: entry.parent });
    } catch { /* not reached */ }
    if (response?.ok) {
      tries = failing = 0;
      store.set(entry.name);
      const { id } = await response.json().catch(() => ({}));
      const row = $(`#pending-${entry.id}`);
      if (row) {
        note(row);
        row.classList.remove('pending');
        if (id && $(`#message-${id}`)) row.remove();
      }
    } else if (response && ![401, 408, 429].includes(response.status) && response.status < 500) {
      entry.failed = `Not sent. ${await reasonOf(response)}`;
      save(entry);
      drawEntry(entry);
    } else {
      tries += 1;
      failing ||= Date.now();
      // Without a stream the whole connection is gone: wait for it. With one, a minute of tries, then say so.
      if (live && Date.now() - failing > 60000 && response?.status !== 429) {
        tries = failing = 0;
        entry.failed = 'Not sent, the server could not be reached.';
        entry.retry = true;
      } else {
        entry.waiting = true;
        const seconds = +response?.headers.get('Retry-After') || Math.min(0.2 * 5 ** tries, 15);
        retryTimer = setTimeout(flush, seconds * 1000);
      }
      save(entry);
      drawEntry(entry);
      break;
    }
  }
};

const flush = async () => {
  if (sending) return;
  sending = true;
  clearTimeout(retryTimer);
  try { await sendAll(); } finally { sending = false; }
};

// What could not be sent is tried once more.
const retryAll = () => {
  tries = failing = 0;
  for (const entry of queue().filter(one => one.retry)) {
    const again = { ...entry, failed: undefined, retry: undefined };
    save(again);
    drawEntry(again);
  }
  flush();
};

const submit = box => {
  const body = box.text.value;
  if (!body.trim()) return;
  const id = uuid(), at = Date.now();
  const entry = { name: `${queuePrefix}${at}:${id}`, id, at, body, channel: box.channel, parent: box.parent };
  save(entry);
  drawEntry(entry);
  box.set('');
  box.typing(false);
  if (box.parent) $('#thread-scroll').scrollTop = 0;
  else toBottom();
  retryAll();
};

// ---- boxes to write in ----

// The caret stands in a block of code that is not closed yet.
const inFence = text => text.value.slice(0, text.selectionStart).split('\n').filter(line => line.startsWith('```')).length % 2 === 1;

const grow = text => {
  if (CSS.supports('field-sizing', 'content')) return;
  text.rows = Math.min(12, text.value.split('\n').length);
};

const insert = (text, before, after = '') => {
  const { selectionStart: start, selectionEnd: end, value } = text;
  text.setRangeText(before + value.slice(start, end) + after, start, end, 'end');
  if (start === end) text.selectionStart = text.selectionEnd = start + before.length;
  text.focus();
  text.dispatchEvent(new Event('input', { bubbles: true }));
};

const wrap = (text, mark) => (mark === '```' ? insert(text, '```\n', '\n```') : insert(text, mark, mark));
const marks = { b: '**', i: '_', e: '`' };

const sends = event => event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229 && !touch.matches && !inFence(event.target);

const box = form => {
  const text = $('textarea', form), draft = key('draft', form.dataset.channel, form.dataset.parent ?? '');
  let saveTimer = 0, unsaved = false, saidAt = 0, stopTimer = 0, told = Promise.resolve();
  const self = {
    text,
    channel: form.dataset.channel,
    parent: form.dataset.parent,
    set(value) {
      text.value = value;
      keep();
      self.changed();
    },
    changed() {
      $('.send', form).disabled = !text.value.trim();
      grow(text);
    },
    typing(on) {
      clearTimeout(stopTimer);
      if (on) stopTimer = setTimeout(() => self.typing(false), 15000);
      const now = Date.now();
      // Said again every few seconds, because the others forget after fifteen.
      if (on ? now - saidAt < 5000 : !saidAt) return;
      saidAt = on ? now : 0;
      const body = { channel_id: self.channel, parent_id: self.parent, state: on ? 'started' : 'stopped' };
      told = told.then(() => post('/typing', body)).catch(() => {});
    },
  };
  const keep = () => {
    clearTimeout(saveTimer);
    unsaved = false;
    store.set(draft, text.value);
  };
  text.value = store.get(draft) ?? '';
  self.changed();
  text.addEventListener('input', () => {
    self.changed();
    self.typing(!!text.value);
    clearTimeout(saveTimer);
    unsaved = true;
    saveTimer = setTimeout(() => { keep(); drawPencils(); }, 500);
  });
  // Only what was written here: another tab may know better.
  addEventListener('pagehide', () => { if (unsaved) keep(); });
  text.addEventListener('keydown', event => {
    const mark = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && marks[event.key.toLowerCase()];
    if (sends(event)) {
      event.preventDefault();
      submit(self);
    } else if (mark) {
      event.preventDefault();
      wrap(text, mark);
    } else if (event.key === 'ArrowUp' && !text.value) {
      const last = rows(form.id === 'composer' ? list : $('#thread-messages')).filter(row => isMine(row) && $('.prose', row)).at(-1);
      if (last) {
        event.preventDefault();
        edit(last);
      }
    }
  });
  form.addEventListener('submit', event => {
    event.preventDefault();
    submit(self);
    text.focus();
  });
  return self;
};

const drawPencils = () => {
  const drafts = new Set(store.keys(key('draft', '')).map(name => name.split(':')[3]));
  for (const mark of $$('.nav-item .draft')) {
    const row = mark.closest('li');
    mark.hidden = !drafts.has(idOf(row)) || idOf(row) === channel;
  }
};

// Menus and dialogs come when the page has come to rest, or when somebody is faster.
let extras = null;
const loadExtras = () => extras ??= fetch('/extras').then(async response => {
  if (!response.ok) throw response;
  ($('#main') ?? document.body).insertAdjacentHTML('beforeend', await response.text());
}).catch(() => {
  extras = null;
  toast('The server could not be reached. Try again.', true);
});

// ---- what one does with a message ----

// The forms of messages that are being edited, by the id of the row: where a row is drawn anew, its form comes back.
const edits = new Map();
const showEdit = (row, form) => {
  const body = $('.msg-body', row), text = $('textarea', form);
  row.classList.add('editing');
  body.hidden = true;
  body.after(form);
  grow(text);
};

const edit = async row => {
  if (!isMine(row) || !$('.prose', row) || $('form.edit', row)) return;
  const source = await fetch(`/messages/${idOf(row)}/source`).catch(() => null);
  if (!source?.ok) return toast('This message cannot be edited now. Try again.', true);
  const { body_md: before } = await source.json();
  await loadExtras();
  const form = clone('edit-form').firstElementChild, text = $('textarea', form), { id } = row;
  const close = () => {
    edits.delete(id);
    row = form.closest('.msg') ?? row;
    form.remove();
    $('.msg-body', row).hidden = false;
    row.classList.remove('editing');
    (row.closest('#pane') ? $('#thread-input') : $('#composer-input'))?.focus();
  };
  const saveIt = async () => {
    if (text.value.trim() === before.trim()) return close();
    if (await act(`/messages/${idOf(row)}/edit`, { body_md: text.value })) close();
  };
  text.value = before;
  form.addEventListener('submit', event => { event.preventDefault(); saveIt(); });
  $('.cancel', form).addEventListener('click', close);
  text.addEventListener('input', () => grow(text));
  text.addEventListener('keydown', event => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (sends(event)) {
      event.preventDefault();
      saveIt();
    }
  });
  edits.set(id, form);
  showEdit(row, form);
  text.focus();
  text.selectionStart = text.value.length;
};

// The page was drawn anew, without what only this page knows.
const redrawn = () => {
  queue().forEach(drawEntry);
  for (const one of boxes) one.changed();
  for (const [id, form] of edits) {
    const row = document.getElementById(id);
    if (!row || !$('.prose', row)) edits.delete(id);
    else if (!row.contains(form)) {
      showEdit(row, form);
      // The focus was in it when it went away.
      if (document.activeElement === document.body) $('textarea', form).focus();
    }
  }
};

const remove = async row => {
  await loadExtras();
  const dialog = $('#confirm-delete'), author = $('.msg-author', row) ?? $('.vh', row);
  const excerpt = Object.assign(document.createElement('b'), { textContent: author?.textContent ?? '' });
  $('#confirm-excerpt').replaceChildren(excerpt, ` ${$('.msg-body', row)?.innerText.slice(0, 200) ?? ''}`);
  dialog.returnValue = '';
  dialog.onclose = () => {
    if (dialog.returnValue === 'delete') act(`/messages/${idOf(row)}/delete`);
    row.focus();
  };
  dialog.showModal();
};

// Toggles at once; the stream brings the true number.
const react = (row, emoji, button) => {
  button ??= $$('.react[aria-pressed]', row).find(one => $('.e', one).textContent === emoji);
  const on = button?.getAttribute('aria-pressed') !== 'true';
  const show = (pressed, by) => {
    if (!button) return;
    button.setAttribute('aria-pressed', pressed);
    button.lastChild.textContent = Math.max(0, +button.lastChild.textContent + by);
  };
  show(on, on ? 1 : -1);
  act(`/messages/${idOf(row)}/reactions`, { emoji, on }, () => show(!on, on ? -1 : 1));
};

const help = async () => {
  await loadExtras();
  $('#keyboard-help').showModal();
};

let picked = null;
const pick = async (anchor, then) => {
  await loadExtras();
  picked = then;
  $('#emoji-picker').showPopover({ source: anchor });
  $('#emoji-picker button').focus();
};

const openThread = row => {
  if (row.closest('#pane')) return $('#thread-input')?.focus();
  keepScroll();
  location.assign(`?thread=${idOf(row)}`);
};

const copy = async text => {
  try {
    await navigator.clipboard.writeText(text);
    toast('Copied');
  } catch {
    toast(text);
  }
};

const quote = row => {
  const text = $(row.closest('#pane') ? '#thread-input' : '#composer-input');
  if (text) insert(text, `${$('.prose', row)?.innerText.trim().split('\n').map(line => `> ${line}`).join('\n') ?? ''}\n`);
};

const doTo = (row, what, anchor) => {
  if (what === 'done') react(row, '✅');
  else if (what === 'react') pick(anchor ?? row, emoji => react(row, emoji));
  else if (what === 'thread') openThread(row);
  else if (what === 'edit') edit(row);
  else if (what === 'delete') remove(row);
  else if (what === 'quote') quote(row);
  else if (what === 'link') copy(new URL(`${canonical}/m/${idOf(row)}`, location).href);
  else if (what === 'more') openMenu(row, anchor);
};

let menuRow = null;
const openMenu = async (row, anchor) => {
  await loadExtras();
  menuRow = row;
  const menu = $('#message-menu');
  for (const item of $$('button', menu)) {
    const mine = item.classList.contains('mine'), admin = item.value === 'delete' && 'admin' in app.dataset;
    item.hidden = mine && !isMine(row) && !admin || item.value === 'thread' && !!row.closest('#pane');
  }
  menu.showPopover({ source: anchor });
  $('button:not([hidden])', menu).focus();
};

// One set of tools moves to the row in question.
let tools = null, pointed = null;
const showTools = async row => {
  pointed = row;
  await loadExtras();
  tools ??= clone('message-tools').firstElementChild;
  if (pointed !== row || tools.parentElement === row || $(':focus-visible', tools)) return;
  $('[value=edit]', tools).hidden = !isMine(row);
  $('[value=thread]', tools).hidden = !!row.closest('#pane');
  row.append(tools);
};
const rowOf = target => target.closest?.('.messages > .msg[id*="message-"]:has(.prose)');

// ---- the connection ----

// Datastar opens its stream again when the page is shown, and has no other way to be asked. Between `retrying` and the end of its
// pause, 30 s at most, it must not be asked: it would open two.
const shared = /^h[23]/.test(performance.getEntriesByType('navigation')[0]?.nextHopProtocol);
const pausing = () => !live && retrying && Date.now() - heardAt < 31000;
addEventListener('visibilitychange', event => {
  if (!event.isTrusted) return;
  // A connection that all tabs share has room for the streams of hidden ones; so they stay, for the title.
  if (shared || pausing()) event.stopPropagation();
  else if (!document.hidden) heardAt = Date.now();
}, true);

let heardAt = Date.now(), lostTimer = 0, retrying = false, ended = false;
const lost = () => {
  live = false;
  heardAt = Date.now();
  lostTimer ||= setTimeout(() => $('#banner').replaceChildren(clone('reconnecting')), 5000);
};
const heard = () => {
  heardAt = Date.now();
  retrying = false;
  if (live) return;
  live = true;
  clearTimeout(lostTimer);
  lostTimer = 0;
  $('#banner').replaceChildren();
  retryAll();
};

document.addEventListener('datastar-fetch', event => {
  const { type, el, argsRaw } = event.detail;
  if (el !== app) return;
  // A change of something that is not on this page is nothing; Datastar, which hears of it after us, would warn.
  if (type === 'datastar-patch-elements') {
    const selector = argsRaw.selector ?? `#${argsRaw.elements.split(' id="')[1]?.split('"')[0]}`;
    if (!$(selector)) event.stopImmediatePropagation();
  }
  if (type === 'retrying') {
    lost();
    retrying = true;
  } else if (type === 'finished') {
    ended = true;
    clearTimeout(lostTimer);
  } else if (type.startsWith('datastar-')) {
    heard();
    const signals = argsRaw?.signals ? JSON.parse(argsRaw.signals) : {};
    badge = signals._badge ?? badge;
    here = signals._here ?? here;
    if ('_badge' in signals) drawTitle();
    if ('_resync' in signals) setTimeout(redrawn);
  }
});

const reopen = () => {
  if (ended || document.hidden || pausing()) return;
  lost();
  document.dispatchEvent(new Event('visibilitychange'));
};

// A connection that is neither open nor closed says nothing at all: heartbeats come every 15 s.
setInterval(() => { if (Date.now() - heardAt > 45000) reopen(); }, 15000);

const beat = () => post('/api/heartbeat').catch(() => {});
beat();
setInterval(beat, 60000);

// ---- keys ----

const regions = ['#rail', '#sidebar', '#message-scroll', '#composer-input', '#pane'];
const cycle = by => {
  const there = regions.map(one => $(one)).filter(one => one?.offsetParent);
  const now = there.findIndex(one => one.contains(document.activeElement));
  const next = there[(now + by + there.length) % there.length];
  const inside = next.matches('textarea, .scroll') ? next : $('[aria-current], a, button', next) ?? next;
  inside.focus();
};

const goChannel = (by, unread) => {
  const links = $$('#channel-list a, #dm-list a').filter(link => link.ariaCurrent || !unread || link.classList.contains('unread'));
  const now = links.findIndex(link => link.ariaCurrent);
  const next = links.at((now + by) % links.length);
  if (next && !next.ariaCurrent) next.click();
};

let pending = '';
const listKey = (event, row) => {
  const all = rows(row?.parentElement ?? list), at = all.indexOf(row), name = event.key;
  const go = to => { to?.focus(); to?.scrollIntoView({ block: 'nearest' }); };
  const twice = pending === name;
  pending = '';
  if (name === 'j' || name === 'ArrowDown') go(all[at + 1] ?? (row ? null : all.at(-1)));
  else if (name === 'k' || name === 'ArrowUp') go(row ? all[at - 1] : all.at(-1));
  else if (name === 'G') go(all.at(-1));
  else if (name === 'g') twice ? go(all[0]) : pending = 'g';
  else if (name === 'n') go(all[all.findIndex(one => one.previousElementSibling?.id === 'unread-divider')]);
  else if (name === 'i') $('#composer-input')?.focus();
  else if (!row || row.matches('.sys')) return false;
  else if (name === 'Enter' || name === 'r') openThread(row);
  else if (name === '+') doTo(row, 'react', row);
  else if (name === 'e') edit(row);
  else if (name === '>') quote(row);
  else if (name === 'y') doTo(row, 'link');
  else if (name === 'd') twice ? (isMine(row) || 'admin' in app.dataset) && remove(row) : pending = 'd';
  else return false;
  return true;
};

document.addEventListener('keydown', event => {
  const { target, key: name, altKey, ctrlKey, metaKey, shiftKey } = event;
  const done = () => event.preventDefault();
  if (event.defaultPrevented || event.isComposing) return;
  if (name === 'F6') return done(), cycle(shiftKey ? -1 : 1);
  if ((ctrlKey || metaKey) && name === '/') return done(), help();
  if (altKey && !ctrlKey && !metaKey) {
    if (name === 'ArrowDown' || name === 'ArrowUp') return done(), goChannel(name === 'ArrowDown' ? 1 : -1, shiftKey);
    if (/^[1-9]$/.test(name)) return done(), $$('.rail-item')[name - 1]?.click();
    return;
  }
  if (ctrlKey || metaKey || $('dialog[open], [popover]:popover-open')) return;
  const row = target.matches('.messages > li') ? target : null;
  if (name === 'Escape') {
    done();
    if (target.id === 'composer-input') newest()?.focus();
    else if (target.closest('#pane')) $('#pane-close').click();
    else $('#composer-input')?.focus();
  } else if ((row || target.matches('#message-scroll, #thread-scroll')) && listKey(event, row)) {
    done();
  }
});

// ---- clicks ----

const keepScroll = () => view && session?.setItem('ajet:scroll', JSON.stringify([canonical, view.scrollTop]));

document.addEventListener('click', event => {
  const { target } = event, button = target.closest('button');
  if (target.closest('a[href^="?"], #pane-close, #pane .back')) keepScroll();
  if (!button) return;
  const row = button.closest('.messages > li');
  if (button.matches('.msg-tools button, #message-menu button')) {
    const of = row ?? menuRow;
    $('#message-menu')?.hidePopover();
    doTo(of, button.value, row ? button : of);
  } else if (button.matches('.react[aria-pressed]')) react(row, $('.e', button).textContent, button);
  else if (button.matches('.react')) pick(button, emoji => react(row, emoji));
  else if (button.matches('.emoji-grid button')) {
    $('#emoji-picker').hidePopover();
    picked?.(button.textContent);
  } else if (button.matches('.emoji-open')) pick(button, emoji => insert($('textarea', button.form), emoji));
  else if (button.matches('.wrap')) wrap($('textarea', button.form), button.value);
  else if (button.matches('.again, .drop')) {
    const entry = queue().find(one => row.id === `pending-${one.id}`);
    if (!entry || button.matches('.drop')) {
      row.remove();
      if (entry) store.set(entry.name);
      flush();
    } else {
      const again = { ...entry, failed: undefined, retry: undefined };
      save(again);
      drawEntry(again);
      flush();
    }
  } else if (button.id === 'jump-latest') toBottom();
  else if (button.id === 'keyboard-open') help();
  else if (button.matches('.copy')) copy($(`#${button.value}`).textContent);
  else if (button.id === 'try-now') fetch('/assets/app.css', { cache: 'no-store' }).then(() => location.reload(), () => {});
  else if (button.id === 'sign-out') post('/auth/logout').finally(() => location.assign('/login'));
});

document.addEventListener('pointerover', event => {
  const row = event.pointerType !== 'touch' && rowOf(event.target);
  if (row) showTools(row);
});
document.addEventListener('focusin', event => {
  const row = rowOf(event.target);
  if (row) showTools(row);
});
document.addEventListener('contextmenu', event => {
  const row = touch.matches && rowOf(event.target);
  if (row) {
    event.preventDefault();
    openMenu(row, row);
  }
});
addEventListener('pageshow', event => { if (event.persisted) location.reload(); });
addEventListener('online', () => { reopen(); flush(); });

// ---- begin ----

localize();
redate();
drawPencils();
const boxes = list ? $$('form.composer').map(box) : [];
if (list) {
  // Nothing unread: no need to say that it was read.
  if (!$('#channel-list [aria-current] :is(.n, .count), #dm-list [aria-current] :is(.n, .count)')) read = newest()?.id ?? null;
  const [path, top] = JSON.parse(session?.getItem('ajet:scroll') ?? '[]');
  session?.removeItem('ajet:scroll');
  const target = $('.msg.target'), divider = $('#unread-divider');
  if (target) target.scrollIntoView({ block: 'center' });
  else if (path === canonical) view.scrollTop = top;
  else if (divider && divider.getBoundingClientRect().top < view.getBoundingClientRect().top) divider.scrollIntoView({ block: 'start' });
  queue().forEach(drawEntry);
  new MutationObserver(noteRows).observe(list, { childList: true });
  for (const name of ['focus', 'blur', 'resize']) addEventListener(name, noteRows);
  view.addEventListener('scroll', () => { drawPill(); noteRead(); }, { passive: true });
  noteRows();
  if (!touch.matches && document.activeElement === document.body) (boxes.find(one => one.parent) ?? boxes[0])?.text.focus();
}
drawTitle();
flush();
(window.requestIdleCallback ?? setTimeout)(loadExtras);
new MutationObserver(() => {
  localize();
  redate();
  const spoken = $('#announcer');
  while (spoken.childElementCount > 20) spoken.firstElementChild.remove();
}).observe(document.body, { childList: true, subtree: true });
