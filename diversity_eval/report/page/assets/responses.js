/** The response browser: two or more runs' responses to one prompt, side by side. */

const PAGE = 200;

function responseBrowser(data) {
  const sets = data.response_sets;
  if (!sets.length) return;
  byId('responses').hidden = false;
  byId('to-responses').hidden = false;
  if (data.responses_left_out) {
    byId('left-out').hidden = false;
    byId('left-out').textContent = data.responses_left_out;
  }
  const unpacked = new Map();
  const titles = new Map(data.columns.map((column) => [column.key, column]));
  const state = {
    set: 0, sources: [], metric: -1, order: 'difference', text: '', marks: true, prompt: null, most: PAGE, used: false,
  };

  /** Opens a task's responses; `place` is what an address asks for. */
  async function open(number, place = {}) {
    state.set = number;
    if (!unpacked.has(number)) {
      fill(byId('prompts'), el('p', {}, 'Opening …'));
      unpacked.set(number, unpack(`responses-${number}`));
    }
    const of = await unpacked.get(number);
    if (state.set !== number) return; // another one was asked for meanwhile
    const asked = (place.sources ?? []).filter((source) => source < of.sources.length);
    state.sources = asked.length ? asked : of.sources.map((_, at) => at).slice(0, 2);
    state.metric = of.values.length ? 0 : -1;
    state.prompt = place.prompt < of.prompts.length ? place.prompt : null;
    state.most = PAGE;
    state.text = '';
    const chosen = document.activeElement === byId('chooser').querySelector('select');
    controls(of);
    if (chosen) byId('chooser').querySelector('select').focus();
    list(of);
  }

  function controls(of) {
    const runs = of.sources.map((source, place) => checkbox(sourceName(source), state.sources.includes(place), (on) => {
      const kept = (at) => (at === place ? on : state.sources.includes(at));
      state.sources = of.sources.map((_, at) => at).filter(kept);
      list(of);
    }));
    const tasks = sets.map((each, place) => [place, each.task_title]);
    const metrics = of.values.map((value, place) => [place, titles.get(value.column)?.title ?? value.column]);
    const orders = [['difference', 'largest difference first'], ['place', 'as in the data']];
    const again = (key, read = (value) => value) => (value) => { state[key] = read(value); list(of); };
    fill(byId('chooser'),
      tasks.length > 1 ? chooser('Task', tasks, state.set, (value) => open(Number(value))) : null,
      chooser('Order', orders, state.order, again('order')),
      metrics.length > 1 ? chooser('Difference in', metrics, state.metric, again('metric', Number)) : null,
      search('Search prompts and responses', (text) => { state.most = PAGE; again('text')(text.toLowerCase()); }),
      checkbox(`Mark what ${SHARED_WORDS} words or more share`, state.marks, (on) => { state.marks = on; read(of); }),
      el('fieldset', {}, el('legend', {}, 'Runs, two or more'), ...runs));
  }

  function difference(of, prompt) {
    if (state.metric < 0) return null;
    const values = of.values[state.metric].by_source;
    const known = state.sources.map((source) => values[source][prompt]).filter((value) => value !== null);
    return known.length < 2 ? null : Math.max(...known) - Math.min(...known);
  }

  function matches(of, prompt) {
    if (!state.text) return true;
    const responses = state.sources.flatMap((source) => of.responses[source][prompt] ?? []);
    const texts = [of.prompts[prompt].key, of.prompts[prompt].text, ...responses];
    return texts.some((text) => text.toLowerCase().includes(state.text));
  }

  /** The prompts that are found, in their order. */
  function found(of) {
    const answered = (place) => state.sources.some((source) => of.responses[source][place]);
    const there = of.prompts.map((_, place) => place).filter((place) => answered(place) && matches(of, place));
    if (state.order !== 'difference') return there;
    const sizes = new Map(there.map((place) => [place, difference(of, place) ?? -1]));
    return there.sort((a, b) => sizes.get(b) - sizes.get(a) || a - b);
  }

  function list(of) {
    const there = found(of);
    if (!there.includes(state.prompt)) state.prompt = there[0] ?? null;
    const decimals = state.metric < 0 ? 1 : titles.get(of.values[state.metric].column)?.decimals ?? 2;
    const items = there.slice(0, state.most).map((place) => {
      const size = difference(of, place);
      const { key, text } = of.prompts[place];
      const name = el('span', { class: 'text', dir: 'auto' }, shortText(text) || `prompt ${key}`);
      const apart = el('span', { class: 'faint' }, size === null ? '' : `difference ${shown(size, decimals)}`);
      const choose = () => { state.prompt = place; current(); read(of); };
      return el('li', {}, el('button', { type: 'button', 'data-prompt': place, onclick: choose }, name, apart));
    });
    const more = el('button', { type: 'button', class: 'more', onclick: () => {
      const first = state.most;
      state.most += PAGE;
      list(of);
      byId('prompts').querySelectorAll('li button')[first].focus();
    } }, 'Show more');
    byId('prompts-found').textContent = `${there.length} of ${of.prompts.length} prompts; arrow keys go through them`;
    fill(byId('prompts'), items.length ? el('ol', { 'aria-label': 'Prompts', onkeydown: move }, ...items) : null,
      there.length > state.most ? more : null);
    current();
    read(of);
  }

  /** The one prompt that is read is the one that Tab reaches. */
  function current() {
    const buttons = [...byId('prompts').querySelectorAll('li button')];
    const read = buttons.find((button) => Number(button.dataset.prompt) === state.prompt);
    for (const button of buttons) {
      button.tabIndex = button === (read ?? buttons[0]) ? 0 : -1;
      if (button === read) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    }
  }

  function move(event) {
    const buttons = [...byId('prompts').querySelectorAll('li button')];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const next = buttons[Math.max(0, Math.min(to, buttons.length - 1))];
    next.click();
    next.focus();
  }

  function read(of) {
    if (state.prompt === null || state.sources.length === 0) {
      const why = state.sources.length ? 'No prompt matches.' : 'Choose at least one run.';
      byId('read').textContent = why;
      fill(byId('reading'), el('p', {}, why));
      return;
    }
    const { key, text } = of.prompts[state.prompt];
    const sides = state.sources.map((source) => side(data, of, source, state.prompt, state.marks));
    fill(byId('reading'), el('h3', {}, `Prompt ${key}`),
      el('p', { class: 'asked', dir: 'auto' }, text || `Prompt ${key}; its text was not kept.`),
      el('div', { class: 'sides' }, ...sides));
    byId('read').textContent = `Prompt ${key}, ${sides.length === 1 ? 'one run' : `${sides.length} runs side by side`}`;
    // The address names what somebody chose, not what he merely scrolled past.
    if (state.used) history.replaceState(null, '', `#responses/${state.set}/${state.prompt}/${state.sources.join(',')}`);
  }

  function failed(error) {
    fill(byId('prompts'), el('p', { class: 'note' }, `These responses cannot be read: ${error}.`));
  }

  /** Goes to what the address names: #responses/TASK/PROMPT/RUN,RUN, each by its place. False if it names nothing. */
  function goto() {
    const asked = /^#responses\/(\d{1,4})\/(\d{1,6})(?:\/(\d{1,4}(?:,\d{1,4}){0,99}))?$/.exec(location.hash);
    if (!asked || Number(asked[1]) >= sets.length) return false;
    const sources = asked[3] ? [...new Set(asked[3].split(',').map(Number))].sort((a, b) => a - b) : [];
    open(Number(asked[1]), { prompt: Number(asked[2]), sources })
      .then(() => byId('responses').scrollIntoView()).catch(failed);
    return true;
  }

  for (const happened of ['click', 'input']) {
    byId('responses').addEventListener(happened, () => { state.used = true; }, { capture: true });
  }
  // The data are unpacked when somebody comes near them.
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    if (!unpacked.size) open(0).catch(failed);
  }, { rootMargin: '400px' });
  addEventListener('hashchange', goto);
  if (!goto()) watch.observe(byId('responses'));
}
