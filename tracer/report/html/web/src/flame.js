// The flame graph: rows of functions, callers above what they call, as wide as what they hold.
// Only nodes that can be seen are elements. They are a tree to screen readers, and the arrow keys walk
// it.

import { check, h, later, switchRow } from './dom.js';
import { build, find } from './tree.js';
import { percent } from './units.js';

const leastWidth = 1.5; // pixels
const leastText = 28;
const colors = 10; // of modules, in the style sheet

export class Flame {
  // choose is called with a function whose stacks the table is to show.
  constructor(section, model, choose) {
    this.model = model;
    this.choose = choose;
    this.metrics = model.metrics();
    this.metric = this.metrics[0];
    if (!this.metric) return;
    this.options = { inverted: false, libraries: true };
    this.color = model.colors[0][0];
    this.zoom = 0;
    this.query = '';
    this.shades = new Map();
    this.layOut(section);
    section.hidden = false;
    this.rebuild();
    new ResizeObserver(later(() => this.draw(), 60)).observe(this.graph);
  }

  layOut(section) {
    this.search = h('input', {
      type: 'search', placeholder: 'search  /', 'aria-label': 'Search functions, modules and files', spellcheck: false,
      oninput: later(() => { this.query = this.search.value; this.look(); }),
    });
    this.found = h('output', { class: 'found' });
    this.back = h('button', { type: 'button', class: 'reset', onclick: () => this.zoomTo(0), hidden: true }, 'whole graph');
    this.graph = h('div', {
      class: 'graph', role: 'tree', 'aria-label': 'Call tree', onkeydown: (e) => this.key(e), onclick: (e) => this.click(e),
      onmousemove: (e) => this.hover(e), onmouseleave: () => { this.said = null; this.say(this.focus ?? this.zoom); }, onfocusin: (e) => this.hover(e),
    });
    this.status = h('p', { class: 'status', 'aria-live': 'polite' });
    this.keyBox = h('p', { class: 'legend' });
    section.append(
      h('div', { class: 'head' },
        h('h2', {}, this.model.graphTitle),
        switchRow('Measure', this.metrics.map((m) => [m.key, m.label]), this.metric.key, (key) => {
          this.metric = this.metrics.find((m) => m.key === key);
          this.rebuild();
        }),
        this.search, this.found, this.back),
      h('div', { class: 'head minor' },
        switchRow('Order', [['down', 'callers first'], ['up', 'inverted', 'The allocating functions first, their callers below']], 'down', (v) => {
          this.options.inverted = v === 'up';
          this.rebuild();
        }),
        switchRow('Color', this.model.colors, this.color, (v) => {
          this.color = v;
          this.draw();
        }),
        check('libraries', true, (v) => { this.options.libraries = v; this.rebuild(); }, 'Show frames of malloc, libc and standard libraries'),
        this.keyBox),
      this.status, this.graph);
  }

  rebuild() {
    this.tree = build(this.model, this.metric, this.options);
    this.zoom = 0;
    this.focus = null;
    this.look();
  }

  // look searches anew.
  look() {
    const q = this.query.trim().toLowerCase();
    this.result = q ? find(this.tree, (f) => `${f.name}\n${f.module}\n${f.file}`.toLowerCase().includes(q)) : null;
    this.found.textContent = this.result ? `${percent(this.result.part)} in ${this.result.n}` : '';
    this.draw();
  }

  zoomTo(node) {
    this.zoom = node;
    this.focus = node;
    this.draw();
    this.element(node)?.focus({ preventScroll: true });
  }

  element(node) { return this.graph.querySelector(`[data-node="${node}"]`); }

  draw() {
    const t = this.tree;
    const width = this.graph.clientWidth;
    if (!width) return;
    const row = parseFloat(getComputedStyle(this.graph).getPropertyValue('line-height')) || 20;
    const parts = [];
    for (let at = this.zoom; at > 0; at = t.parent[at]) parts.unshift(t.parent[at]);
    const above = parts.length;
    const elements = parts.map((node, i) => this.make(node, 0, i * row, width, 'above'));
    let deepest = above;
    const next = [[this.zoom, 0, width]];
    while (next.length > 0) {
      const [node, x, w] = next.pop();
      const level = above + t.depth[node] - t.depth[this.zoom];
      deepest = Math.max(deepest, level);
      elements.push(this.make(node, x, level * row, w, ''));
      let from = x;
      for (const child of t.children[node] ?? []) {
        const wide = t.value[node] > 0 ? (w * t.value[child]) / t.value[node] : 0;
        if (wide < leastWidth) break; // they are sorted
        next.push([child, from, wide]);
        from += wide;
      }
    }
    this.graph.replaceChildren(...elements);
    this.graph.style.setProperty('--rows', deepest + 1);
    this.back.hidden = this.zoom === 0;
    const start = this.element(this.focus ?? this.zoom);
    if (start) start.tabIndex = 0;
    this.drawKey();
    this.say(this.focus ?? this.zoom);
  }

