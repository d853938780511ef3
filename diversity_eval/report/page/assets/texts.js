/** Showing a model's text: as it is, with what cannot be seen made visible, and with repetition marked. */

const LONGEST = 2000;
const SHARED_WORDS = 4;
// So many characters of each response are looked through for shared words.
const COMPARED = 20000;
// Characters that turn or hide text; shown by their names, so that they do neither. The others by their numbers.
const NAMES = {
  0x202a: 'LRE', 0x202b: 'RLE', 0x202c: 'PDF', 0x202d: 'LRO', 0x202e: 'RLO', 0x2066: 'LRI', 0x2067: 'RLI',
  0x2068: 'FSI', 0x2069: 'PDI', 0x200e: 'LRM', 0x200f: 'RLM', 0x061c: 'ALM', 0x200b: 'ZWSP', 0x2060: 'WJ',
  0xfeff: 'BOM', 0x00ad: 'SHY', 0x2028: 'LS', 0x2029: 'PS',
};
// Control characters, format characters, halves of surrogate pairs, and letters without a shape. Not among them: tab
// and line feed, what joins letters and emoji (U+200C, U+200D), and the format characters that are drawn (Arabic signs).
const UNSEEN = new RegExp(
  '[\\p{Cs}\\p{Zl}\\p{Zp}\\u115f\\u1160\\u3164\\uffa0]'
  + '|(?![\\t\\n\\u200c\\u200d\\u0600-\\u0605\\u06dd\\u070f\\u0890\\u0891\\u08e2])[\\p{Cc}\\p{Cf}]', 'gu');

/** What stands for a character that is not seen. */
function nameOf(character) {
  const code = character.codePointAt(0);
  return NAMES[code] || `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** A text with its unseen characters by their names, for where no element can stand: options of a list. */
const visibleText = (text) => text.replace(UNSEEN, (character) => `\u2039${nameOf(character)}\u203a`);

/** Appends a text to an element, its control characters as labelled marks. */
function appendText(parent, text) {
  let last = 0;
  for (const found of text.matchAll(UNSEEN)) {
    if (found.index > last) parent.append(document.createTextNode(text.slice(last, found.index)));
    const mark = document.createElement('span');
    mark.className = 'control';
    mark.title = 'a character that is not seen';
    mark.textContent = nameOf(found[0]);
    parent.append(mark);
    last = found.index + found[0].length;
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
  const words = texts.map((text) => wordsOf(text.slice(0, COMPARED)));
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
 * @param {string} text @param {Array<[number, number]>|null} stretches to be marked; null if nothing is
 */
function textBlock(text, stretches) {
  const block = el('p', { class: 'words', dir: 'auto' });
  const cut = text.length > LONGEST;
  writeMarked(block, cut ? text.slice(0, wholeCharacters(text, LONGEST)) : text, stretches);
  if (!cut) return block;
  const button = el('button', { type: 'button', class: 'quiet', onclick: () => {
    block.replaceChildren();
    writeMarked(block, text, stretches);
    button.remove();
    // Who came here by keyboard goes on from here, not from the page's beginning.
    block.tabIndex = -1;
    block.focus({ preventScroll: true });
  } }, `Show all ${text.length.toLocaleString('en')} characters`);
  const reach = text.length > COMPARED && stretches
    ? el('p', { class: 'faint' }, `Shared words are marked in the first ${COMPARED.toLocaleString('en')} characters only.`) : null;
  return el('div', {}, block, button, reach);
}

/** At most this many code units, without half a character at the end. */
function wholeCharacters(text, length) {
  const code = text.charCodeAt(length - 1);
  return code >= 0xd800 && code <= 0xdbff ? length - 1 : length;
}

function writeMarked(block, text, stretches) {
  let last = 0;
  for (const [begin, end] of stretches ?? []) {
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
  return line.length > length ? `${line.slice(0, wholeCharacters(line, length))}…` : line;
}
