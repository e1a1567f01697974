// Reads the data of a report (tracer/report/html/data.go).

import { count, rate, size } from './units.js';

const none = {};

export class Model {
  constructor(d) {
    this.report = d.report;
    this.length = d.leaves?.length ?? 0;
    this.parents = d.parents ?? [];
    this.nodes = d.nodes ?? [];
    this.leaves = d.leaves ?? [];
    this.columns = d.columns ?? {};
    this.details = d.details ?? {};
    this.readFrames(d.strings ?? [], d.frames ?? []);
    // The stacks that were followed over time need not all be in the page.
    const ids = new Set(this.columns.id);
    this.timelines = new Map((this.report.timeline?.stacks ?? []).filter((t) => ids.has(t.id)).map((t) => [t.id, t]));
    this.own = Array.from({ length: this.length }, (_, i) => this.ownFrames(i));
  }

  // Frames of one function have the same group, whatever the line.
  readFrames(strings, frames) {
    const groups = new Map();
    this.groups = [];
    this.frames = frames.map(([fn, module, file, line, flags]) => {
      const key = `${fn} ${module}`;
      let group = groups.get(key);
      const f = { name: strings[fn], module: strings[module], file: strings[file], line, inline: (flags & 1) > 0, library: (flags & 2) > 0 };
      if (group === undefined) {
        group = this.groups.length;
        groups.set(key, group);
        this.groups.push({ name: f.name, module: f.module, library: f.library });
      }
      f.group = group;
      return f;
    });
  }

  // path returns the frames of a stack, innermost first.
  path(i) {
    const frames = [];
    for (let at = this.leaves[i]; at >= 0; at = this.parents[at]) frames.push(this.frames[this.nodes[at]]);
    return frames;
  }

  // ownFrames returns the function of the program that allocates, and its caller.
  ownFrames(i) {
    let at = this.leaves[i];
    for (let skip = this.get('own_frame', i); skip > 0 && at >= 0; skip--) at = this.parents[at];
    const caller = at >= 0 ? this.parents[at] : -1;
    return [at >= 0 ? this.frames[this.nodes[at]] : null, caller >= 0 ? this.frames[this.nodes[caller]] : null];
  }

  get(column, i) { return this.columns[column]?.[i] ?? 0; }

  // any reports whether a stack has more than 0 in a column.
  any(column) { return this.columns[column]?.some((v) => v > 0); }

  detail(i, name) { return (this.details[i] ?? none)[name]; }

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

  short(path) { return path ? path.slice(path.lastIndexOf('/') + 1) : ''; }
}

// metrics are what stacks can be measured by, those first that say most. Only those are there that
// the report has figures for.
export function metrics(model) {
  const plain = (column) => (i) => {
    const n = Math.max(model.get(column, i), 0);
    return { value: n, low: n, high: n };
  };
  const estimated = model.report.mode === 'windows';
  const grow = model.report.mode === 'growth';
  return [
    { key: 'rate', label: estimated ? 'Estimated leak' : grow ? 'Growth rate' : 'Leak rate', write: rate, of: (i) => model.leak(i), estimated },
    { key: 'bytes', label: estimated ? 'Bytes of system calls' : 'Bytes', write: size, of: plain('bytes') },
    { key: 'blocks', label: estimated ? 'Mappings' : 'Blocks', write: count, of: plain('blocks') },
    { key: 'growth', label: 'Growth', write: rate, of: plain('growth_bytes_per_second') },
    { key: 'mark', label: 'Since the mark', write: size, of: plain('since_mark_bytes') },
    { key: 'peak', label: 'At the peak', write: size, of: plain('peak_bytes') },
    { key: 'temporary', label: 'Temporary', write: count, of: plain('temporary_blocks') },
    { key: 'allocated', label: 'Allocated', write: size, of: plain('allocated_bytes') },
  ].filter((m) => {
    if (estimated && ['growth', 'allocated'].includes(m.key) || grow && m.key === 'growth') return false;
    for (let i = 0; i < model.length; i++) if (m.of(i).value > 0) return true;
    return false;
  });
}
