/** The page from its data. */

async function begin() {
  const data = await unpack('report-data');
  byId('made').textContent = `${data.rows.length} runs, ${data.created.replace('T', ' ').replace('Z', ' UTC')}`;
  byId('tool').textContent = `${data.tool.name} ${data.tool.version}; seed ${data.settings.seed}, ${data.settings.resamples} resamples`
    + `${data.settings.protocol ? `, protocol ${data.settings.protocol}` : ''}${data.settings.allowed.length ? `, allowed to differ: ${data.settings.allowed.join(', ')}` : ''}.`;
  fill(byId('sentences'), ...data.summary.map((sentence) => {
    const line = el('p', { dir: 'auto' });
    appendText(line, sentence);
    return line;
  }));
  fill(byId('warnings'), ...data.warnings.map((warning) => {
    const line = el('p', { class: 'note', dir: 'auto' });
    appendText(line, warning);
    return line;
  }));
  leaderboard(data);
  responseBrowser(data);
  document.documentElement.dataset.ready = 'yes';
}

byId('theme').addEventListener('click', () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try { sessionStorage.setItem('theme', root.dataset.theme); } catch { /* not allowed for files in some browsers */ }
});
try {
  const kept = sessionStorage.getItem('theme');
  if (kept === 'dark' || kept === 'light') document.documentElement.dataset.theme = kept;
} catch { /* as above */ }
byId('details').addEventListener('click', (event) => { if (event.target === byId('details')) byId('details').close(); });
begin().catch((error) => {
  byId('sentences').append(el('p', { class: 'note' }, `The report's data cannot be read: ${error}. A browser of 2023 or later is needed.`));
});