  make(node, x, y, w, extra) {
    const t = this.tree;
    const hit = this.result ? (this.result.hit[node] ? ' hit' : ' miss') : '';
    const e = h('div', {
      class: `node ${extra} ${this.shade(node)}${hit}`, role: 'treeitem', 'aria-level': t.depth[node] + 1, tabIndex: -1,
      'aria-label': this.describe(node), 'data-node': node, 'aria-expanded': t.children[node]?.length ? 'true' : undefined,
    }, w > leastText ? this.label(node) : '');
    e.style.left = `${x}px`;
    e.style.top = `${y}px`;
    e.style.width = `${Math.max(w - 1, 1)}px`;
    return e;
  }

  label(node) { return this.model.label(this.tree, node, this.name(node), this.metric); }

  name(node) { return node === 0 ? 'all' : this.tree.frame[node].name; }

  // shade is the class that colors a node.
  shade(node) {
    if (node === 0) return 'root';
    if (this.color !== 'module') return this.model.shade(this.tree, node);
    return this.moduleShade(this.tree.frame[node].module);
  }

  // moduleShade numbers modules as they come in the stacks, so that those of the first stacks differ.
  moduleShade(module) {
    if (this.shades.size === 0) {
      for (const f of this.model.groups) if (!this.shades.has(f.module)) this.shades.set(f.module, `m${this.shades.size % colors}`);
    }
    return this.shades.get(module);
  }

  describe(node) {
    return [this.label(node), ...this.model.says(this.tree, node, this.metric)].filter(Boolean).join(', ');
  }

  // say tells of a node. What can be done with it is there for the one that was chosen.
  say(node) {
    const label = this.label(node);
    const children = [h('b', {}, label), this.describe(node).slice(label.length)];
    if (node > 0 && node === this.focus) {
      children.push(' ', h('button', { type: 'button', class: 'link', title: 'S', onclick: () => this.choose(this.tree.frame[node].name) }, 'show stacks'));
    }
    this.status.replaceChildren(...children);
  }

  drawKey() {
    if (this.color !== 'module') {
      this.keyBox.replaceChildren(...this.model.legend().map(([shade, text]) => h('span', { class: shade }, text)));
      return;
    }
    const sums = new Map();
    const t = this.tree;
    for (let i = 1; i < t.group.length; i++) {
      const own = t.value[i] - (t.children[i] ?? []).reduce((sum, c) => sum + t.value[c], 0);
      sums.set(t.frame[i].module, (sums.get(t.frame[i].module) ?? 0) + own + t.value[i] * 1e-6);
    }
    const first = [...sums].sort((a, b) => b[1] - a[1]).slice(0, 6);
    this.keyBox.replaceChildren(...first.map(([module]) => h('span', { class: this.moduleShade(module), title: module }, this.model.short(module) || 'unknown')));
  }

  nodeOf(event) {
    const e = event.target.closest?.('[data-node]');
    return e ? Number(e.dataset.node) : null;
  }

  hover(event) {
    const node = this.nodeOf(event);
    if (event.type === 'focusin' && node !== null) this.focus = node;
    if (node !== null && (node !== this.said || event.type === 'focusin')) this.say(node);
    this.said = node;
  }

  click(event) {
    const node = this.nodeOf(event);
    if (node !== null) this.zoomTo(node);
  }

  // key walks the tree: down to what is called, up to the caller, aside to what the caller calls, too.
  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const t = this.tree;
    const at = this.nodeOf(event) ?? this.zoom;
    const siblings = at > 0 ? t.children[t.parent[at]] : [0];
    const to = {
      ArrowDown: () => t.children[at]?.[0], ArrowUp: () => (at > 0 ? t.parent[at] : undefined),
      ArrowLeft: () => siblings[siblings.indexOf(at) - 1], ArrowRight: () => siblings[siblings.indexOf(at) + 1], Home: () => this.zoom,
    }[event.key];
    if (to) {
      event.preventDefault();
      this.move(to());
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.zoomTo(at);
    } else if (event.key === 's' && at > 0) {
      event.preventDefault();
      this.choose(t.frame[at].name);
    } else if (event.key === 'Escape' || event.key === 'Backspace') {
      event.preventDefault();
      this.zoomTo(this.zoom > 0 ? t.parent[this.zoom] : 0);
    }
  }

  move(node) {
    const e = node === undefined ? null : this.element(node);
    if (!e) return;
    for (const old of this.graph.querySelectorAll('[tabindex="0"]')) old.tabIndex = -1;
    e.tabIndex = 0;
    e.focus();
  }
}
