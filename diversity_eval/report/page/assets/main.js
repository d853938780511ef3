/** The page from its data. */

async function begin() {
  const data = await unpack('report-data');
  byId('made').textContent = `${data.rows.length} runs, ${data.created.replace('T', ' ').replace('Z', ' UTC')}`;
  fill(byId('tool'), howMade(data));
  fill(byId('sentences'), ...data.summary.map((sentence) => el('p', { dir: 'auto' }, sentence)));
  fill(byId('warnings'), ...data.warnings.map((warning) => el('p', { class: 'note', dir: 'auto' }, warning)));
  leaderboard(data);
  pointing(data);
  responseBrowser(data);
  document.documentElement.dataset.ready = 'yes';
}

function howMade({ tool, settings }) {
  const parts = [`${tool.name} ${tool.version}; seed ${settings.seed}, ${settings.resamples} resamples`];
  if (settings.protocol) parts.push(`protocol ${settings.protocol}`);
  if (settings.allowed.length) parts.push(`allowed to differ: ${settings.allowed.join(', ')}`);
  return el('span', {}, `${parts.join(', ')}.`);
}

byId('theme').addEventListener('click', () => {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  root.dataset.theme = (root.dataset.theme ?? system) === 'dark' ? 'light' : 'dark';
  try { sessionStorage.setItem('theme', root.dataset.theme); } catch { /* not allowed for files in some browsers */ }
});
try {
  const chosen = sessionStorage.getItem('theme');
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
} catch { /* as above */ }
byId('details').addEventListener('click', (event) => { if (event.target === byId('details')) byId('details').close(); });
begin().catch((error) => {
  const why = `The report's data cannot be read: ${error}. A browser of 2023 or later is needed.`;
  byId('sentences').append(el('p', { class: 'note' }, why));
});
