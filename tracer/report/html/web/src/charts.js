// Charts over time: of the process, and of the stacks that come first. Both show the same time.
// Dragging, or the keys + - and the arrows, choose a part of it, and the line below says what grew in
// that.

import uPlot from 'uplot';
import { h, later } from './dom.js';
import { rate, seconds, size } from './units.js';

const mostStacks = 6;
const powers = Array.from({ length: 62 }, (_, i) => 2 ** i);
const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200]
  .concat(Array.from({ length: 20 }, (_, i) => 86400 * 2 ** i));
const cut = (name) => (name.length > 40 ? `${name.slice(0, 39)}\u2026` : name);
const axisTime = (s) => seconds(s).replace('.0 s', ' s').replace(/ 0 (s|min|h)$/, '');
const axisSize = (n) => size(n).replace('.0 ', ' ');
const sync = (model) => `charts-${model.index}`;

export class Charts {
  constructor(section, model) {
    const t = model.report.timeline;
    if (!t || t.seconds.length < 2) return;
    this.model = model;
    this.charts = [];
    this.end = Math.max(...t.seconds, model.report.duration_seconds || 0);
    this.range = [0, this.end];
    this.summary = h('p', { class: 'status', 'aria-live': 'polite' });
    this.whole = h('button', { type: 'button', class: 'reset', hidden: true, onclick: () => this.zoom(0, this.end) }, 'whole time');
    section.append(h('div', { class: 'head' }, h('h2', {}, 'Over time'), this.whole));
    section.hidden = false;
    this.section = section;
    this.add('The process', [
      { label: 'resident', color: '--c1', x: t.seconds, y: t.resident_bytes, fill: true },
      { label: 'brk heap', color: '--c2', x: t.seconds, y: t.brk_bytes },
      { label: 'thread arenas', color: '--c3', x: t.seconds, y: t.arena_bytes },
      { label: 'mmap', color: '--c4', x: t.seconds, y: t.mmap_bytes },
    ].filter((s) => s.y?.some((v) => v > 0)));
    const known = [...model.timelines.values()].filter((s) => s.seconds.length > 1);
    this.add('What the first stacks hold', this.distinct(known).slice(0, mostStacks).map((s, i) => (
      { label: this.nameOf(s.id), color: `--c${i + 1}`, x: s.seconds, y: s.bytes })));
    section.append(this.summary);
    this.zoom(0, this.end);
    new ResizeObserver(later(() => this.resize(), 60)).observe(section);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.repaint());
  }

  distinct(stacks) { return stacks.filter((s) => s.bytes.some((b) => b > 0)); }

  nameOf(id) {
    const i = this.model.columns.id.indexOf(id);
    const own = this.model.own[i][0];
    const at = own?.file ? ` ${this.model.short(own.file)}:${own.line}` : '';
    return `#${i + 1} ${cut(own?.name ?? 'unknown')}${at}`;
  }

  add(title, series) {
    if (series.length === 0) return;
    const box = h('div', {
      class: 'chart', tabIndex: 0, role: 'img', 'aria-label': `${title}: ${series.map((s) => `${s.label} from ${size(s.y[0])} to ${size(s.y.at(-1))}`).join('; ')}`,
      onkeydown: (e) => this.key(e), ondblclick: () => this.zoom(0, this.end),
    });
    this.section.append(h('h3', {}, title), box);
    const data = uPlot.join(series.map((s) => [s.x, s.y]));
    const chart = new uPlot(this.options(box, series), data, box);
    this.charts.push({ chart, box, series, title });
    chart.over.addEventListener('pointerdown', () => { this.dragged = true; });
  }

  options(box, series) {
    const css = (name) => getComputedStyle(this.section).getPropertyValue(name).trim();
    const font = `${css('--chart-font')} system-ui, sans-serif`;
    const axis = { stroke: () => css('--dim'), grid: { stroke: () => css('--line'), width: 1 }, ticks: { show: false }, font };
    const [width, height] = this.sizeOf(box);
    const em = parseFloat(getComputedStyle(this.section).fontSize);
    const paint = (s) => ({
      label: s.label, scale: 'y', stroke: () => css(s.color), width: 2, spanGaps: true, points: { show: s.x.length < 40, size: 4 },
      fill: s.fill ? () => css('--fill') : undefined, value: (_, v) => (v == null ? '' : size(v)),
    });
    return {
      width, height, cursor: { sync: { key: sync(this.model) }, drag: { x: true, y: false }, focus: { prox: 24 } },
      legend: { live: true }, focus: { alpha: 0.35 },
      scales: { x: { time: false, range: (_, min, max) => [min, max] }, y: { range: (_, min, max) => [0, Math.max(max * 1.06, 1)] } },
      series: [{ label: 'at', value: (_, v) => (v == null ? '' : seconds(v)) }, ...series.map(paint)],
      axes: [
        { ...axis, values: (_, v) => v.map(axisTime), space: 5.5 * em, size: 1.9 * em, gap: 0.3 * em, incrs: steps },
        { ...axis, values: (_, v) => v.map(axisSize), size: this.axisWidth(), incrs: powers, space: 2.4 * em },
      ],
      hooks: { setScale: [(u, key) => key === 'x' && this.scaled(u)], draw: [(u) => this.marks(u)] },
    };
  }

  axisWidth() { return 5.2 * parseFloat(getComputedStyle(this.section).fontSize); }

  sizeOf(box) {
    const em = parseFloat(getComputedStyle(this.section).fontSize);
    return [Math.max(box.clientWidth, 120), Math.round(11.5 * em)];
  }

  // marks draws lines at the marks that were set, and at the peak.
  marks(u) {
    const at = (this.model.report.marks ?? []).map((m) => [m.at_seconds, `mark ${m.name}`]);
    const peak = this.model.report.peak;
    if (peak?.at_seconds > 0) at.push([peak.at_seconds, `peak ${size(peak.bytes)}`]);
    const css = getComputedStyle(this.section);
    const ctx = u.ctx;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = css.getPropertyValue('--dim');
    ctx.textAlign = 'left';
    ctx.textBaseline = 'top';
    ctx.font = `${Math.round(parseFloat(css.getPropertyValue('--chart-font')) * devicePixelRatio)}px system-ui, sans-serif`;
    ctx.setLineDash([4, 4]);
    for (const [time, name] of at) {
      if (time < u.scales.x.min || time > u.scales.x.max) continue;
      const x = Math.round(u.valToPos(time, 'x', true));
      ctx.beginPath();
      ctx.moveTo(x, u.bbox.top);
      ctx.lineTo(x, u.bbox.top + u.bbox.height);
      ctx.stroke();
      ctx.fillText(cut(name), x + 4, u.bbox.top);
    }
    ctx.restore();
  }

  scaled(u) {
    const { min, max } = u.scales.x;
    if (this.setting || min == null || !this.dragged) return;
    this.zoom(min, max);
  }

  // zoom shows a part of the time in all charts.
  zoom(from, to) {
    const least = this.end / 1000;
    from = Math.max(from, 0);
    to = Math.min(Math.max(to, from + least), this.end);
    this.range = [from, to];
    this.setting = true;
    for (const { chart } of this.charts) chart.setScale('x', { min: from, max: to });
    setTimeout(() => { this.setting = false; });
    this.whole.hidden = from <= 0 && to >= this.end;
    this.say();
  }

  // say tells what changed in the time that is shown.
  say() {
    const [from, to] = this.range;
    const lines = this.charts.flatMap(({ series }) => series).map((s) => {
      const inside = s.x.map((x, i) => [x, s.y[i]]).filter(([x]) => x >= from && x <= to);
      if (inside.length < 2) return null;
      const change = inside.at(-1)[1] - inside[0][1];
      const took = inside.at(-1)[0] - inside[0][0];
      return { label: s.label, change, rate: took > 0 ? change / took : 0 };
    }).filter((c) => c && c.change !== 0);
    lines.sort((a, b) => b.change - a.change);
    const when = from <= 0 && to >= this.end ? 'In all' : `From ${seconds(from)} to ${seconds(to)}`;
    this.summary.textContent = lines.length === 0 ? `${when} nothing changed.`
      : `${when}: ${lines.slice(0, 4).map((c) => `${c.label} ${c.change > 0 ? '+' : ''}${size(c.change)} (${rate(c.rate)})`).join(', ')}.`;
  }

  key(event) {
    const [from, to] = this.range;
    const span = to - from;
    const middle = (from + to) / 2;
    const set = (a, b) => {
      event.preventDefault();
      this.zoom(a, b);
    };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    switch (event.key) {
      case '+': case '=': return set(middle - span / 4, middle + span / 4);
      case '-': return set(middle - span, middle + span);
      case '0': case 'Escape': return set(0, this.end);
      case 'ArrowLeft': return set(Math.max(from - span / 4, 0), Math.max(to - span / 4, span));
      case 'ArrowRight': return set(Math.min(from + span / 4, this.end - span), Math.min(to + span / 4, this.end));
    }
  }

  resize() {
    for (const { chart, box } of this.charts) {
      const [width, height] = this.sizeOf(box);
      if (width !== chart.width || height !== chart.height) chart.setSize({ width, height });
    }
  }

  repaint() {
    for (const { chart } of this.charts) chart.redraw(false);
  }
}
