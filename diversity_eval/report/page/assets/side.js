/** One run's responses to one prompt, with what is the same in them. */

/**
 * @param {object} data the document
 * @param {object} of a response set (docs/design/report.md)
 * @param {number} source its place in the set's sources
 * @param {number} prompt its place in the set's prompts
 * @param {boolean} marks whether shared words are marked
 */
function side(data, of, source, prompt, marks) {
  const texts = of.responses[source][prompt];
  const box = el('div', { class: 'side' }, el('h4', { dir: 'auto' }, sourceName(of.sources[source])),
    el('p', { class: 'numbers' }, promptValues(data, of, source, prompt).join(' · ')));
  if (!texts) {
    box.append(el('p', { class: 'faint' }, 'No responses kept.'));
    return box;
  }
  const stretches = marks ? sharedStretches(texts) : texts.map(() => null);
  const repeats = repetitions(texts);
  const ratings = of.ratings[source][prompt];
  const partition = of.partition[source][prompt];
  box.append(el('ol', {}, ...texts.map((text, place) => {
    const group = partition ? partition[place] : null;
    const known = group !== null && group >= 0;
    const classes = ['response', repeats[place].again ? 'same' : '', known ? `class-${group % 8}` : ''];
    return el('li', { class: classes.filter(Boolean).join(' ') },
      el('div', { class: 'top' }, el('span', {}, place + 1),
        badge(ratings ? (ratings[place] === null ? 'no rating' : `rating ${ratings[place]}`) : ''),
        badge(group === null ? '' : known ? `class ${classLetters(group)}` : 'class unknown'),
        badge(repeats[place].said), badge(text.trim() === '' ? 'empty' : '')),
      textBlock(text, stretches[place]));
  })));
  return box;
}

const badge = (text) => (text ? el('span', { class: 'badge' }, text) : null);

const sourceName = (source) => (source.variant ? `${source.row}, ${source.variant}` : source.row);

/** `Self-BLEU 12.3` for each metric that has a value. */
function promptValues(data, of, source, prompt) {
  return of.values.flatMap((value) => {
    const column = data.columns.find((each) => each.key === value.column);
    const number = value.by_source[source][prompt];
    return number === null || !column ? [] : [`${column.title} ${shown(number, column.decimals)}`];
  });
}

/**
 * What is said of each text: that it is there again, or that it was there before. What differs in white space at its
 * ends only is another text, as it is for the metrics, but said too.
 * @param {string[]} texts @returns {Array<{said: string, again: boolean}>}
 */
function repetitions(texts) {
  const counts = new Map();
  const firsts = new Map();
  const cores = new Map();
  texts.forEach((text, place) => {
    counts.set(text, (counts.get(text) ?? 0) + 1);
    if (!firsts.has(text)) firsts.set(text, place);
    if (!cores.has(text.trim())) cores.set(text.trim(), place);
  });
  return texts.map((text, place) => {
    const first = firsts.get(text);
    const core = cores.get(text.trim());
    if (first < place) return { said: `same as ${first + 1}`, again: true };
    const said = counts.get(text) > 1 ? [`${counts.get(text)} times`] : [];
    if (core < place) said.push(`same as ${core + 1} but for spaces at its ends`);
    return { said: said.join(', '), again: core < place };
  });
}

/** A, B, ..., Z, AA, ... */
function classLetters(group) {
  const last = String.fromCharCode(65 + (group % 26));
  return group < 26 ? last : classLetters(Math.floor(group / 26) - 1) + last;
}
