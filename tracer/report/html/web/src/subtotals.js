// Sums by module and by thread, where the report has them.

import { h } from './dom.js';
import { count, percent, size, threadName } from './units.js';

const most = 12;

export function addSubtotals(cards, model) {
  for (const [key, title] of [['modules', 'Held by module'], ['threads', 'Held by thread']]) {
    const list = model.report[key] ?? [];
    if (list.length === 0) continue;
    const all = list.reduce((sum, one) => sum + one.bytes, 0) || 1;
    const rows = [...list].sort((a, b) => b.bytes - a.bytes);
    cards.append(h('section', { class: 'card', 'aria-label': title }, h('h2', {}, title),
      h('table', {}, h('tbody', {}, rows.slice(0, most).map((one) => h('tr', {},
        h('th', { scope: 'row', title: one.name }, key === 'modules' ? moduleName(model, one) : threadName(one)),
        h('td', { class: 'n' }, size(one.bytes)), h('td', { class: 'n' }, percent(one.bytes / all)), h('td', { class: 'n' }, count(one.blocks)))))),
      rows.length > most && h('p', { class: 'more' }, `and ${count(rows.length - most)} more`)));
  }
}

function moduleName(model, m) {
  if (m.not_looked_up) return 'stacks that were not looked up';
  return m.name ? model.short(m.name) : 'module not known';
}
