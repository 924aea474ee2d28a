// ---- what fits the letters typed so far: commands, people, channels, emoji ----

// The lists of the server, and when they came; people come and go, so they are asked for again now and then.
let lists = null, listedAt = 0, asking = null;
const askLists = () => asking ??= (async () => {
  try {
    const response = await fetch(`/channels/${channel}/complete`, { signal: AbortSignal.timeout(15000) });
    if (!response.ok) return;
    const fresh = document.createElement('template');
    fresh.innerHTML = await response.text();
    lists = fresh.content.firstElementChild;
    listedAt = Date.now();
    $('#complete')?.remove();
    // In the page, so that the dots of people are kept up to date.
    $('#main').append(lists);
  } catch { /* The next letter asks again. */ }
  asking = null;
})();

const MOST = 7;
// Where a word was begun whose list was closed: it stays closed.
let shut = null, open = null;

const typed = option => $('.ins', option).textContent;

// The list and the letters that somebody is at, by the text before the caret. `from`: where the word begins that an option replaces.
const wish = text => {
  const { value, selectionStart: at } = text;
  if (at !== text.selectionEnd || inFence(text)) return null;
  const before = value.slice(0, at);
  if (/^\/(?!\/)[^\n]*$/.test(before)) {
    const command = wishOfCommand(before);
    if (command) return command;
  }
  const called = /(?:^|[\s(])([@#])([\p{L}\p{N}._-]*)$/u.exec(before);
  if (called) return { of: called[1] === '@' ? 'person' : 'channel', word: called[2], from: at - called[2].length - 1, all: true };
  const emoji = /(?:^|[\s(]):([\p{L}\p{N}_+-]{2,})$/u.exec(before);
  return emoji && { of: 'emoji', word: emoji[1].replaceAll('_', ' '), from: at - emoji[1].length - 1 };
};

const wishOfCommand = before => {
  const line = before.toLowerCase();
  const known = $$('.of-command > li', lists).filter(option => line.startsWith(`${typed(option)} `));
  const command = known.sort((a, b) => typed(b).length - typed(a).length)[0];
  if (!command) return { of: 'command', word: before.slice(1), from: 0, whole: true };
  const words = before.slice(typed(command).length + 1).split(/\s+/), word = words.at(-1);
  const takes = $$('[data-kind]', command), taken = takes[Math.min(words.length, takes.length) - 1];
  const kind = words.length > takes.length && taken?.dataset.kind !== 'text' ? 'none' : taken?.dataset.kind ?? 'none';
  // In a text one calls people as everywhere.
  if (kind === 'text' && /[@#:]/.test(word)) return null;
  return { of: kind, word: word.replace(/^[@#/]/, ''), from: before.length - word.length, command, words: taken?.textContent, argument: true };
};

const title = ({ of, word, command, argument }) => {
  if (argument) return `${typed(command)} ${$('.sub', command).textContent}`;
  if (of === 'command') return word ? `Commands starting with “${word}”` : 'Commands';
  return { person: 'People', channel: 'Channels', emoji: 'Emoji' }[of];
};

// The options that fit, the best first: what begins so, then what has a word that does.
const fitting = wanted => {
  const { of, all } = wanted, word = wanted.word.toLowerCase();
  if (of === 'word') return wanted.words.split(' ').filter(one => one && one.startsWith(word)).map(one => {
    const option = document.createElement('li');
    option.className = 'opt-row';
    option.append(Object.assign(document.createElement('span'), { className: 'what ins', textContent: one }));
    return option;
  });
  const ranked = $$(`.of-${of} > li`, lists).filter(option => all || !option.matches('.all')).map(option => {
    const ins = typed(option).replace(/^[@#/]/, '').toLowerCase();
    if (of === 'command') return { option, rank: ins.startsWith(word) ? 0 : 9 };
    const name = of === 'emoji' ? $('.what', option).textContent : $('bdi', option)?.textContent ?? '';
    const words = `${name} ${ins}`.toLowerCase();
    const begins = words.split(/[\s-]+/).some(one => one.startsWith(word)) || words.startsWith(word);
    return { option, rank: ins.startsWith(word) ? 0 : begins ? 1 : words.includes(word) && of !== 'emoji' ? 2 : 9 };
  });
  return ranked.filter(({ rank }) => rank < 9).sort((a, b) => a.rank - b.rank).slice(0, MOST).map(({ option }) => {
    const copy = option.cloneNode(true);
    $('ul', copy)?.remove();
    return copy;
  });
};

const close = () => {
  if (!open) return;
  const { text, pop } = open;
  open = null;
  pop.remove();
  text.removeAttribute('aria-controls');
  text.removeAttribute('aria-activedescendant');
};

const choose = n => {
  open.at = n;
  for (const [i, option] of open.options.entries()) option.setAttribute('aria-selected', i === n);
  const chosen = open.options[n];
  if (chosen) open.text.setAttribute('aria-activedescendant', chosen.id);
  else open.text.removeAttribute('aria-activedescendant');
  chosen?.scrollIntoView({ block: 'nearest' });
};

const draw = (box, wanted, options) => {
  const { form, text } = box, again = open?.text === text ? open.pop : null;
  const pop = again ?? clone('suggestions').firstElementChild;
  open = { text, form, pop, options, wanted, at: -1 };
  const header = $('.group', pop), listbox = $('ul', pop);
  header.textContent = title(wanted);
  if (wanted.argument && !options.length) header.append(Object.assign(document.createElement('small'), { textContent: $('.about', wanted.command).textContent }));
  options.forEach((option, n) => {
    option.id = `ac-${n + 1}`;
    option.setAttribute('role', 'option');
    option.addEventListener('pointerdown', event => event.preventDefault());
    option.addEventListener('click', () => take(option));
  });
  listbox.hidden = !options.length;
  listbox.ariaLabel = title(wanted);
  listbox.replaceChildren(...options);
  if (!again) form.prepend(pop);
  if (options.length) text.setAttribute('aria-controls', 'autocomplete');
  else text.removeAttribute('aria-controls');
  // An argument that may be left out is not filled in by Enter before one has begun to write it.
  choose(options.length && !(wanted.argument && !wanted.word) ? 0 : -1);
};

const complete = async box => {
  const { text } = box;
  if (document.activeElement !== text || box.form.ariaBusy === 'true' || !/[/@#:]/.test(text.value)) {
    shut = null;
    return close();
  }
  if (!lists || Date.now() - listedAt > 60000) {
    const asked = askLists();
    if (!lists) {
      await asked;
      // Much may have been typed and sent meanwhile.
      return lists && complete(box);
    }
  }
  const wanted = wish(text);
  if (shut !== wanted?.from) shut = null;
  if (!wanted || shut !== null || document.activeElement !== text) return close();
  const options = fitting(wanted);
  if (!options.length && !wanted.argument) {
    if (wanted.of !== 'command') return close();
    draw(box, wanted, options);
    $('.group', open.pop).textContent = 'No command matches';
    return;
  }
  const before = open?.options.length ?? 0;
  draw(box, wanted, options);
  if (options.length && options.length !== before) say(`${options.length} ${options.length > 1 ? 'suggestions' : 'suggestion'}`);
};

// Puts an option in the place of what was typed of it.
const take = option => {
  const { text, wanted } = open, { from, whole, of } = wanted;
  const plain = typed(option), source = whole && $$('.of-command > li', lists).find(one => typed(one) === plain);
  const spaced = !source || $('[data-kind]', source);
  // A command is named without its slash where another one takes it.
  const ins = of === 'command' && !whole ? plain.slice(1) : plain;
  text.setRangeText(ins + (spaced ? ' ' : ''), from, text.selectionStart, 'end');
  close();
  text.focus();
  text.dispatchEvent(new Event('input', { bubbles: true }));
};

// The keys of the list while it is open; true for those it takes.
const key = event => {
  if (!open || open.text !== event.target || event.isComposing) return false;
  const { options, at, text, wanted } = open, n = options.length;
  if (event.key === 'Escape') {
    shut = wanted.from;
    close();
    return true;
  }
  if (!n || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return false;
  if (event.key === 'ArrowDown') return choose((at + 1) % n), true;
  if (event.key === 'ArrowUp') return choose((Math.max(at, 0) + n - 1) % n), true;
  if (event.key === 'Tab') return take(options[Math.max(at, 0)]), true;
  if (event.key !== 'Enter' || at < 0) return false;
  // A command that is written out runs; there is nothing to complete.
  if (wanted.whole && text.value.trim() === typed(options[at])) return false;
  take(options[at]);
  return true;
};

// The buttons below the box begin what one would type.
const beginWith = (text, sign) => {
  if (sign === '/') {
    if (text.value.startsWith('/')) return text.focus();
    text.value = `/${text.value}`;
    text.setSelectionRange(1, 1);
    text.focus();
    return text.dispatchEvent(new Event('input', { bubbles: true }));
  }
  const before = text.value.slice(0, text.selectionStart);
  insert(text, `${before && !/\s$/.test(before) ? ' ' : ''}${sign}`);
};
