// What a page needs once somebody does something: it is fetched when the page has come to rest. The files of this folder become one
// module, in the order of their names. What the page itself offers is handed over at the start.

let $, $$, act, app, box, boxes, canonical, channel, clone, drawEntry, flush, grow, hold, idOf, inFence, isMine, list, post, queue, reasonOf, rows, save, sends, store, toast, touch, uuid;

export const start = page => {
  ({ $, $$, act, app, box, boxes, canonical, channel, clone, drawEntry, flush, grow, hold, idOf, inFence, isMine, list, post, queue, reasonOf, rows, save, sends, store, toast, touch, uuid } = page);
  begin();
  return { close, complete, cycle, doTo, edit, follow, goChannel, help, key, link, listKey, press, redrawn, run, said, showTools, wrap };
};

const own = text => Object.assign(document.createElement('p'), { textContent: text });
const say = text => $('#announcer').append(own(text));

// An answer of the server as text; null when there is none, which is said.
const fetched = async path => {
  try {
    const response = await fetch(path, { signal: AbortSignal.timeout(15000) });
    if (response.ok) return await response.text();
    toast(await reasonOf(response), true);
  } catch {
    toast('The server could not be reached. Try again.', true);
  }
  return null;
};

// A click on a link that this page can follow by itself.
const link = target => {
  const a = target.closest('a, .msg > .avatar, .mention');
  if (!a) return false;
  if (a.matches('.note')) return noteSeen(a);
  const person = personOf(a);
  if (person) return openCard(a, person);
  if (!channel) return false;
  if (a.matches('#members-toggle')) return $('#pane-title') && a.ariaExpanded === 'true' ? leavePane() : openPane('members=1');
  if (a.matches('.thread-link')) return openPane(a.search.slice(1), a.closest('li'));
  return a.matches('#pane-close, #pane .back') && leavePane();
};

const press = button => {
  const row = button.closest('.messages > li');
  if (button.matches('.msg-tools button, #message-menu button')) {
    const of = row ?? menuRow;
    $('#message-menu').hidePopover();
    doTo(of, button.value, row ? button : of);
  } else if (button.matches('.react[aria-pressed]')) react(row, $('.e', button).textContent, button);
  else if (button.matches('.react')) pick(button, emoji => react(row, emoji));
  else if (button.matches('.emoji-grid button')) {
    $('#emoji-picker').hidePopover();
    picked?.(button.textContent);
  } else if (button.matches('.emoji-open')) pick(button, emoji => insert($('textarea', button.form), emoji));
  else if (button.matches('.begin')) beginWith($('textarea', button.form), button.value);
  else if (button.matches('.dismiss')) dismiss(button);
  else if (button.matches('.copy-code')) copy($$('code', button.closest('.answer')).map(code => code.textContent.trim()).sort((a, b) => b.length - a.length)[0] ?? '');
  else if (button.matches('.copy')) copy($(`#${button.value}`).textContent);
  else if (button.matches('.call')) call(button.value);
  else if (button.matches('.again, .drop')) settleEntry(row, button.matches('.again'));
  else if (button.id === 'read-all') act('/activity/read');
};

// A message that the server refused is sent once more, or given up.
const settleEntry = (row, again) => {
  const entry = queue().find(one => row.id === `pending-${one.id}`);
  if (entry && again) {
    const fresh = { ...entry, failed: undefined, retry: undefined };
    save(fresh);
    drawEntry(fresh);
  } else {
    row.remove();
    if (entry) store.set(entry.name);
  }
  flush();
};

// A form has done its work once there is something to show for it: it is empty again. What Datastar hears it has sent is its own.
const emptied = ({ detail: { type, el, argsRaw } }) => {
  if (type === 'datastar-patch-elements' && el.matches('#main form') && /id="(created-secret|invite-url)"/.test(argsRaw.elements)) el.reset();
};

const begin = () => {
  document.addEventListener('datastar-fetch', emptied);
  chooser();
  watchThread();
  addEventListener('focus', threadSeen);
  // What one is told of while the thread is on screen is read as well.
  new MutationObserver(threadSeen).observe($('#inbox-nav').parentElement, { childList: true, subtree: true });
  $('#members-toggle')?.setAttribute('aria-expanded', !!$('#pane .side-group'));
};

// The page was drawn anew, without what only this page knows.
const redrawn = () => {
  editsAgain();
  paneAgain();
};
