// What is said of a difference.

import { Model } from './data.js';
import { factList, frames } from './detail.js';
import { h } from './dom.js';
import { count, counted, percent, rate, seconds, signed, size, within } from './units.js';

const words = { appeared: 'new', grew: 'grew', shrank: 'shrank', vanished: 'gone', uncertain: 'not certain' };
const unknown = 'not known';

export class Difference extends Model {
  constructor(d) {
    super(d);
    this.diff = d.diff;
    this.total = this.diff.stacks_total;
    this.per = this.diff.estimated ? '' : this.diff.per;
    this.only = this.diff.unchanged > 0 ? ' in the stacks that changed' : ''; // the page has no others
    this.unit = this.per ? ` per ${this.per}` : '';
    this.write = (n) => this.amount(n);
    this.graphTitle = 'Where it changed';
    this.colors = [['change', 'by change'], ['module', 'by module']];
    this.kindLabel = 'became';
    this.leastLabel = !this.diff.estimated && !this.per && 'changed by';
  }

  // amount writes bytes, or a rate, or bytes per unit.
  amount(n) {
    if (this.diff.estimated) return rate(n);
    return this.per && n > 0 && n < 1 ? `${Number(n.toPrecision(2))} B` : size(n);
  }

  unlisted(i) { return this.get('unlisted', i) === true; }

  // change writes a change, with its bounds if they are apart.
  change(write, value, low, high) {
    const text = (n) => signed(write, n);
    return low === high ? text(value) : within(text, value, low, high);
  }

  changeOf(i) { return this.unlisted(i) ? unknown : this.change(this.write, this.get('change', i), this.get('low', i), this.get('high', i)); }

  before(i) { return this.unlisted(i) && this.get('from_stacks', i) === 0 ? unknown : this.amount(this.get('from', i)); }

  after(i) { return this.unlisted(i) && this.get('to_stacks', i) === 0 ? unknown : this.amount(this.get('to', i)); }

  rateOf(i) { return this.get('change', i) === 0 || this.unlisted(i) ? '' : signed(rate, this.get('change', i) / this.diff.over_seconds); }

  blocksOf(i) { return this.get('blocks_change', i) === 0 || this.unlisted(i) ? '' : signed(count, this.get('blocks_change', i)); }

  verdict(i) { return this.unlisted(i) ? 'in one list alone' : words[this.get('state', i)]; }

  kind(i) { return this.verdict(i); }

  rowClass(i) { return { appeared: 'grew', grew: 'grew', shrank: 'shrank', vanished: 'shrank' }[this.get('state', i)] ?? 'unsure'; }

  atLeast(i, bytes) { return Math.abs(this.get('change', i)) >= bytes; }

  figures() {
    const column = (key, label, value, text, minor) => ({ key, label: label + (key === 'blocks' || !this.per ? '' : `/${this.per}`), value, text, minor });
    const all = [
      column('change', 'Change', (i) => this.get('change', i), (i) => this.changeOf(i)),
      column('from', 'Before', (i) => this.get('from', i), (i) => this.before(i), true),
      column('to', 'After', (i) => this.get('to', i), (i) => this.after(i), true),
    ];
    if (this.diff.over_seconds > 0) all.push(column('rate', 'Rate', (i) => this.get('change', i), (i) => this.rateOf(i), true));
    if (!this.per) all.push(column('blocks', 'Blocks', (i) => this.get('blocks_change', i), (i) => this.blocksOf(i), true));
    return all;
  }

  // metrics: nodes are as wide as what changed in them, up or down, or as what is there on a side.
  metrics() {
    const of = (value) => (i) => ({
      value: value(i), change: this.get('change', i), low: this.get('low', i), high: this.get('high', i), from: this.get('from', i), to: this.get('to', i),
    });
    const blocks = (i) => {
      const change = this.get('blocks_change', i);
      return { value: Math.abs(change), change, low: change, high: change, from: this.get('blocks_from', i), to: this.get('blocks_to', i) };
    };
    return [
      { key: 'change', label: 'Change', of100: 'all changes', write: this.write, unit: this.unit, of: of((i) => Math.abs(this.get('change', i))) },
      { key: 'to', label: 'After', of100: `what is there after${this.only}`, write: this.write, unit: this.unit, of: of((i) => this.get('to', i)) },
      { key: 'from', label: 'Before', of100: `what was there before${this.only}`, write: this.write, unit: this.unit, of: of((i) => this.get('from', i)) },
      !this.diff.estimated && !this.per && { key: 'blocks', label: 'Blocks', of100: 'all changes', write: (n) => counted(n, 'block'), unit: '', of: blocks },
    ].filter((m) => m && Array.from({ length: this.length }, (_, i) => this.weigh(i, m)).some((v) => v.value > 0));
  }

  // weigh leaves out the stacks of which one side is not known.
  weigh(i, metric) { return this.unlisted(i) ? { value: 0 } : metric.of(i); }

  says(t, node, m) {
    const [from, to] = [t.from[node], t.to[node]];
    const parts = [
      t.low[node] !== t.high[node] && `[${signed(m.write, t.low[node])} \u2013 ${signed(m.write, t.high[node])}]`,
      (from === 0 ? 'new' : to === 0 ? 'gone' : `from ${m.write(from)} to ${m.write(to)}${m.unit}`) + this.only,
    ];
    if (node > 0) return [...parts, `${percent(t.value[node] / t.value[0])} of ${m.of100}`, this.place(t.frame[node])];
    return [...parts, this.diff.unlisted > 0 && `without ${counted(this.diff.unlisted, 'stack')} that one list alone has`];
  }

  // label has the change in figures, since colors are not for everybody.
  label(t, node, name, m) { return `${t.low[node] === t.high[node] ? '' : '~'}${signed(m.write, t.change[node])} ${name}`; }

  // shade says how much of what was there before or is there after came or went.
  shade(t, node) {
    const part = t.change[node] / Math.max(t.from[node], t.to[node], 1e-9);
    const sure = t.low[node] === t.high[node] || t.low[node] > 0 || t.high[node] < 0;
    if (!sure || Math.abs(part) < 0.005) return 'g0';
    return (part > 0 ? 'g' : 's') + Math.min(1 + Math.floor(Math.abs(part) * 4.999), 5);
  }

  legend() { return [['s5', '- gone'], ['s3', '- half of it'], ['g0', this.diff.estimated ? 'not certain' : 'as before'], ['g3', '+ twice as much'], ['g5', '+ new']]; }

  detailOf(i) {
    const [list, add] = factList();
    add('change', this.changeOf(i) + (this.unlisted(i) ? '' : this.unit));
    add('before', this.before(i) + this.unit);
    add('after', this.after(i) + this.unit);
    if (this.diff.over_seconds > 0) add('rate', this.rateOf(i) && `${this.rateOf(i)}, over ${seconds(this.diff.over_seconds)}`);
    if (!this.per && !this.diff.estimated && !this.unlisted(i)) add('blocks', `from ${count(this.get('blocks_from', i))} to ${count(this.get('blocks_to', i))}`);
    const [from, to] = [this.get('from_stacks', i), this.get('to_stacks', i)];
    if (from > 1 || to > 1) add('sum of', `${counted(from, 'stack')} before, ${counted(to, 'stack')} after`);
    return h('div', { class: 'details' }, h('div', {}, frames(this, i)), h('div', {}, list));
  }
}
