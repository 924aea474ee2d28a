// ---- the pane: threads and members, opened without leaving the page ----

let opener = null;

const paneQuery = () => {
  const root = $('#thread-messages')?.dataset.thread;
  return root ? `thread=${root}` : $('#pane') ? 'members=1' : '';
};

// Takes the pane away; what was written in its box is kept as a draft.
const dropPane = () => {
  const gone = boxes.findIndex(one => one.parent);
  if (gone >= 0) {
    boxes[gone].leave();
    boxes.splice(gone, 1);
  }
  $('#pane')?.remove();
  app.dataset.view = 'main';
  $('#members-toggle')?.setAttribute('aria-expanded', false);
};

// Of several that were asked for, the last is shown.
let asked = 0;
const showPane = async query => {
  const release = hold(), mine = asked += 1;
  const html = await fetched(`/channels/${channel}/pane?${query}`);
  const wanted = html !== null && mine === asked;
  if (wanted) {
    dropPane();
    app.insertAdjacentHTML('beforeend', html);
    app.dataset.view = 'pane';
    const form = $('#thread-composer');
    if (form) boxes.push(box(form));
    queue().forEach(drawEntry);
    watchThread();
    $('#members-toggle')?.setAttribute('aria-expanded', query.startsWith('members'));
  }
  release();
  return wanted;
};

const focusPane = () => ((touch.matches ? null : $('#thread-input')) ?? $('#pane .scroll')).focus();

const openPane = (query, from) => {
  opener = from ?? document.activeElement;
  showPane(query).then(shown => {
    if (!shown) return;
    history.pushState(null, '', `${location.pathname}?${query}`);
    focusPane();
  });
  return true;
};

const leavePane = () => {
  asked += 1;
  const root = $('#thread-messages')?.dataset.thread;
  dropPane();
  history.pushState(null, '', location.pathname);
  const back = opener?.isConnected && opener !== document.body ? opener : root && $(`#message-${root}`);
  (back || $('#composer-input'))?.focus();
  return true;
};

// Back and forward.
const follow = async () => {
  const address = new URLSearchParams(location.search), thread = address.get('thread');
  const query = thread ? `thread=${thread}` : address.has('members') ? 'members=1' : '';
  if (!channel || query === paneQuery()) return;
  if (!query) return leaveBehind();
  if (await showPane(query)) focusPane();
};

const leaveBehind = () => {
  const root = $('#thread-messages')?.dataset.thread;
  dropPane();
  ((root && $(`#message-${root}`)) || $('#composer-input'))?.focus();
};

// The page was drawn anew: what is in the pane is read again, and the box in it stays.
const paneAgain = async () => {
  const query = paneQuery();
  if (!query) return;
  const release = hold();
  const html = await fetched(`/channels/${channel}/pane?${query}`);
  if (html !== null && query === paneQuery()) {
    const fresh = document.createElement('template');
    fresh.innerHTML = html;
    const part = query.startsWith('thread') ? '#thread-messages' : '#pane .scroll';
    $(part).replaceWith($(part.replace('#pane ', ''), fresh.content));
    queue().forEach(drawEntry);
    watchThread();
    editsAgain();
  }
  release();
};

// ---- a thread that is on screen is read, and what comes is spoken ----

let watcher = null, seenTimer = 0;

const threadSeen = () => {
  clearTimeout(seenTimer);
  const thread = $('#thread-messages');
  if (!thread?.offsetParent || !document.hasFocus() || !$('#inbox-nav .count')) return;
  seenTimer = setTimeout(() => post(`/messages/${thread.dataset.thread}/seen`).catch(() => {}), 1000);
};

const watchThread = () => {
  watcher?.disconnect();
  const thread = $('#thread-messages');
  if (!thread) return;
  const replies = () => $$(':scope > .msg[id^="message-"]', thread), known = new Set(replies().map(row => row.id));
  watcher = new MutationObserver(() => {
    // New is what stands below the last one that was there: earlier replies come in above, and a replay puts back what is known.
    const all = replies(), fresh = all.slice(all.findLastIndex(row => known.has(row.id)) + 1).filter(row => !isMine(row));
    for (const row of all) known.add(row.id);
    if (fresh.length > 3) say(`${fresh.length} new replies`);
    else for (const row of fresh) say(`${$('.msg-author', row)?.textContent ?? ''}: ${$('.prose', row)?.innerText.slice(0, 120) ?? ''}`);
    threadSeen();
  });
  watcher.observe(thread, { childList: true });
  threadSeen();
};
