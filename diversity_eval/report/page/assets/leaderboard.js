/** The leaderboard: sorting, filtering, and what each cell says. */

function leaderboard(data) {
  const cells = new Map(data.cells.map((cell) => [`${cell.row} ${cell.column}`, cell]));
  const cellOf = (row, column) => cells.get(`${row} ${column}`);
  const state = { sort: null, descending: false, text: '', all: false, intervals: true, tasks: new Set(), published: true };
  const tasks = [...new Set(data.columns.map((column) => column.task_title))];
  tasks.forEach((task) => state.tasks.add(task));
  const references = publishedRows(data);

  const visible = () => data.columns.map((column, place) => ({ column, place })).filter(
    ({ column, place }) => state.tasks.has(column.task_title) && (state.all || column.headline || !data.columns.some((c) => c.headline))
      && (state.all || data.cells.some((cell) => cell.column === place)));

  function controls() {
    const some = data.columns.some((column) => !column.headline);
    const boxes = el('fieldset', {}, el('legend', {}, 'Tasks'), ...tasks.map((task) => checkbox(task, true, (on) => {
      if (on) state.tasks.add(task); else state.tasks.delete(task);
      draw();
    })));
    fill(byId('controls'),
      search('Filter by name, model, loss', (text) => { state.text = text.toLowerCase(); draw(); }),
      some ? checkbox('All metrics', false, (on) => { state.all = on; draw(); }) : null,
      checkbox('Intervals', true, (on) => { state.intervals = on; draw(); }),
      references.length ? checkbox('The paper’s figures', true, (on) => { state.published = on; draw(); }) : null,
      tasks.length > 1 ? boxes : null);
  }

  function rowsShown() {
    const matches = (row) => [row.label, row.model, row.loss || ''].join(' ').toLowerCase().includes(state.text);
    const own = data.rows.map((row, place) => ({ row, value: (column) => cellOf(place, column)?.mean ?? null, place }));
    const rows = [...own, ...(state.published ? references : [])].filter(({ row }) => matches(row));
    if (state.sort === null) return rows;
    const value = (entry) => (state.sort === -1 ? entry.row.label.toLowerCase() : entry.value(state.sort));
    return rows.map((entry, at) => ({ entry, at, value: value(entry) })).sort((a, b) => {
      const missing = (a.value === null) - (b.value === null);
      if (missing || a.value === null) return missing || a.at - b.at;
      const order = a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
      return (state.descending ? -order : order) || a.at - b.at;
    }).map(({ entry }) => entry);
  }

  function sortBy(place, column) {
    if (state.sort === place) state.descending = !state.descending;
    else { state.sort = place; state.descending = column ? column.higher_is_better === true : false; }
    draw();
    document.querySelector(`#board button[data-column="${place}"]`)?.focus();
  }

  function head(columns, notes) {
    const first = el('tr', { class: 'tasks' }, el('th', { class: 'corner', rowspan: 2, scope: 'col', 'aria-sort': sortState(-1) },
      el('button', { type: 'button', 'data-column': -1, onclick: () => sortBy(-1, null) }, 'Run', arrow(-1))));
    const second = el('tr', { class: 'metrics' });
    columns.forEach(({ column, place }, at) => {
      const begins = at === 0 || columns[at - 1].column.task_title !== column.task_title;
      if (begins) {
        const span = columns.slice(at).findIndex(({ column: c }) => c.task_title !== column.task_title);
        first.append(el('th', { colspan: span < 0 ? columns.length - at : span, scope: 'colgroup' }, el('bdi', {}, column.task_title)));
      }
      const better = column.higher_is_better === null ? '' : column.higher_is_better ? ' ↑' : ' ↓';
      const unseen = column.higher_is_better === null ? '' : column.higher_is_better ? ', higher is better' : ', lower is better';
      const mark = notes.get(place);
      second.append(el('th', { scope: 'col', class: begins ? 'first-of-task' : null, 'aria-sort': sortState(place) },
        el('button', { type: 'button', 'data-column': place, onclick: () => sortBy(place, column) },
          column.title, el('span', { 'aria-hidden': 'true' }, better), el('span', { class: 'unseen' }, unseen), arrow(place)),
        mark ? el('sup', {}, mark) : null,
        column.variant ? el('span', { class: 'variant' }, column.variant) : null));
    });
    return el('thead', {}, first, second);
  }

  const sortState = (place) => (state.sort !== place ? 'none' : state.descending ? 'descending' : 'ascending');
  const arrow = (place) => (state.sort === place ? el('span', { 'aria-hidden': 'true' }, state.descending ? ' ▾' : ' ▴') : null);

  function rowElement({ row, place, reference }, columns) {
    const about = [row.model !== row.label ? row.model : null, row.loss, row.baseline ? 'baseline' : null,
      row.members?.length ? `mean of ${row.members.join(', ')}` : null, reference ? 'from the paper, not tested' : null].filter(Boolean);
    const name = el('th', { scope: 'row' }, el('span', { class: 'name', dir: 'auto' }, row.label),
      el('span', { class: 'about' }, about.join(' · '),
        reference ? null : el('button', { type: 'button', 'aria-label': `How ${row.label} was made`, onclick: () => showProvenance(data, row) }, 'how')));
    const line = el('tr', { class: [row.baseline ? 'baseline' : '', row.members?.length ? 'group' : '', reference ? 'published' : ''].join(' ').trim() || null }, name);
    columns.forEach(({ column, place: at }, number) => {
      const begins = number === 0 || columns[number - 1].column.task_title !== column.task_title;
      line.append(reference ? referenceCell(reference.get(at), column, begins) : cellElement(cellOf(place, at), column, begins, row));
    });
    if (!reference) {
      line.addEventListener('pointerenter', () => highlight(place));
      line.addEventListener('pointerleave', () => highlight(null));
      line.addEventListener('focusin', () => highlight(place));
      line.addEventListener('focusout', () => highlight(null));
    }
    return line;
  }

  function cellElement(cell, column, begins, row) {
    const className = [cell ? '' : 'none', cell?.best ? 'best' : '', begins ? 'first-of-task' : ''].join(' ').trim() || null;
    if (!cell) return el('td', { class: className }, el('span', { 'aria-label': 'not measured' }, '–'));
    const word = verdict(cell, column, data.settings.alpha);
    const said = word ? `${word === 'better' ? '▲' : word === 'worse' ? '▼' : '◆'} ${word}` : '';
    const button = el('button', { type: 'button', onclick: () => showCell(data, cell, column, row) },
      shown(cell.mean, column.decimals), cell.best ? el('span', {}, '*') : null, cell.best ? el('span', { class: 'unseen' }, ' best or not distinguishable from it') : null,
      cell.std === null ? null : el('span', { class: 'spread' }, ` ± ${shown(cell.std, column.decimals)}`),
      state.intervals && cell.lower !== null ? el('span', { class: 'interval' }, `[${shown(cell.lower, column.decimals)}, ${shown(cell.upper, column.decimals)}]`) : null,
      word ? el('span', { class: `said ${word}` }, said) : null,
      cell.marks.length ? el('span', { class: 'marks' }, cell.marks.join('; ')) : null);
    return el('td', { class: className }, button);
  }

  function referenceCell(value, column, begins) {
    const className = begins ? 'first-of-task' : null;
    if (!value) return el('td', { class: className }, el('span', { 'aria-label': 'not published' }, '–'));
    return el('td', { class: className }, shown(value.mean, column.decimals),
      value.std === null ? null : el('span', { class: 'spread' }, ` ± ${shown(value.std, column.decimals)}`));
  }

  function draw() {
    const columns = visible();
    const notes = new Map();
    const texts = [];
    columns.forEach(({ column, place }) => {
      if (!column.notes.length) return;
      const text = column.notes.join('. ');
      if (!texts.includes(text)) texts.push(text);
      notes.set(place, texts.indexOf(text) + 1);
    });
    const rows = rowsShown();
    const table = el('table', {}, el('caption', { class: 'unseen' }, 'Mean over prompts of each metric, by run'),
      head(columns, notes), el('tbody', {}, ...rows.map((entry) => rowElement(entry, columns))));
    const board = byId('board');
    const left = board.scrollLeft;
    fill(board, table);
    board.scrollLeft = left;
    board.style.setProperty('--first-row', `${table.querySelector('tr.tasks').offsetHeight}px`);
    byId('found').textContent = `${rows.length} of ${data.rows.length + (state.published ? references.length : 0)} rows, ${columns.length} columns`;
    legend(texts);
  }

  function legend(texts) {
    const percent = Math.round(100 * data.settings.confidence);
    fill(byId('legend'),
      el('p', {}, `Mean over prompts ± standard deviation, and the ${percent} % confidence interval of the mean. Bold with *: the best of its column and everything that a test does not tell from it. ▲ better, ▼ worse: significantly different from the baseline (${data.settings.baseline}) on the prompts that both have, after Holm’s correction over the table. A number opens its details.`),
      ...texts.map((text, at) => el('p', {}, el('sup', {}, at + 1), ` ${text}.`)));
  }

  controls();
  draw();
}

/** `better`, `worse` or `different` where the test tells a cell from the baseline. */
function verdict(cell, column, alpha) {
  const difference = cell.difference;
  if (!difference || difference.p_adjusted === null || !(difference.p_adjusted < alpha)) return null;
  if (column.higher_is_better === null) return 'different';
  return (difference.difference > 0) === column.higher_is_better ? 'better' : 'worse';
}

/** The paper's figures as rows of their own. */
function publishedRows(data) {
  const rows = new Map();
  const places = new Map(data.columns.map((column, place) => [column.key, place]));
  for (const value of data.published) {
    if (!rows.has(value.reference)) rows.set(value.reference, { model: value.model, loss: value.loss, values: new Map() });
    rows.get(value.reference).values.set(places.get(value.column), value);
  }
  return [...rows].map(([label, of]) => ({
    row: { label, model: of.model, loss: of.loss }, reference: of.values, place: -1, value: (column) => of.values.get(column)?.mean ?? null,
  }));
}

/** Dims what belongs to other rows in all figures; null ends it. */
function highlight(place) {
  for (const each of document.querySelectorAll('.drawing [class*="row-"]')) {
    each.classList.toggle('dimmed', place !== null && !each.classList.contains(`row-${place}`));
  }
}
