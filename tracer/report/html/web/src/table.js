// The table of stacks: sorted, filtered, some rows at a time, each with its details.

import { choice, h, later, svg } from './dom.js';
import { count, counted, size, threadName } from './units.js';

const atOnce = 25;

export class Table {
  constructor(section, model) {
    this.model = model;
    if (model.length === 0) return;
    this.columns = model.figures();
    this.trends = model.timelines?.size > 0;
    this.sort = null; // the order of the report
    this.descending = true;
    this.filters = { text: '', module: null, thread: null, kind: null, least: 0 };
    this.shown = atOnce;
    this.open = new Set();
    this.index();
    this.layOut(section);
    this.update();
  }

  // index collects what can be filtered by.
  index() {
    const m = this.model;
    const modules = new Map();
    const threads = new Map();
    const kinds = new Map();
    for (let i = 0; i < m.length; i++) {
      const module = m.own[i][0]?.module ?? '';
      modules.set(module, (modules.get(module) ?? 0) + 1);
      const kind = m.kind(i);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      for (const t of m.detail(i, 'threads') ?? []) threads.set(t.tid, threadName(t));
    }
    this.modules = [...modules].sort((a, b) => b[1] - a[1]);
    this.kinds = [...kinds].sort((a, b) => b[1] - a[1]);
    this.threads = [...threads];
  }

  layOut(section) {
    const filter = (name, value) => {
      this.filters[name] = value;
      this.shown = atOnce;
      this.update();
    };
    this.search = h('input', {
      type: 'search', placeholder: 'filter by function, file or module', 'aria-label': 'Filter stacks', spellcheck: false,
      oninput: later(() => filter('text', this.search.value.trim().toLowerCase())),
    });
    this.total = h('span', { class: 'total', role: 'status' });
    const several = (list) => list.length > 1;
    const head = h('div', { class: 'head' },
      h('h2', {}, 'Stacks ', this.total), this.search,
      several(this.modules) && choice('module', [[null, 'all'], ...this.modules.map(([path, n]) => [path, `${this.model.short(path) || 'unknown'} (${n})`])], (v) => filter('module', v)),
      several(this.threads) && choice('thread', [[null, 'all'], ...this.threads], (v) => filter('thread', v)),
      several(this.kinds) && choice(this.model.kindLabel, [[null, 'all'], ...this.kinds.map(([k, n]) => [k, `${k} (${n})`])], (v) => filter('kind', v)),
      this.model.leastLabel && choice(this.model.leastLabel, [[0, 'any size'], ...[1, 64, 1024, 65536, 1048576].map((k) => [k * 1024, size(k * 1024)])], (v) => filter('least', v)));
    this.header = h('tr');
    this.body = h('tbody');
    this.more = h('p', { class: 'more' });
    const unlisted = section.querySelector('p.more');
    const kept = [...section.querySelectorAll('.keep')];
    const missing = (this.model.total ?? 0) - this.model.length;
    section.replaceChildren(head,
      h('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'Table of stacks' },
        h('table', {}, h('thead', {}, this.header), this.body)), this.more);
    if (missing > 0 && unlisted) section.append(h('p', { class: 'more' }, `${counted(missing, 'more stack')} ${missing === 1 ? 'is' : 'are'} not in this file (-T 0 has all).`));
    section.append(...kept);
  }

