// Writes figures the way the text form does (tracer/report/units.go).

const prefixes = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

export function size(n) {
  if (n < 0) return '\u2212' + size(-n);
  let i = 0;
  if (Math.round(n) >= 1024) {
    for (i = 1; i < prefixes.length - 1 && n / 1024 ** i >= 1023.95; i++);
  }
  return i === 0 ? `${Math.round(n)} B` : `${(n / 1024 ** i).toFixed(1)} ${prefixes[i]}`;
}

export function count(n) {
  return Math.round(n).toLocaleString('en-US');
}

export function counted(n, one, many = one + 's') {
  return n === 1 ? `1 ${one}` : `${count(n)} ${many}`;
}

export function rate(perSecond) {
  if (perSecond < 0) return '\u2212' + rate(-perSecond);
  if (!(perSecond > 0)) return '0 B/s';
  if (perSecond >= 1024) return `${size(perSecond)}/s`;
  if (perSecond * 60 >= 1) return `${size(perSecond * 60)}/min`;
  return perSecond * 3600 >= 1 ? `${size(perSecond * 3600)}/h` : '<1 B/h';
}

export function percent(f) {
  if (!(f >= 0)) return 'unknown';
  if (f === 0) return '0 %';
  if (f === 1) return '100 %';
  if (f > 1) return '>100 %';
  if (f < 0.001) return '<0.1 %';
  return f > 0.999 ? '>99.9 %' : `${(100 * f).toFixed(1)} %`;
}

export function seconds(s) {
  if (!(s >= 0)) return 'unknown';
  if (s === 0) return '0 s';
  if (s < 0.001) return '<1 ms';
  if (s < 0.9995) return `${Math.round(1000 * s)} ms`;
  if (s < 59.95) return `${s.toFixed(1)} s`;
  if (s < 3599.5) return `${Math.floor(Math.round(s) / 60)} min ${Math.round(s) % 60} s`;
  if (s < 86370) return `${Math.floor(Math.round(s / 60) / 60)} h ${Math.round(s / 60) % 60} min`;
  return `${Math.floor(Math.round(s / 3600) / 24)} d ${Math.round(s / 3600) % 24} h`;
}

// threadName is what the text form calls a thread (tracer/report/text_measures.go).
export function threadName(t) {
  if (!t.tid) return 'other threads';
  return t.name ? `${t.name} (thread ${t.tid})` : `thread ${t.tid}`;
}

// signed writes the amount of a change with its sign, as the text form of a difference does.
export function signed(write, n) {
  if (n === 0) return `\u00b1${write(0)}`;
  return (n < 0 ? '-' : '+') + write(Math.abs(n));
}

// within writes an estimate with the bounds of its interval.
export function within(write, value, low, high) {
  return `~${write(value)} [${write(low)} \u2013 ${write(high)}]`;
}
