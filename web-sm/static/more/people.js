// ---- people: the card beside a name, whom to write to, what one was told of ----

// Whose name or picture this is; nothing for anything else.
const personOf = a => {
  if (a.matches('a[href^="/people/"]')) return a.pathname.slice(8);
  if (a.matches('.avatar')) {
    const author = $('a.msg-author', a.parentElement);
    return author && author.pathname.slice(8);
  }
  const hex = a.matches('.mention') && /\bu-([0-9a-f]{32})\b/.exec(a.className)?.[1];
  return hex && hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
};

const openCard = (anchor, id) => {
  const { community } = app.dataset;
  fetched(`/people/${id}/card${community ? '?community=' + community : ''}`).then(html => {
    if (html === null) return;
    $('#profile-card')?.remove();
    $('#modal-root').insertAdjacentHTML('beforeend', html);
    const card = $('#profile-card'), mention = $('.call', card);
    if (mention) mention.hidden = !$('#composer-input');
    card.showPopover({ source: anchor });
    ($('button:not([hidden])', card) ?? card).focus();
    card.addEventListener('toggle', event => {
      if (event.newState !== 'closed') return;
      if (document.activeElement === document.body || card.contains(document.activeElement)) (anchor.closest('.messages > li') ?? anchor).focus();
      card.remove();
    });
  });
  return true;
};

const call = name => {
  const text = $('#thread-input') ?? $('#composer-input');
  $('#profile-card')?.hidePopover();
  if (text) insert(text, `${text.value && !/\s$/.test(text.value) ? ' ' : ''}${name} `);
};

// What is opened was seen. Told on the way out, so that nobody waits for it.
const noteSeen = note => {
  if ($('.dot', note)) post('/activity/read', { ids: [note.parentElement.id.slice(-36)] }, true).catch(() => {});
  return false;
};

// The list of whom to write to, by the letters typed.
const chooser = () => {
  const find = $('#find-people');
  if (!find) return;
  const people = $$('#people > li'), boxOf = person => $('input', person);
  const filter = () => {
    const words = find.value.toLowerCase().split(' ');
    for (const person of people) {
      const name = ` ${$('.what', person).textContent.toLowerCase()}`;
      person.hidden = !boxOf(person).checked && !words.every(word => name.includes(word));
    }
    $('#nobody').hidden = !people.length || people.some(person => !person.hidden);
  };
  find.addEventListener('input', filter);
  find.addEventListener('keydown', event => {
    const first = people.find(person => !person.hidden && !boxOf(person).checked);
    if (event.key !== 'Enter' || !find.value.trim() || event.isComposing) return;
    event.preventDefault();
    if (!first) return;
    boxOf(first).checked = true;
    say(`${$('b', first).textContent} chosen`);
    find.value = '';
    filter();
  });
  find.focus();
};
