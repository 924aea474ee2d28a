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
const post = (path, body = {}, keepalive = false) => fetch(path, {
  method: 'POST',
  keepalive,
  signal: AbortSignal.timeout(15000),
  headers: { 'Content-Type': 'application/json', 'X-Ajet-CSRF': '1', 'X-Ajet-User': me },
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
    const old = time.matches('.when') && dayOf(date) !== dayOf(new Date());
    time.textContent = old ? date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' }) : clockOf(date);
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
        const seconds = +response?.headers.get('Retry-After') || Math.min(0.1 * 2 ** tries, 5);
        retryTimer = setTimeout(flush, seconds * 1000);
      }
      save(entry);
      drawEntry(entry);
      break;
    }
  }
};

// One tab at a time, where the browser can tell. Where it cannot, the server knows by the id what it has already.
const flush = () => {
  // Who is signed out sends nothing: the next page of theirs does.
  if (sending || ended) return;
  sending = true;
  clearTimeout(retryTimer);
  const work = () => sendAll().finally(() => { sending = false; });
  if (!navigator.locks) return work();
  let held = false;
  navigator.locks.request(queuePrefix, () => { held = true; return work(); }).catch(() => held || work());
};

// Another tab has sent it, and the stream brings it; or could not, and says why.
addEventListener('storage', event => {
  if (!event.key?.startsWith(queuePrefix)) return;
  if (event.newValue) drawEntry(JSON.parse(event.newValue));
  else $(`#pending-${event.key.slice(-36)}`)?.remove();
});

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
  let body = box.text.value;
  if (!body.trim()) return;
  // One slash is a command, which never becomes a message; two are one.
  if (body.startsWith('//')) body = body.slice(1);
  else if (body.startsWith('/')) return more('run', box);
  loaded?.said();
  // The next number and not the time: clocks go back.
  const id = uuid(), last = queue().at(-1)?.name.slice(queuePrefix.length, -37);
  const entry = { name: `${queuePrefix}${String(+(last ?? 0) + 1).padStart(13, '0')}:${id}`, id, at: Date.now(), body, channel: box.channel, parent: box.parent };
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

const marks = { b: '**', i: '_', e: '`' };

const sends = event => event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229 && !touch.matches && !inFence(event.target);

