// What is known of one stack: its frames, and the figures that have no column.

import { h } from './dom.js';
import { count, counted, percent, rate, seconds, size, threadName, within } from './units.js';

export function detailOf(model, i) {
  return h('div', { class: 'details' }, h('div', {}, frames(model, i), likes(model, i)), h('div', {},
    facts(model, i),
    histogram('Sizes of its blocks', model.detail(i, 'sizes'), (b) => (b.up_to_bytes < 2 ** 64 ? `up to ${size(b.up_to_bytes)}` : 'larger')),
    histogram('How long freed blocks lived', model.detail(i, 'lifetimes'), (b) => (b.up_to_seconds < 1e9 ? `up to ${seconds(b.up_to_seconds)}` : 'longer')),
    freed(model, i), served(model, i), threads(model, i), blocks(model, i)));
}

// freed lists where the blocks are freed or, if no such free was seen, those that the same function
// allocates for others.
function freed(model, i) {
  const side = model.detail(i, 'freed');
  if (!side?.text) return null;
  const own = side.by.length > 0;
  const list = own ? side.by : side.siblings ?? [];
  return h('div', {}, h('p', {}, side.text), list.length > 0 && h('table', { class: 'histogram' },
    h('caption', {}, own ? 'Freed by (of sampled frees)' : 'Blocks like these are freed by (of sampled frees)'),
    h('tbody', {}, list.map((f) => h('tr', {},
      h('th', { scope: 'row' }, h('code', {}, f.frames.slice(f.own_frame, f.own_frame + 3).map((one) => one.function || model.short(one.module) || 'unknown').join(' < '))),
      h('td', { class: 'n' }, `~${percent(f.share)}`), h('td', { class: 'n' }, counted(f.samples, 'sample')))))));
}

export function frames(model, i) {
  const own = model.get('own_frame', i);
  return h('ol', { class: 'frames' }, model.path(i).map((f, k) => h('li', { class: `${f.library ? 'library' : ''}${k === own ? ' own' : ''}` },
    h('code', {}, f.name), ' ',
    h('span', { title: [f.module, f.file].filter(Boolean).join('\n') },
      [f.file ? `${model.short(f.file)}:${f.line}` : '', model.short(f.module), f.inline ? 'inlined' : ''].filter(Boolean).join(', ')))));
}

// factList is a list with a function that adds to it what is known.
export function factList() {
  const list = h('dl', { class: 'facts' });
  return [list, (label, value) => value && list.append(h('div', {}, h('dt', {}, label), h('dd', {}, value)))];
}

function facts(model, i) {
  const [list, add] = factList();
  const e = model.detail(i, 'estimate');
  const get = (column) => model.get(column, i);
  add('stack', get('id'));
  if (e) {
    const l = model.leak(i);
    add('verdict', `${e.class}, confidence ${percent(e.confidence)}`);
    if (l.value > 0) add('leak', `${within(rate, l.value, l.low, l.high)}, 95 % interval`);
    const b = e.leak_blocks_per_second;
    if (b.value > 0) add('blocks', `${within((n) => (n * 60).toPrecision(3), b.value, b.low, b.high)} a minute`);
    add('survivors', `${counted(e.survivors.blocks, 'block')} (${size(e.survivors.bytes)}) of ${counted(e.survivor_windows, 'window')}`);
    if (e.active.blocks) add('written to since', counted(e.active.blocks, 'block'));
    if (e.young.blocks) add('too young to count', counted(e.young.blocks, 'block'));
    add('survival', `${percent(e.survival)} of ~${(e.allocations_per_second * 60).toPrecision(3)} allocations a minute`);
    if (e.survivors.blocks) add('oldest', seconds(e.oldest_seconds));
  } else {
    add('holds', `${count(get('bytes'))} B in ${counted(get('blocks'), 'block')}`);
    if (get('young_bytes')) add('younger', size(get('young_bytes')));
    add('allocated', `${size(get('allocated_bytes'))} in ${counted(get('allocated_blocks'), 'call')}, ${count(get('freed_blocks'))} freed`);
    if (get('blocks')) add('ages', `${seconds(get('youngest_seconds'))} to ${seconds(get('oldest_seconds'))}`);
    add('survival', percent(get('survival')));
    if (get('growth_bytes_per_second')) add('grows', rate(get('growth_bytes_per_second')));
    if (get('peak_bytes')) add('at the peak', `${size(get('peak_bytes'))} in ${counted(get('peak_blocks'), 'block')}`);
    if (get('temporary_blocks')) add('temporary', `${counted(get('temporary_blocks'), 'block')} freed at once`);
    if (get('since_mark_blocks')) add('since the mark', `${size(get('since_mark_bytes'))} in ${counted(get('since_mark_blocks'), 'block')}`);
    if (get('replaced_bytes')) add('replaces', size(get('replaced_bytes')));
    if (get('reserved_bytes')) add('reserved', size(get('reserved_bytes')));
  }
  if (get('merged_stacks')) add('sum of', counted(get('merged_stacks'), 'like stack'));
  if (get('given_up_stacks')) add('sum of', `${counted(get('given_up_stacks'), 'stack')} that were given up`);
  if (get('allocator')) add('allocator', get('allocator'));
  return list;
}

// histogram draws bins of blocks.
function histogram(title, bins, label) {
  if (!bins?.length) return null;
  const top = Math.max(...bins.map((b) => b.blocks), 1);
  return h('table', { class: 'histogram' }, h('caption', {}, title), h('tbody', {}, bins.map((b) => h('tr', {},
    h('th', { scope: 'row' }, label(b)), h('td', {}, h('meter', { min: 0, max: top, value: b.blocks, 'aria-hidden': 'true' })), h('td', { class: 'n' }, count(b.blocks))))));
}

function served(model, i) {
  const s = model.detail(i, 'served');
  if (!s) return null;
  const ways = [['brk heap', s.brk], ['thread arenas', s.arena], ['own mappings', s.mmap]].filter(([, w]) => w?.blocks > 0);
  return ways.length > 0 && sums('Served from', ways.map(([label, w]) => [label, w]));
}

function threads(model, i) {
  const list = model.detail(i, 'threads');
  return list?.length > 0 && sums('Allocated by threads', list.map((t) => [threadName(t), t]));
}

function blocks(model, i) {
  const list = model.detail(i, 'block_list');
  return list?.length > 0 && h('table', { class: 'histogram' }, h('caption', {}, 'Largest blocks'), h('tbody', {}, list.map((b) => h('tr', {},
    h('td', {}, h('code', {}, `0x${b.address.toString(16)}`)), h('td', { class: 'n' }, size(b.bytes)), h('td', { class: 'n' }, seconds(b.age_seconds))))));
}

function sums(title, rows) {
  return h('table', { class: 'histogram' }, h('caption', {}, title), h('tbody', {}, rows.map(([label, sum]) => h('tr', {},
    h('th', { scope: 'row' }, label), h('td', { class: 'n' }, size(sum.bytes)), h('td', { class: 'n' }, counted(sum.blocks, 'block'))))));
}

function likes(model, i) {
  const list = model.detail(i, 'like');
  return list?.length > 0 && h('table', { class: 'histogram' }, h('caption', {}, 'The sum of like stacks, through'), h('tbody', {}, list.map((l) => h('tr', {},
    h('th', { scope: 'row' }, `${model.short(l.module)}+0x${l.offset.toString(16)}`), h('td', { class: 'n' }, size(l.bytes)), h('td', { class: 'n' }, counted(l.blocks, 'block'))))));
}
