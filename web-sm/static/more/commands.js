// ---- commands: run by the server, answered for the reader's eyes alone ----

// The key of a text that is on its way: sent again, it is not done twice.
let tried = {};

const answers = form => form.previousElementSibling;

// What was only a note goes; what is shown once stays until it is dismissed.
const tidy = () => $$('.answer:not(.secret)').forEach(note => note.remove());

const answer = (form, html) => {
  tidy();
  answers(form).insertAdjacentHTML('beforeend', html);
  answers(form).lastElementChild?.scrollIntoView({ block: 'nearest' });
};

const notRun = (form, text) => {
  const note = clone('not-run').firstElementChild;
  $('.why', note).textContent = text;
  answer(form, note.outerHTML);
};

const run = async box => {
  const { form, parent, text: { value: text } } = box;
  if (form.ariaBusy === 'true') return;
  close();
  if (tried.text !== text || tried.form !== form) tried = { text, form, id: uuid() };
  form.ariaBusy = 'true';
  let response = null;
  try {
    response = await post(`/channels/${box.channel}/commands`, { text, client_msg_id: tried.id, parent_id: parent });
  } catch { /* not reached */ }
  form.ariaBusy = null;
  const type = response?.headers.get('Content-Type') ?? '';
  if (!response) notRun(form, 'The server could not be reached. The command is still in the box.');
  else if (type.startsWith('text/html')) answer(form, await response.text());
  else if (!response.ok) notRun(form, await reasonOf(response));
  if (!response?.ok) return;
  tried = {};
  box.typing(false);
  if (box.text.value === text) box.set('');
  if (type.startsWith('application/json')) location.assign((await response.json())._goto);
  else if (response.status === 204) tidy();
};

// A message was sent: notes of before are out of date.
const said = tidy;

const dismiss = button => {
  const box = button.closest('.answers');
  button.closest('.answer').remove();
  $('textarea', box.nextElementSibling)?.focus();
};
