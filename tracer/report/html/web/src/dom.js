// Makes elements. Text is always set as text, and styles by properties, which the content security
// policy allows.

export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, attributes = {}, ...children) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

function fill(e, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (name === 'class') e.className = value;
    else if (name in e && !name.includes('-')) e[name] = value;
    else e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return e;
}

// choice is a labelled select. options are [value, text] pairs, of which the first is chosen.
export function choice(label, options, change) {
  const select = h('select', { onchange: () => change(options[select.selectedIndex][0]) },
    options.map(([value, text]) => h('option', { value: value ?? '' }, text)));
  return h('label', { class: 'choice' }, h('span', {}, label), select);
}

// switchRow is buttons of which one is pressed.
export function switchRow(label, options, value, change) {
  const row = h('div', { class: 'switch', role: 'group', 'aria-label': label });
  for (const [v, text, title] of options) {
    row.append(h('button', {
      type: 'button', title, 'aria-pressed': String(v === value), value: v,
      onclick: (event) => {
        for (const b of row.children) b.setAttribute('aria-pressed', String(b === event.currentTarget));
        change(v);
      },
    }, text));
  }
  return row;
}

// check is a labelled check box.
export function check(label, value, change, title) {
  const box = h('input', { type: 'checkbox', checked: value, onchange: () => change(box.checked) });
  return h('label', { class: 'check', title }, box, h('span', {}, label));
}

// later calls f once after calls of the result have stopped for some milliseconds.
export function later(f, ms = 120) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...args), ms);
  };
}
