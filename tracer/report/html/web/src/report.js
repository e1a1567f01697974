// What is said of a report.

import { Model } from './data.js';
import { detailOf } from './detail.js';
import { count, percent, rate, seconds, size, within } from './units.js';

export class Report extends Model {
  constructor(d) {
    super(d);
    this.report = d.report;
    // The stacks that were followed over time need not all be in the page.
    const ids = new Set(this.columns.id);
    this.timelines = new Map((this.report.timeline?.stacks ?? []).filter((t) => ids.has(t.id)).map((t) => [t.id, t]));
    this.total = this.report.stacks_total;
    this.graphTitle = 'Where it comes from';
    this.colors = [['module', 'by module'], ['growth', 'by growth']];
    this.kindLabel = 'verdict';
    this.leastLabel = this.any('bytes') && 'at least';
  }

  // leak returns how fast a stack leaks, in bytes a second that the allocator takes.
  leak(i) {
    if (this.detail(i, 'estimate')) return { value: this.get('leak', i), low: this.get('leak_low', i), high: this.get('leak_high', i), estimated: true };
    const leak = this.get('leak_bytes_per_second', i);
    return { value: leak, low: leak, high: leak };
  }

  verdict(i) {
    const kind = this.get('kind', i);
    return this.get('verdict', i) || (kind === 'heap' ? '' : kind);
  }

  // severity is 2 for a leak, 1 for what may be one, 0 for all else.
  severity(i) { return this.get('severity', i); }

  kind(i) { return this.verdict(i) || this.get('kind', i); }

  rowClass(i) { return ['', 'may', 'leaks'][this.severity(i)]; }

  // atLeast reports whether a stack holds so much, or nobody knows how much.
  atLeast(i, bytes) { return this.get('bytes', i) >= bytes || this.detail(i, 'estimate'); }

  detailOf(i) { return detailOf(this, i); }

  // metrics are what stacks can be measured by, those first that say most. Only those are there that
  // the report has figures for.
  metrics() {
    const plain = (column) => (i) => {
      const n = Math.max(this.get(column, i), 0);
      return { value: n, low: n, high: n };
    };
    const estimated = this.report.mode === 'windows';
    const grow = this.report.mode === 'growth';
    return [
      { key: 'rate', label: estimated ? 'Estimated leak' : grow ? 'Growth rate' : 'Leak rate', write: rate, of: (i) => this.leak(i), estimated },
      { key: 'bytes', label: estimated ? 'Bytes of system calls' : 'Bytes', write: size, of: plain('bytes') },
      { key: 'blocks', label: estimated ? 'Mappings' : 'Blocks', write: count, of: plain('blocks') },
      { key: 'growth', label: 'Growth', write: rate, of: plain('growth_bytes_per_second') },
      { key: 'mark', label: 'Since the mark', write: size, of: plain('since_mark_bytes') },
      { key: 'peak', label: 'At the peak', write: size, of: plain('peak_bytes') },
      { key: 'temporary', label: 'Temporary', write: count, of: plain('temporary_blocks') },
      { key: 'allocated', label: 'Allocated', write: size, of: plain('allocated_bytes') },
    ].filter((m) => {
      if (estimated && ['growth', 'allocated'].includes(m.key) || grow && m.key === 'growth') return false;
      for (let i = 0; i < this.length; i++) if (m.of(i).value > 0) return true;
      return false;
    });
  }

  // weigh is what a stack adds to the sums of its nodes in the flame graph.
  weigh(i, metric) { return { ...metric.of(i), growth: Math.max(this.leak(i).value, 0) }; }

  // says tells of a node what is in it.
  says(t, node, m) {
    const held = m.estimated ? within(m.write, t.value[node], t.low[node], t.high[node]) : m.write(t.value[node]);
    if (node === 0) return [held, `${m.label.toLowerCase()} in ${seconds(this.report.duration_seconds)}`];
    const growth = m.key !== 'rate' && t.growth[node] > 0 && `${this.report.mode === 'growth' ? 'grows' : 'leaks'} ${rate(t.growth[node])}`;
    return [held, percent(t.value[node] / t.value[0]), this.place(t.frame[node]), growth];
  }

  // label is what stands in a node.
  label(t, node, name) { return name; }

  // shade is the class that colors a node by growth.
  shade(t, node) {
    const leaks = t.growth[node] / Math.max(t.growth[0], 1e-9);
    return `g${leaks <= 0 ? 0 : Math.min(1 + Math.floor(leaks * 4.999), 5)}`;
  }

  legend() { return [['g0', 'no leak'], ...[1, 3, 5].map((n) => [`g${n}`, `${(n - 1) * 20}\u2013${n * 20} % of the leak`])]; }

  // figures are the columns of the table.
  figures() {
    const held = this.report.outstanding?.bytes || 0;
    const estimated = (i) => this.detail(i, 'estimate');
    const all = [
      { key: 'rate', label: this.report.mode === 'growth' ? 'Grows' : 'Leak', value: (i) => this.leak(i).value, text: (i) => this.leakText(i) },
      { key: 'bytes', label: 'Held', value: (i) => this.get('bytes', i), text: (i) => (estimated(i) ? '' : size(this.get('bytes', i))) },
      { key: 'blocks', label: 'Blocks', value: (i) => this.get('blocks', i), text: (i) => (estimated(i) ? '' : count(this.get('blocks', i))), minor: true },
      { key: 'share', label: 'Share', value: (i) => this.get('bytes', i), text: (i) => (estimated(i) || !held ? '' : percent(this.get('bytes', i) / held)), minor: true },
      { key: 'oldest', label: 'Oldest', value: (i) => this.oldest(i), text: (i) => (this.oldest(i) ? seconds(this.oldest(i)) : ''), minor: true },
      { key: 'survival', label: 'Survival', value: (i) => this.survival(i), text: (i) => percent(this.survival(i)), minor: true },
    ];
    for (const [column, label, write] of [
      ['since_mark_bytes', 'Since mark', size], ['peak_bytes', 'At peak', size], ['temporary_blocks', 'Temporary', count],
    ]) {
      if (this.any(column)) all.push({ key: column, label, value: (i) => this.get(column, i), text: (i) => write(this.get(column, i)), minor: true });
    }
    if (this.columns.estimate || Object.values(this.details).some((d) => d.estimate)) {
      all.push({ key: 'confidence', label: 'Confidence', value: (i) => estimated(i)?.confidence ?? -1, text: (i) => (estimated(i) ? percent(estimated(i).confidence) : ''), minor: true });
    }
    return all.filter((c) => c.key === 'survival' || Array.from({ length: this.length }, (_, i) => c.value(i)).some((v) => v > 0));
  }

  leakText(i) {
    const l = this.leak(i);
    if (!(l.value > 0)) return '';
    return l.estimated ? within(rate, l.value, l.low, l.high) : rate(l.value);
  }

  oldest(i) { return this.detail(i, 'estimate')?.oldest_seconds ?? this.get('oldest_seconds', i); }

  survival(i) { return this.detail(i, 'estimate')?.survival ?? this.get('survival', i); }
}
