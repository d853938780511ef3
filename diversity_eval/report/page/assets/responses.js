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
  const loaded = new Map();
  const state = { set: 0, sources: [], metric: -1, order: 'difference', text: '', marks: true, prompt: null, most: PAGE };

  async function open(number, prompt = null) {
    state.set = number;
    if (!loaded.has(number)) {
      fill(byId('prompts'), el('p', {}, 'Opening …'));
      loaded.set(number, await unpack(`responses-${number}`));
    }
    const of = loaded.get(number);
    state.sources = of.sources.map((_, place) => place).slice(0, 2);
    state.metric = of.values.length ? 0 : -1;
    state.prompt = prompt !== null && prompt < of.prompts.length ? prompt : null;
    state.most = PAGE;
    controls(of);
    list(of);
  }

  const sourceName = (source) => (source.variant ? `${source.row}, ${source.variant}` : source.row);

  function controls(of) {
    const columns = new Map(data.columns.map((column) => [column.key, column]));
    const boxes = el('fieldset', {}, el('legend', {}, 'Runs, two or more'), ...of.sources.map((source, place) => {
      const label = checkbox('', state.sources.includes(place), (on) => {
        state.sources = of.sources.map((_, at) => at).filter((at) => (at === place ? on : state.sources.includes(at)));
        list(of);
      });
      label.append(el('bdi', {}, sourceName(source)));
      return label;
    }));
    fill(byId('chooser'),
      sets.length > 1 ? chooser('Task', sets.map((each, place) => [place, each.task_title]), state.set, (value) => open(Number(value))) : null,
      chooser('Order', [['difference', 'largest difference first'], ['place', 'as in the data']], state.order, (value) => { state.order = value; list(of); }),
      of.values.length > 1 ? chooser('Difference in', of.values.map((value, place) => [place, columns.get(value.column)?.title ?? value.column]), state.metric, (value) => { state.metric = Number(value); list(of); }) : null,
      search('Search prompts and responses', (text) => { state.text = text.toLowerCase(); state.most = PAGE; list(of); }),
      checkbox(`Mark what ${SHARED_WORDS} words or more share`, state.marks, (on) => { state.marks = on; read(of); }),
      boxes);
  }

  function difference(of, prompt) {
    if (state.metric < 0) return null;
    const known = state.sources.map((source) => of.values[state.metric].by_source[source][prompt]).filter((value) => value !== null);
    return known.length < 2 ? null : Math.max(...known) - Math.min(...known);
  }

  function matches(of, prompt) {
    if (!state.text) return true;
    const texts = [of.prompts[prompt].key, of.prompts[prompt].text, ...state.sources.flatMap((source) => of.responses[source][prompt] ?? [])];
    return texts.some((text) => text.toLowerCase().includes(state.text));
  }

  function list(of) {
    const there = of.prompts.map((_, place) => place).filter((place) => state.sources.some((source) => of.responses[source][place]) && matches(of, place));
    if (state.order === 'difference') {
      const sizes = new Map(there.map((place) => [place, difference(of, place)]));
      there.sort((a, b) => (sizes.get(b) ?? -1) - (sizes.get(a) ?? -1) || a - b);
    }
    const decimals = state.metric < 0 ? 1 : data.columns.find((column) => column.key === of.values[state.metric].column)?.decimals ?? 2;
    if (!there.includes(state.prompt)) state.prompt = there[0] ?? null;
    const items = there.slice(0, state.most).map((place) => {
      const size = difference(of, place);
      const text = el('span', { class: 'text', dir: 'auto' });
      appendText(text, shortText(of.prompts[place].text) || `prompt ${of.prompts[place].key}`);
      return el('li', {}, el('button', { type: 'button', 'data-prompt': place, 'aria-current': place === state.prompt ? 'true' : null,
        onclick: () => { state.prompt = place; current(); read(of); } }, text,
      el('span', { class: 'faint' }, size === null ? '' : `difference ${shown(size, decimals)}`)));
    });
    fill(byId('prompts'), el('p', { class: 'faint', role: 'status' }, `${there.length} of ${of.prompts.length} prompts`),
      items.length ? el('ol', { 'aria-label': 'Prompts' }, ...items) : null,
      there.length > state.most ? el('button', { type: 'button', class: 'more', onclick: () => { state.most += PAGE; list(of); } }, 'Show more') : null);
    read(of);
  }

  function current() {
    for (const button of document.querySelectorAll('#prompts li button')) {
      if (Number(button.dataset.prompt) === state.prompt) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    }
  }

  function read(of) {
    if (state.prompt === null || state.sources.length === 0) {
      fill(byId('reading'), el('p', {}, state.sources.length ? 'No prompt matches.' : 'Choose at least one run.'));
      return;
    }
    const asked = el('p', { class: 'asked', dir: 'auto' });
    const { key, text } = of.prompts[state.prompt];
    appendText(asked, text || `Prompt ${key}; its text was not kept.`);
    fill(byId('reading'), el('h3', {}, `Prompt ${key}`), asked,
      el('div', { class: 'sides' }, ...state.sources.map((source) => side(of, source))));
    history.replaceState(null, '', `#responses/${state.set}/${state.prompt}`);
  }

  function side(of, source) {
    const texts = of.responses[source][state.prompt];
    const numbers = of.values.map((value) => {
      const column = data.columns.find((each) => each.key === value.column);
      const number = value.by_source[source][state.prompt];
      return number === null || !column ? null : `${column.title} ${shown(number, column.decimals)}`;
    }).filter(Boolean);
    const box = el('div', { class: 'side' }, el('h4', { dir: 'auto' }, sourceName(of.sources[source])), el('p', { class: 'numbers' }, numbers.join(' · ')));
    if (!texts) { box.append(el('p', { class: 'faint' }, 'No responses kept.')); return box; }
    const stretches = state.marks ? sharedStretches(texts) : texts.map(() => []);
    const ratings = of.ratings[source][state.prompt];
    const partition = of.partition[source][state.prompt];
    box.append(el('ol', {}, ...texts.map((text, place) => {
      const first = texts.findIndex((other) => other.trim() === text.trim());
      const count = texts.filter((other) => other.trim() === text.trim()).length;
      const group = partition ? partition[place] : null;
      const rating = ratings ? ratings[place] : undefined;
      return el('li', { class: `response${first < place ? ' same' : ''}${group === null || group < 0 ? '' : ` class-${group % 8}`}` },
        el('div', { class: 'top' }, el('span', {}, `${place + 1}`),
          rating === undefined ? null : el('span', { class: 'badge' }, rating === null ? 'no rating' : `rating ${rating}`),
          group === null ? null : el('span', { class: 'badge' }, group < 0 ? 'class unknown' : `class ${className(group)}`),
          first < place ? el('span', { class: 'badge' }, `same as ${first + 1}`) : count > 1 ? el('span', { class: 'badge' }, `${count} times`) : null,
          text.trim() === '' ? el('span', { class: 'badge' }, 'empty') : null),
        textBlock(text, stretches[place]));
    })));
    return box;
  }

  /** A, B, ..., Z, AA, ... */
  function className(group) {
    return group < 26 ? String.fromCharCode(65 + group) : className(Math.floor(group / 26) - 1) + className(group % 26);
  }

  const asked = /^#responses\/(\d{1,4})\/(\d{1,6})$/.exec(location.hash);
  const wanted = asked && Number(asked[1]) < sets.length ? Number(asked[1]) : 0;
  const start = () => open(wanted, asked ? Number(asked[2]) : null);
  if (asked) { start().then(() => byId('responses').scrollIntoView()); return; }
  // The data are unpacked when somebody comes near them.
  const watch = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) { watch.disconnect(); start(); }
  }, { rootMargin: '400px' });
  watch.observe(byId('responses'));
}
