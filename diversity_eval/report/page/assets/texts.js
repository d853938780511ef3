/** Showing a model's text: as it is, with what cannot be seen made visible, and with repetition marked. */

const LONGEST = 2000;
const SHARED_WORDS = 4;
// Characters that turn or hide text; shown by their names, so that they do neither.
const NAMES = {
  0x202a: 'LRE', 0x202b: 'RLE', 0x202c: 'PDF', 0x202d: 'LRO', 0x202e: 'RLO', 0x2066: 'LRI', 0x2067: 'RLI',
  0x2068: 'FSI', 0x2069: 'PDI', 0x200e: 'LRM', 0x200f: 'RLM', 0x061c: 'ALM', 0x200b: 'ZWSP', 0x2060: 'WJ',
  0xfeff: 'BOM', 0x00ad: 'SHY', 0x2028: 'LS', 0x2029: 'PS',
};
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** Appends a text to an element, its control characters as labelled marks. */
function appendText(parent, text) {
  let last = 0;
  for (const found of text.matchAll(UNSEEN)) {
    if (found.index > last) parent.append(document.createTextNode(text.slice(last, found.index)));
    const code = found[0].charCodeAt(0);
    const name = NAMES[code] || `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
    parent.append(el('span', { class: 'control', title: 'a character that is not seen' }, name));
    last = found.index + 1;
  }
  if (last < text.length) parent.append(document.createTextNode(text.slice(last)));
}

/** The words of a text with their places. */
function wordsOf(text) {
  return [...text.matchAll(/[\p{L}\p{N}\p{M}'’]+/gu)].map((found) => ({
    word: found[0].toLowerCase(), begin: found.index, end: found.index + found[0].length,
  }));
}

/**
 * For each text the stretches that it shares with another one: runs of at least four equal words.
 * @param {string[]} texts @returns {Array<Array<[number, number]>>}
 */
function sharedStretches(texts) {
  const words = texts.map((text) => wordsOf(text.slice(0, 20000)));
  const owners = new Map();
  words.forEach((of, number) => {
    for (let place = 0; place + SHARED_WORDS <= of.length; place++) {
      const gram = of.slice(place, place + SHARED_WORDS).map((each) => each.word).join(' ');
      const known = owners.get(gram);
      if (known === undefined) owners.set(gram, number);
      else if (known !== number) owners.set(gram, -1);
    }
  });
  return words.map((of) => {
    const stretches = [];
    for (let place = 0; place + SHARED_WORDS <= of.length; place++) {
      const gram = of.slice(place, place + SHARED_WORDS).map((each) => each.word).join(' ');
      if (owners.get(gram) !== -1) continue;
      const end = of[place + SHARED_WORDS - 1].end;
      const last = stretches[stretches.length - 1];
      if (last && of[place].begin <= last[1]) last[1] = end;
      else stretches.push([of[place].begin, end]);
    }
    return stretches;
  });
}

/**
 * A response's text. Long ones are cut, with a button that shows the rest.
 * @param {string} text @param {Array<[number, number]>} stretches to be marked
 */
function textBlock(text, stretches) {
  const block = el('p', { class: 'words', dir: 'auto' });
  const cut = text.length > LONGEST;
  writeMarked(block, cut ? text.slice(0, LONGEST) : text, stretches);
  if (!cut) return block;
  const whole = el('div', {}, block);
  const button = el('button', { type: 'button', class: 'quiet', onclick: () => {
    block.replaceChildren();
    writeMarked(block, text, stretches);
    button.remove();
  } }, `Show all ${text.length.toLocaleString('en')} characters`);
  whole.append(button);
  return whole;
}

function writeMarked(block, text, stretches) {
  let last = 0;
  for (const [begin, end] of stretches) {
    if (begin >= text.length) break;
    appendText(block, text.slice(last, begin));
    const mark = el('mark');
    appendText(mark, text.slice(begin, Math.min(end, text.length)));
    block.append(mark);
    last = Math.min(end, text.length);
  }
  appendText(block, text.slice(last));
}

/** A short text on one line, for lists and labels. */
function shortText(text, length = 160) {
  const line = text.slice(0, 4 * length).replace(/\s+/gu, ' ').trim();
  return line.length > length ? `${line.slice(0, length)}…` : line;
}