const box = form => {
  const text = $('textarea', form), draft = key('draft', form.dataset.channel, form.dataset.parent ?? '');
  let saveTimer = 0, unsaved = false, saidAt = 0, stopTimer = 0, told = Promise.resolve();
  const self = {
    text,
    form,
    channel: form.dataset.channel,
    parent: form.dataset.parent,
    set(value) {
      text.value = value;
      loaded?.close();
      keep();
      self.changed();
    },
    changed() {
      $('.send', form).disabled = !text.value.trim();
      grow(text);
    },
    leave() {
      if (unsaved) keep();
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
    more('complete', self);
    self.typing(!!text.value);
    clearTimeout(saveTimer);
    unsaved = true;
    saveTimer = setTimeout(() => { keep(); drawPencils(); }, 500);
  });
  // Only what was written here: another tab may know better.
  addEventListener('pagehide', () => { if (unsaved) keep(); });
  text.addEventListener('click', () => loaded?.complete(self));
  text.addEventListener('blur', () => loaded?.close());
  text.addEventListener('keydown', event => {
    if (loaded?.key(event)) return event.preventDefault();
    const mark = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && marks[event.key.toLowerCase()];
    if (sends(event)) {
      event.preventDefault();
      submit(self);
    } else if (mark) {
      event.preventDefault();
      more('wrap', text, mark);
    } else if (event.key === 'ArrowUp' && !text.value) {
      const last = rows(form.id === 'composer' ? list : $('#thread-messages')).filter(row => isMine(row) && $('.prose', row)).at(-1);
      if (last) {
        event.preventDefault();
        more('edit', last);
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

// ---- what is needed later: menus, dialogs, and the code behind them ----

// It comes when the page has come to rest, or when somebody is faster.
const MORE = 'MORE_JS';
let loaded = null, loading = null;
const load = () => loading ??= (async () => {
  if (!$('#message-menu')) {
    const response = await fetch(`/extras?${MORE.slice(-13)}`);
    if (!response.ok) throw response;
    ($('#main') ?? document.body).insertAdjacentHTML('beforeend', await response.text());
    await new Promise(done => $('#more-css').onload = $('#more-css').onerror = done);
  }
  return loaded = (await import(MORE)).start({ $, $$, act, app, box, boxes, canonical, channel, clone, drawEntry, flush, grow, hold, idOf, inFence, isMine, list, post, queue, reasonOf, rows, save, sends, store, toast, touch, uuid });
})().catch(() => {
  loading = null;
  toast('The server could not be reached. Try again.', true);
});
const more = async (name, ...rest) => (await load())?.[name](...rest);

const rowOf = target => target.closest?.('.messages > .msg[id*="message-"]:has(.prose)');

// Where somebody reads who is not at the end.
const readingAt = () => (list && (!atBottom() || $('#history-bottom')) ? rows().find(row => row.getBoundingClientRect().bottom > view.getBoundingClientRect().top) : null);

// The page was drawn anew, without what only this page knows. Who read what it does not show any more is led back there.
let reading = null;
const redrawn = () => {
  if (reading && !$(`#${reading}`)) return location.assign(`${canonical}/m/${reading.slice(-36)}`);
  queue().forEach(drawEntry);
  for (const one of boxes) one.changed();
  loaded?.redrawn();
};

// ---- the connection ----

// Datastar keeps the stream and comes back by itself, after a pause of up to 15 s. Whoever knows better ends that try and begins anew:
// the options of `app.line` and the attribute that is set again are its own ways for that.
// Over HTTP/1.1 all tabs share six connections, so a hidden one lets go; over HTTP/2 it stays, for the title.
const shared = /^h[23]/.test(performance.getEntriesByType('navigation')[0]?.nextHopProtocol);
const asleep = () => document.hidden && !shared;
let heardAt = Date.now(), tickAt = heardAt, lostTimer = 0, ended = false, line, at, cuts = 0;
app.line = () => {
  // Whoever comes meanwhile keeps it.
  if (asleep()) setTimeout(() => asleep() && letGo());
  line = new AbortController();
  return { openWhenHidden: true, headers: { 'x-ajet-user': me, ...at && { 'last-event-id': at } }, requestCancellation: line };
};
const letGo = () => {
  if (ended || line?.signal.aborted !== false) return;
  cuts += 1;
  line.abort();
};
const reopen = () => {
  if (ended || !line || asleep()) return;
  letGo();
  lost();
  app.dataset.init += '';
};

const lost = () => {
  live = false;
  heardAt = Date.now();
  // Where the server has said why, that stays.
  lostTimer ||= setTimeout(() => $('#banner .info') ?? $('#banner').replaceChildren(clone('reconnecting')), 5000);
};
const heard = () => {
  heardAt = Date.now();
  if (live) return;
  live = true;
  clearTimeout(lostTimer);
  lostTimer = 0;
  $('#banner').replaceChildren();
  retryAll();
};

// While a pane is on its way, what the stream brings for it waits, and comes once it is there.
let held = null, holders = 0;
const hold = () => {
  held ??= [];
  holders += 1;
  return () => {
    holders -= 1;
    if (holders) return;
    const waiting = held;
    held = null;
    for (const detail of waiting) document.dispatchEvent(new CustomEvent('datastar-fetch', { detail }));
  };
};

document.addEventListener('datastar-fetch', event => {
  const { type, el, argsRaw } = event.detail;
  if (el !== app) return;
  // A change of something that is not on this page is nothing; Datastar, which hears of it after us, would warn.
  if (type === 'datastar-patch-elements') {
    if (argsRaw.selector === '#messages' && argsRaw.mode === 'inner') reading = readingAt()?.id;
    const selector = argsRaw.selector ?? `#${argsRaw.elements.split(' id="')[1]?.split('"')[0]}`;
    if (!$(selector)) {
      held?.push(event.detail);
      event.stopImmediatePropagation();
    }
  }
  if (type === 'retrying') lost();
  else if (type === 'finished') {
    if (cuts) return cuts -= 1;
    ended = true;
    clearTimeout(lostTimer);
  } else if (type.startsWith('datastar-')) {
    heard();
    const signals = argsRaw?.signals ? JSON.parse(argsRaw.signals) : {};
    at = signals._at ?? at;
    badge = signals._badge ?? badge;
    here = signals._here ?? here;
    if ('_badge' in signals) drawTitle();
    if ('_resync' in signals) setTimeout(redrawn);
  }
});

document.addEventListener('visibilitychange', () => {
  if (asleep()) return letGo();
  if (document.hidden) return;
  // The clocks of hidden pages are slow: that was no sleep.
  tickAt = Date.now();
  if (!live || line.signal.aborted || Date.now() - heardAt > 20000) reopen();
  // What was given up while nobody looked.
  retryAll();
});

// A connection that is neither open nor closed says nothing at all: heartbeats come every 15 s. When this clock stood still, so did the machine.
setInterval(() => {
  const now = Date.now(), slept = now - tickAt > 15000 && !document.hidden;
  tickAt = now;
  if (slept || now - heardAt > 45000) reopen();
}, 2500);

const beat = () => post('/api/heartbeat').catch(() => {});
beat();
setInterval(beat, 60000);

// ---- keys ----

document.addEventListener('keydown', event => {
  const { target, key: name, altKey, ctrlKey, metaKey, shiftKey } = event;
  const done = () => event.preventDefault();
  if (event.defaultPrevented || event.isComposing) return;
  if (name === 'F6') return done(), more('cycle', shiftKey ? -1 : 1);
  if ((ctrlKey || metaKey) && name === '/') return done(), more('help');
  if (altKey && !ctrlKey && !metaKey) {
    if (name === 'ArrowDown' || name === 'ArrowUp') return done(), more('goChannel', name === 'ArrowDown' ? 1 : -1, shiftKey);
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
  } else if ((row || target.matches('#message-scroll, #thread-scroll')) && /^([jkgGnidrtey+>]|Enter|Arrow(Up|Down))$/.test(name)) {
    done();
    more('listKey', name, row);
  }
});

// ---- clicks ----

const keepScroll = () => view && session?.setItem('ajet:scroll', JSON.stringify([canonical, view.scrollTop]));

document.addEventListener('click', event => {
  const { target } = event, button = target.closest('button');
  const plain = !event.defaultPrevented && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (plain && loaded?.link(target)) return event.preventDefault();
  if (target.closest('a[href^="?"], #pane-close, #pane .back')) keepScroll();
  if (!button) return;
  const row = button.closest('.messages > li');
  if (button.matches('.msg-tools button, .menu button[value], .react, .emoji-grid button, .emoji-open, .begin, .dismiss, .copy, .copy-code, .call, .again, .drop, #read-all')) more('press', button);
  else if (button.matches('.wrap')) more('wrap', $('textarea', button.form), button.value);
  else if (button.id === 'jump-latest') toBottom();
  else if (button.id === 'keyboard-open') more('help');
  else if (button.id === 'try-now') reopen();
  else if (button.id === 'sign-out') post('/auth/logout').finally(() => location.assign('/login'));
});

document.addEventListener('pointerover', event => {
  const row = event.pointerType !== 'touch' && rowOf(event.target);
  if (row) more('showTools', row);
});
document.addEventListener('focusin', event => {
  const row = rowOf(event.target);
  if (row) more('showTools', row);
});
document.addEventListener('contextmenu', event => {
  const row = touch.matches && rowOf(event.target);
  if (row) {
    event.preventDefault();
    more('doTo', row, 'more', row);
  }
});
addEventListener('popstate', () => more('follow'));
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
(window.requestIdleCallback ?? setTimeout)(load);
new MutationObserver(() => {
  localize();
  redate();
  const spoken = $('#announcer');
  while (spoken.childElementCount > 20) spoken.firstElementChild.remove();
}).observe(document.body, { childList: true, subtree: true, attributeFilter: ['data-local'] });
