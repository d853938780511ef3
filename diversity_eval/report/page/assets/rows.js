/** What a row of the leaderboard says, and each of its cells. */

/**
 * @param {object} data the document
 * @param {{row: object, place: number, reference?: Map<number, object>}} entry `reference`: the paper's figures
 * @param {Array<{column: object, place: number}>} columns those that are shown
 * @param {function(number, number): object|undefined} cellOf by places of row and column
 * @param {boolean} intervals whether they are shown
 */
function rowElement(data, { row, place, reference }, columns, cellOf, intervals) {
  const group = row.members?.length;
  const kinds = [row.baseline ? 'baseline' : '', group ? 'group' : '', reference ? 'published' : ''];
  const about = [row.model !== row.label ? row.model : null, row.loss, row.baseline ? 'baseline' : null,
    group ? `group of ${group}` : null, reference ? 'from the paper, not tested' : null];
  const how = reference ? null : el('button',
    { type: 'button', 'aria-label': `How ${row.label} was made`, onclick: () => showProvenance(data, row) }, 'how');
  const name = el('th', { scope: 'row' }, el('span', { class: 'name', dir: 'auto' }, row.label),
    el('span', { class: 'about' }, el('bdi', {}, about.filter(Boolean).join(' · ')), how));
  const line = el('tr', { class: kinds.filter(Boolean).join(' ') || null }, name);
  columns.forEach(({ column, place: at }, number) => {
    const cell = reference ? referenceCell(reference.get(at), column)
      : cellElement(data, cellOf(place, at), column, row, intervals);
    if (beginsTask(columns, number)) cell.classList.add('first-of-task');
    line.append(cell);
  });
  if (!reference) pointsOut(line, place);
  return line;
}

function cellElement(data, cell, column, row, intervals) {
  if (!cell) return missing('not measured');
  const word = verdict(cell, column, data.settings.alpha);
  const sign = { better: '▲', worse: '▼', different: '◆' }[word];
  const ends = [cell.lower, cell.upper].map((end) => shown(end, column.decimals));
  return el('td', { class: cell.best ? 'best' : null },
    el('button', { type: 'button', onclick: () => showCell(data, cell, column, row) },
      shown(cell.mean, column.decimals),
      cell.best ? el('span', {}, '*') : null, cell.best ? unseen(' best or not distinguishable from it') : null,
      spread(cell, column),
      intervals && cell.lower !== null ? el('span', { class: 'interval' }, `[${ends.join(', ')}]`) : null,
      word ? el('span', { class: `said ${word}` }, `${sign} ${word}`) : null,
      cell.marks.length ? el('span', { class: 'marks' }, cell.marks.join('; ')) : null));
}

function referenceCell(value, column) {
  if (!value) return missing('not published');
  return el('td', {}, shown(value.mean, column.decimals), spread(value, column));
}

const missing = (why) => el('td', { class: 'none' }, el('span', { 'aria-hidden': 'true' }, '–'), unseen(why));

function spread(value, column) {
  return value.std === null ? null : el('span', { class: 'spread' }, ` ± ${shown(value.std, column.decimals)}`);
}

/** `better`, `worse` or `different` where the test tells a cell from the baseline. */
function verdict(cell, column, alpha) {
  const difference = cell.difference;
  if (!difference || difference.p_adjusted === null || !(difference.p_adjusted < alpha)) return null;
  if (column.higher_is_better === null) return 'different';
  return (difference.difference > 0) === column.higher_is_better ? 'better' : 'worse';
}
