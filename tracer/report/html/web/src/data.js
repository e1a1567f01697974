// Reads the data of a report or a difference (tracer/report/html/data.go). What is said of them is in
// report.js and difference.js: what the flame graph measures (metrics), how it is colored, and the
// columns of the table.

const none = {};

export class Model {
  constructor(d) {
    this.length = d.leaves?.length ?? 0;
    this.parents = d.parents ?? [];
    this.nodes = d.nodes ?? [];
    this.leaves = d.leaves ?? [];
    this.columns = d.columns ?? {};
    this.details = d.details ?? {};
    this.readFrames(d.strings ?? [], d.frames ?? []);
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

  // place is where a frame is, its module first.
  place(f) { return [this.short(f.module), f.file ? `${this.short(f.file)}:${f.line}` : ''].filter(Boolean).join(' '); }

  short(path) { return path ? path.slice(path.lastIndexOf('/') + 1) : ''; }
}
