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

// The page was drawn anew.
const editsAgain = () => {
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

const remove = row => {
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

const help = () => $('#keyboard-help').showModal();

let picked = null;
const pick = (anchor, then) => {
  picked = then;
  $('#emoji-picker').showPopover({ source: anchor });
  $('#emoji-picker button').focus();
};

const openThread = row => {
  if (row.closest('#pane')) return $('#thread-input')?.focus();
  openPane(`thread=${idOf(row)}`, row);
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
const openMenu = (row, anchor) => {
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
let tools = null;
const showTools = row => {
  tools ??= clone('message-tools').firstElementChild;
  if (tools.parentElement === row || $(':focus-visible', tools)) return;
  $('[value=edit]', tools).hidden = !isMine(row);
  $('[value=thread]', tools).hidden = !!row.closest('#pane');
  row.append(tools);
};
