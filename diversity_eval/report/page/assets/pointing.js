/** Pointing out one run in all figures: from its row, from what belongs to it in a figure, or by its button. */

const OF_A_ROW = '.drawing [class*="row-"]';
let kept = null;

/** Dims what belongs to other rows in all figures; null ends it. */
function highlight(place) {
  for (const each of document.querySelectorAll(OF_A_ROW)) {
    each.classList.toggle('dimmed', place !== null && !each.classList.contains(`row-${place}`));
  }
}

/** An element that points its row out while it is under the pointer or has the focus. */
function pointsOut(element, place) {
  for (const begin of ['pointerenter', 'focusin']) element.addEventListener(begin, () => highlight(place));
  for (const end of ['pointerleave', 'focusout']) element.addEventListener(end, () => highlight(kept));
}

/** The place of the row that an element of a figure belongs to; null for axes and the like. */
function rowOf(element) {
  const found = /(?:^|\s)row-(\d+)(?:\s|$)/.exec(element.closest(OF_A_ROW)?.getAttribute('class') ?? '');
  return found ? Number(found[1]) : null;
}

function pointing(data) {
  const there = new Set([...document.querySelectorAll(OF_A_ROW)].map(rowOf));
  const rows = data.rows.map((row, place) => ({ row, place })).filter(({ place }) => there.has(place));
  if (rows.length < 2) return;
  for (const drawing of document.querySelectorAll('.drawing')) {
    drawing.addEventListener('pointerover', (event) => highlight(rowOf(event.target) ?? kept));
    drawing.addEventListener('pointerleave', () => highlight(kept));
  }
  const buttons = rows.map(({ row, place }) => {
    const button = el('button', { type: 'button', class: 'quiet', 'aria-pressed': 'false', onclick: () => {
      kept = kept === place ? null : place;
      for (const each of buttons) each.setAttribute('aria-pressed', String(each === button && kept === place));
      highlight(kept);
    } }, el('bdi', {}, row.label));
    pointsOut(button, place);
    return button;
  });
  fill(byId('pointing'), el('fieldset', {}, el('legend', {}, 'Point out a run'), ...buttons));
}