  // show filters by a text from elsewhere.
  show(text) {
    if (!this.search) return;
    this.search.value = text;
    this.filters.text = text.toLowerCase();
    this.shown = atOnce;
    this.update();
    this.search.scrollIntoView({ block: 'start', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
    this.search.focus({ preventScroll: true });
  }

  // reveal opens a stack and goes there. Filters that hide it are taken away.
  reveal(i) {
    if (!this.wanted().includes(i)) {
      this.search.value = this.filters.text = '';
      for (const select of this.search.parentElement.querySelectorAll('select')) {
        select.selectedIndex = 0;
        select.dispatchEvent(new Event('change'));
      }
    }
    this.open.add(i);
    this.shown = Math.max(this.shown, this.wanted().indexOf(i) + 1);
    this.update();
    const button = this.body.querySelector(`[data-row="${i}"] button`);
    button?.scrollIntoView({ block: 'center' });
    button?.focus({ preventScroll: true });
  }

  // wanted returns the stacks that pass the filters, sorted.
  wanted() {
    const m = this.model;
    const f = this.filters;
    const matches = f.text ? this.matching(f.text) : null;
    const list = [];
    for (let i = 0; i < m.length; i++) {
      if (matches && !matches(i)) continue;
      if (f.module !== null && (m.own[i][0]?.module ?? '') !== f.module) continue;
      if (f.kind !== null && m.kind(i) !== f.kind) continue;
      if (!m.atLeast(i, f.least)) continue;
      if (f.thread !== null && !(m.detail(i, 'threads') ?? []).some((t) => t.tid === f.thread)) continue;
      list.push(i);
    }
    const by = this.columns.find((c) => c.key === this.sort);
    if (by || this.sort === 'name') {
      const value = by ? by.value : null;
      const name = (i) => m.own[i][0]?.name ?? '';
      const sign = this.descending ? -1 : 1;
      list.sort((a, b) => (value ? sign * (value(a) - value(b)) : -sign * name(a).localeCompare(name(b))) || a - b);
    }
    return list;
  }

  // matching returns whether any frame of a stack has a text. Each node of the tree is looked at once.
  matching(text) {
    const m = this.model;
    const frames = m.frames.map((f) => `${f.name}\n${f.module}\n${f.file}`.toLowerCase().includes(text));
    const nodes = new Uint8Array(m.nodes.length);
    for (let i = 0; i < nodes.length; i++) nodes[i] = frames[m.nodes[i]] || (m.parents[i] >= 0 && nodes[m.parents[i]]) ? 1 : 0;
    return (i) => m.leaves[i] >= 0 && nodes[m.leaves[i]] === 1;
  }

  update() {
    const list = this.wanted();
    this.total.textContent = list.length === this.model.length ? counted(list.length, 'stack') : `${count(list.length)} of ${counted(this.model.length, 'stack')}`;
    this.drawHeader();
    this.body.replaceChildren(...list.slice(0, this.shown).flatMap((i) => this.row(i)));
    const left = list.length - this.shown;
    this.more.replaceChildren();
    if (left > 0) {
      this.more.append(h('button', { type: 'button', onclick: () => { this.shown += 8 * atOnce; this.update(); } }, `show ${count(Math.min(left, 8 * atOnce))} more of ${count(left)}`));
    } else if (list.length === 0) {
      this.more.append('No stack passes the filters.');
    }
  }

  drawHeader() {
    const head = (key, label, numeric) => {
      const by = this.sort === key;
      return h('th', { scope: 'col', class: numeric ? 'n' : '', 'aria-sort': by ? (this.descending ? 'descending' : 'ascending') : 'none' },
        h('button', { type: 'button', 'data-sort': key, onclick: () => this.sortBy(key) }, label, h('i', { 'aria-hidden': 'true' }, by ? (this.descending ? ' \u2193' : ' \u2191') : '')));
    };
    const focused = document.activeElement?.dataset?.sort;
    this.header.replaceChildren(...[
      h('th', { scope: 'col', class: 'rank' }, h('button', { type: 'button', 'data-sort': '', onclick: () => this.sortBy(null) }, '#')),
      head('name', 'Function', false), h('th', { scope: 'col', class: 'wide' }, 'Where'), this.trends && h('th', { scope: 'col', class: 'minor' }, 'Trend'),
      ...this.columns.map((c) => {
        const th = head(c.key, c.label, true);
        if (c.minor) th.classList.add('minor');
        return th;
      })].filter(Boolean));
    if (focused !== undefined) this.header.querySelector(`[data-sort="${focused}"]`)?.focus();
  }

  // sortBy sorts by a column, the other way round if it is sorted by that already.
  sortBy(key) {
    this.descending = this.sort === key ? !this.descending : true;
    this.sort = key;
    this.update();
  }

  row(i) {
    const m = this.model;
    const [own, caller] = m.own[i];
    const open = this.open.has(i);
    const toggle = () => {
      if (open) this.open.delete(i);
      else this.open.add(i);
      this.update();
      this.body.querySelector(`[data-row="${i}"] button`)?.focus();
    };
    const row = h('tr', { class: `row ${m.rowClass(i)}`, 'data-row': i },
      h('td', { class: 'rank' }, String(i + 1)),
      h('td', { class: 'stack' },
        h('button', { type: 'button', class: 'open', 'aria-expanded': String(open), onclick: toggle },
          h('code', {}, own?.name ?? '[unknown]'), caller && h('span', { class: 'caller' }, ' < ', caller.name)),
        h('span', { class: 'verdict' }, m.verdict(i))),
      h('td', { class: 'wide where', title: own?.file || own?.module || '' }, where(m, own)),
      this.trends && h('td', { class: 'minor' }, this.spark(i)),
      ...this.columns.map((c) => h('td', { class: `n${c.minor ? ' minor' : ''}` }, c.text(i))));
    if (!open) return [row];
    return [row, h('tr', { class: 'detail' }, h('td', { colSpan: (this.trends ? 4 : 3) + this.columns.length }, m.detailOf(i)))];
  }

  // spark draws what a stack held over time.
  spark(i) {
    const t = this.model.timelines.get(this.model.get('id', i));
    if (!t || t.bytes.length < 2) return null;
    const [from, to] = [t.seconds[0], t.seconds.at(-1)];
    const top = Math.max(...t.bytes, 1);
    const points = t.bytes.map((b, k) => `${((60 * (t.seconds[k] - from)) / Math.max(to - from, 1e-9)).toFixed(1)},${(15 - (14 * b) / top).toFixed(1)}`);
    return svg('svg', { class: 'spark', viewBox: '0 0 60 16', role: 'img', 'aria-label': `from ${size(t.bytes[0])} to ${size(t.bytes.at(-1))}` },
      svg('polygon', { points: `0,16 ${points.join(' ')} 60,16` }), svg('polyline', { points: points.join(' ') }));
  }
}

// where is the place of a frame: a line of a file, or else a module.
function where(model, frame) {
  if (!frame) return '';
  return frame.file ? `${model.short(frame.file)}:${frame.line}` : model.short(frame.module);
}
