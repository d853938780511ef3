/** Making elements. Everything that comes from runs goes through here as text, never as markup; what is not seen of it
 * is named (`appendText`). */

/**
 * @param {string} name of the element
 * @param {Object<string, any>} [attributes] `class`, `onclick` (a function), or attributes; null ones are left out
 * @param {...(Node|string|number|null|undefined)} content
 * @returns {HTMLElement}
 */
function el(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? '' : String(value));
  }
  for (const each of content) {
    if (each === null || each === undefined || each === '') continue;
    if (each instanceof Node) made.append(each);
    else if (name === 'option') made.append(document.createTextNode(visibleText(String(each))));
    else appendText(made, String(each));
  }
  return made;
}

/** For screen readers only. */
const unseen = (text) => el('span', { class: 'unseen' }, text);

const byId = (id) => document.getElementById(id);

/** @param {Element} parent */
function fill(parent, ...content) {
  parent.replaceChildren(...content.filter((each) => each !== null && each !== undefined));
}

/** The data in one of the page's blocks: base64 of gzipped JSON. */
async function unpack(id) {
  const text = atob(byId(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}

/** A number for people; a true minus, and nothing for none. */
function shown(value, decimals) {
  return value === null || value === undefined ? '' : value.toFixed(decimals).replace('-', '\u2212');
}

function signed(value, decimals) {
  return value === null ? '' : (value > 0 ? '+' : '') + shown(value, decimals);
}

function shownP(p) {
  if (p === null || p === undefined) return '';
  return p < 0.001 ? 'p < 0.001' : `p = ${Number(p.toPrecision(2))}`;
}

/** `select` with a label; `options` are [value, text]. */
function chooser(label, options, chosen, onchange) {
  const select = el('select', { onchange: () => onchange(select.value) });
  for (const [value, text] of options) {
    select.append(el('option', { value, selected: String(value) === String(chosen) }, text));
  }
  return labelled(label, select);
}

let controlCount = 0;

function labelled(label, control) {
  control.id = `control-${controlCount++}`;
  return el('div', { class: 'control-box' }, el('label', { for: control.id }, label), control);
}

function checkbox(label, checked, onchange) {
  const box = el('input', { type: 'checkbox', checked, onchange: () => onchange(box.checked) });
  return el('label', { class: 'check' }, box, el('bdi', {}, label));
}

/** Calls a function when the typing pauses. */
function search(label, onchange) {
  let waiting = 0;
  const input = el('input', {
    type: 'search', autocomplete: 'off', spellcheck: 'false',
    oninput: () => { clearTimeout(waiting); waiting = setTimeout(() => onchange(input.value), 120); },
  });
  return labelled(label, input);
}
