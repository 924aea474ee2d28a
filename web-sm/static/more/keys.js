// ---- going about by keys ----

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
const deeds = { Enter: 'thread', r: 'thread', t: 'thread', '+': 'react', e: 'edit', '>': 'quote', y: 'link' };
const listKey = (name, row) => {
  const all = rows(row?.parentElement ?? list), at = all.indexOf(row);
  const go = to => { to?.focus(); to?.scrollIntoView({ block: 'nearest' }); };
  const twice = pending === name;
  pending = '';
  if (name === 'j' || name === 'ArrowDown') go(all[at + 1] ?? (row ? null : all.at(-1)));
  else if (name === 'k' || name === 'ArrowUp') go(row ? all[at - 1] : all.at(-1));
  else if (name === 'G') go(all.at(-1));
  else if (name === 'g') twice ? go(all[0]) : pending = 'g';
  else if (name === 'n') go(all[all.findIndex(one => one.previousElementSibling?.id === 'unread-divider')]);
  else if (name === 'i') $('#composer-input')?.focus();
  else if (!row || row.matches('.sys')) return;
  else if (name === 'd') twice ? (isMine(row) || 'admin' in app.dataset) && doTo(row, 'delete') : pending = 'd';
  else doTo(row, deeds[name]);
};

// ---- what keys write ----

const insert = (text, before, after = '') => {
  const { selectionStart: start, selectionEnd: end, value } = text;
  text.setRangeText(before + value.slice(start, end) + after, start, end, 'end');
  if (start === end) text.selectionStart = text.selectionEnd = start + before.length;
  text.focus();
  text.dispatchEvent(new Event('input', { bubbles: true }));
};

const wrap = (text, mark) => (mark === '```' ? insert(text, '```\n', '\n```') : insert(text, mark, mark));
