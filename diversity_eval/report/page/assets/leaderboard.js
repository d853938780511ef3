/** The leaderboard: sorting, filtering, and the table's frame. What a row says is in rows.js. */

const BY_NAME = -1;

function leaderboard(data) {
  const cells = new Map(data.cells.map((cell) => [`${cell.row} ${cell.column}`, cell]));
  const cellOf = (row, column) => cells.get(`${row} ${column}`);
  const tasks = [...new Set(data.columns.map((column) => column.task_title))];
  const measured = new Set(data.cells.map((cell) => cell.column));
  const someHeadlines = data.columns.some((column) => column.headline);
  const references = publishedRows(data);
  const state = {
    sort: null, descending: false, text: '', all: false, intervals: true, published: true, tasks: new Set(tasks),
  };

  function visible() {
    return data.columns.map((column, place) => ({ column, place })).filter(({ column, place }) => (
      state.tasks.has(column.task_title)
      && (state.all || (measured.has(place) && (column.headline || !someHeadlines)))));
  }

  function controls() {
    const set = (key) => (value) => { state[key] = value; draw(); };
    const boxes = tasks.map((task) => checkbox(task, true, (on) => {
      if (on) state.tasks.add(task); else state.tasks.delete(task);
      draw();
    }));
    fill(byId('controls'),
      search('Filter by name, model, loss', (text) => set('text')(text.toLowerCase())),
      data.columns.some((column) => !column.headline) ? checkbox('All metrics', false, set('all')) : null,
      checkbox('Intervals', true, set('intervals')),
      references.length ? checkbox('The paper’s figures', true, set('published')) : null,
      tasks.length > 1 ? el('fieldset', {}, el('legend', {}, 'Tasks'), ...boxes) : null);
  }

  function rowsShown() {
    const own = data.rows.map((row, place) => ({
      row, place, value: (column) => cellOf(place, column)?.mean ?? null,
    }));
    const matches = ({ row }) => `${row.label} ${row.model} ${row.loss || ''}`.toLowerCase().includes(state.text);
    const rows = [...own, ...(state.published ? references : [])].filter(matches);
    if (state.sort === null) return rows;
    const value = (entry) => (state.sort === BY_NAME ? entry.row.label.toLowerCase() : entry.value(state.sort));
    return rows.map((entry, at) => ({ entry, at, value: value(entry) })).sort((a, b) => {
      const missing = (a.value === null) - (b.value === null);
      if (missing || a.value === null) return missing || a.at - b.at;
      const order = a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
      return (state.descending ? -order : order) || a.at - b.at;
    }).map(({ entry }) => entry);
  }

  /** The better end first, then the other one, then as the report has them. */
  function sortBy(place, column) {
    const first = column ? column.higher_is_better === true : false;
    if (state.sort !== place) Object.assign(state, { sort: place, descending: first });
    else if (state.descending === first) state.descending = !first;
    else state.sort = null;
    draw();
    document.querySelector(`#board button[data-column="${place}"]`)?.focus();
  }

  const sortState = (place) => (state.sort !== place ? 'none' : state.descending ? 'descending' : 'ascending');
  const arrow = (place) => (state.sort === place
    ? el('span', { 'aria-hidden': 'true' }, state.descending ? ' ▾' : ' ▴') : null);

  function head(columns, notes) {
    const sorts = (place, column, ...said) => el('button',
      { type: 'button', 'data-column': place, onclick: () => sortBy(place, column) }, ...said, arrow(place));
    const first = el('tr', { class: 'tasks' },
      el('th', { class: 'corner', rowspan: 2, scope: 'col', 'aria-sort': sortState(BY_NAME) }, sorts(BY_NAME, null, 'Run')));
    const second = el('tr', { class: 'metrics' });
    columns.forEach(({ column, place }, at) => {
      const begins = beginsTask(columns, at);
      if (begins) {
        const end = columns.findIndex((_, other) => other > at && beginsTask(columns, other));
        const colspan = (end < 0 ? columns.length : end) - at;
        first.append(el('th', { colspan, scope: 'colgroup' }, el('bdi', {}, column.task_title)));
      }
      const directed = column.higher_is_better !== null;
      second.append(el('th', { scope: 'col', class: begins ? 'first-of-task' : null, 'aria-sort': sortState(place) },
        sorts(place, column, el('bdi', {}, column.title),
          directed ? el('span', { 'aria-hidden': 'true' }, column.higher_is_better ? ' ↑' : ' ↓') : null,
          directed ? unseen(`, ${column.higher_is_better ? 'higher' : 'lower'} is better`) : null),
        notes.has(place) ? el('sup', {}, notes.get(place)) : null,
        column.variant ? el('span', { class: 'variant' }, column.variant) : null));
    });
    return el('thead', {}, first, second);
  }

  /** The columns' notes: their texts, and by column the number of its text. */
  function columnNotes(columns) {
    const texts = [];
    const notes = new Map();
    for (const { column, place } of columns) {
      if (!column.notes.length) continue;
      const text = column.notes.join('. ');
      if (!texts.includes(text)) texts.push(text);
      notes.set(place, texts.indexOf(text) + 1);
    }
    return { texts, notes };
  }

  function draw() {
    const columns = visible();
    const { texts, notes } = columnNotes(columns);
    const rows = rowsShown();
    const lines = rows.map((entry) => rowElement(data, entry, columns, cellOf, state.intervals));
    const table = el('table', {}, el('caption', { class: 'unseen' }, 'Mean over prompts of each metric, by run'),
      head(columns, notes), el('tbody', {}, ...lines));
    const board = byId('board');
    const left = board.scrollLeft;
    fill(board, table);
    board.scrollLeft = left;
    board.style.setProperty('--first-row', `${table.querySelector('tr.tasks').offsetHeight}px`);
    const all = data.rows.length + (state.published ? references.length : 0);
    byId('found').textContent = `${rows.length} of ${all} rows, ${columns.length} columns`;
    legend(texts);
  }

  function legend(texts) {
    const percent = Math.round(100 * data.settings.confidence);
    fill(byId('legend'),
      el('p', {}, `Mean over prompts ± standard deviation, and the ${percent} % confidence interval of the mean. `,
        'Bold with *: the best of its column and everything that a test does not tell from it. ',
        '▲ better, ▼ worse: significantly different from the baseline (', el('bdi', {}, data.settings.baseline),
        ') on the prompts that both have, after Holm’s correction over the table. A number opens its details.'),
      ...texts.map((text, at) => el('p', {}, el('sup', {}, at + 1), ` ${text}.`)));
  }

  controls();
  draw();
}

const beginsTask = (columns, at) => at === 0 || columns[at - 1].column.task_title !== columns[at].column.task_title;

/** The paper's figures as rows of their own. */
function publishedRows(data) {
  const rows = new Map();
  const places = new Map(data.columns.map((column, place) => [column.key, place]));
  for (const value of data.published) {
    const known = rows.get(value.reference) ?? { model: value.model, loss: value.loss, values: new Map() };
    known.values.set(places.get(value.column), value);
    rows.set(value.reference, known);
  }
  return [...rows].map(([label, of]) => ({
    row: { label, model: of.model, loss: of.loss }, place: -1, reference: of.values,
    value: (column) => of.values.get(column)?.mean ?? null,
  }));
}
