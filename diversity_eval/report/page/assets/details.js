/** The dialog: how a run was made, and all that is known of a number. */

function openDialog(heading, ...content) {
  const dialog = byId('details');
  const close = el('button', { type: 'button', onclick: () => dialog.close() }, 'Close');
  const name = el('h2', { id: 'details-heading', dir: 'auto' }, heading);
  fill(dialog, el('div', { class: 'bar' }, name, close), ...content);
  dialog.showModal();
  close.focus();
}

/** @param {Array<[string, any]>} entries those without a value are left out */
function definitions(entries) {
  const list = el('dl');
  for (const [name, value] of entries) {
    if (value === null || value === undefined || value === '') continue;
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1);
    list.append(el('dt', {}, name), el('dd', { dir: 'auto' }, text));
  }
  return list;
}

const ofAvailable = (number, available) => `${number}${available ? ` of ${available}` : ''}`;

function showProvenance(data, row) {
  const parts = row.evaluations.map((place) => {
    const each = data.evaluations[place];
    const known = [
      ['checkpoint', each.checkpoint],
      ['prompts', ofAvailable(each.prompts, each.available)],
      ['training loss', each.loss],
      ['parameters of the loss', Object.keys(each.parameters).length ? each.parameters : null],
      ['base model', each.base_model],
    ];
    const whose = row.members.length ? [el('bdi', {}, each.checkpoint), ', '] : [];
    return el('details', { open: row.evaluations.length === 1 }, el('summary', {}, ...whose, el('bdi', {}, each.task)),
      definitions([...known, ...Object.entries(each.provenance)]));
  });
  const members = row.members.length ? el('p', { dir: 'auto' }, `The mean of ${row.members.join(', ')}.`) : null;
  openDialog(row.label, members, ...parts);
}

function showCell(data, cell, column, row) {
  const decimals = column.decimals + 1;
  const percent = Math.round(100 * data.settings.confidence);
  const range = [cell.lower, cell.upper].map((end) => shown(end, decimals)).join(' to ');
  openDialog(`${row.label}: ${column.task_title}, ${column.title}`,
    definitions([
      ['mean over prompts', shown(cell.mean, decimals)],
      ['standard deviation', shown(cell.std, decimals)],
      [`${percent} % interval`, cell.lower === null ? 'none' : `${range} (BCa bootstrap over prompts)`],
      ['prompts', ofAvailable(cell.n, cell.available)],
      ['not whole', cell.marks.join('; ')],
      ['best', cell.best ? 'the best of its column, or not distinguishable from it' : ''],
      ...comparedWith(cell.difference, decimals, percent),
      ['notes', column.notes.join('. ')],
      ['signature', Object.entries(column.signature).map(([key, value]) => `${key}:${value}`).join('|')],
    ]));
}

function comparedWith(difference, decimals, percent) {
  if (!difference) return [['against', 'not compared']];
  const size = signed(difference.difference, decimals);
  const range = [difference.lower, difference.upper].map((end) => signed(end, decimals)).join(' to ');
  const effect = `${signed(difference.effect_size, 2)} standard deviations of the differences`;
  const tested = `${shownP(difference.p_adjusted)} corrected, ${shownP(difference.p_value)} uncorrected`;
  return [
    ['against', `${difference.other}, on ${difference.n} shared prompts`],
    ['difference', difference.lower === null ? size : `${size} (${percent} % interval ${range})`],
    ['effect size', difference.effect_size === null ? 'not defined' : effect],
    ['test', `${tested} (sign-flip permutation)`],
  ];
}
