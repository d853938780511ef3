/** The dialog: how a run was made, and all that is known of a number. */

function openDialog(heading, ...content) {
  const dialog = byId('details');
  const close = el('button', { type: 'button', onclick: () => dialog.close() }, 'Close');
  fill(dialog, el('div', { class: 'bar' }, el('h2', { id: 'details-heading', dir: 'auto' }, heading), close), ...content);
  dialog.showModal();
  close.focus();
}

function definitions(entries) {
  const list = el('dl');
  for (const [name, value] of entries) {
    if (value === null || value === undefined || value === '') continue;
    const shownValue = el('dd', { dir: 'auto' });
    appendText(shownValue, typeof value === 'string' ? value : JSON.stringify(value, null, 1));
    list.append(el('dt', {}, name), shownValue);
  }
  return list;
}

function showProvenance(data, row) {
  const parts = row.evaluations.map((place) => {
    const each = data.evaluations[place];
    const known = [['checkpoint', each.checkpoint], ['prompts', `${each.prompts}${each.available ? ` of ${each.available}` : ''}`],
      ['training loss', each.loss], ['parameters of the loss', Object.keys(each.parameters).length ? each.parameters : null], ['base model', each.base_model]];
    return el('details', { open: row.evaluations.length === 1 }, el('summary', {}, el('bdi', {}, each.task)),
      definitions([...known, ...Object.entries(each.provenance)]));
  });
  openDialog(row.label, ...parts);
}

function showCell(data, cell, column, row) {
  const decimals = column.decimals + 1;
  const difference = cell.difference;
  const percent = Math.round(100 * data.settings.confidence);
  openDialog(`${row.label}: ${column.task_title}, ${column.title}`,
    definitions([
      ['mean over prompts', shown(cell.mean, decimals)],
      ['standard deviation', shown(cell.std, decimals)],
      [`${percent} % interval`, cell.lower === null ? 'none' : `${shown(cell.lower, decimals)} to ${shown(cell.upper, decimals)} (BCa bootstrap over prompts)`],
      ['prompts', `${cell.n}${cell.available ? ` of ${cell.available}` : ''}`],
      ['not whole', cell.marks.join('; ')],
      ['best', cell.best ? 'the best of its column, or not distinguishable from it' : ''],
      ['against', difference ? `${difference.other}, on ${difference.n} shared prompts` : 'not compared'],
      ['difference', difference ? `${signed(difference.difference, decimals)} (${percent} % interval ${signed(difference.lower, decimals)} to ${signed(difference.upper, decimals)})` : ''],
      ['effect size', difference ? (difference.effect_size === null ? 'not defined' : `${signed(difference.effect_size, 2)} standard deviations of the differences`) : ''],
      ['test', difference ? `${shownP(difference.p_adjusted)} corrected, ${shownP(difference.p_value)} uncorrected (sign-flip permutation)` : ''],
      ['notes', column.notes.join('. ')],
      ['signature', Object.entries(column.signature).map(([key, value]) => `${key}:${value}`).join('|')],
    ]));
}
