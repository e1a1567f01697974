// Adds to each report of the page, or to its difference, what needs scripts.

import { Charts } from './charts.js';
import { Difference } from './difference.js';
import { h } from './dom.js';
import { Flame } from './flame.js';
import { Report } from './report.js';
import { addSubtotals } from './subtotals.js';
import { Table } from './table.js';

const reports = [...document.querySelectorAll('.report')];
const made = new Map();

// make adds the charts, the flame graph and the table of a report, once it is looked at.
async function make(report) {
  if (made.has(report)) return;
  made.set(report, null);
  const element = report.querySelector('script.data');
  if (!element) return; // the page of a heap
  const data = await dataOf(element);
  if (!data) {
    const charts = report.querySelector('.charts, .flame');
    charts.append(h('p', {}, 'This browser is too old for the charts, the flame graph, and a table of stacks that can be sorted: these need Chrome 100, Firefox 113, Safari 16.4, or newer. The rest of the page is whole.'));
    charts.hidden = false;
    return;
  }
  const model = data.diff ? new Difference(data) : new Report(data);
  model.index = reports.indexOf(report);
  const table = new Table(report.querySelector('.stacks'), model);
  const flame = new Flame(report.querySelector('.flame'), model, (name) => table.show(name));
  made.set(report, { charts: data.report && new Charts(report.querySelector('.charts'), model), flame, table });
  link(report, table);
  if (data.report) addSubtotals(report.querySelector('.cards'), model);
  performance.mark('memtrace');
}

// link makes the numbers of stacks that the heap's groups name buttons that open these stacks.
function link(report, table) {
  for (const at of report.querySelectorAll('.heap .at')) {
    const number = Number(at.dataset.stack);
    at.replaceWith(h('button', { type: 'button', class: 'link at', 'aria-label': `show stack #${number}`, onclick: () => table.reveal(number - 1) }, `#${number}`));
  }
}

// dataOf returns the data, which are packed in a string where they are long, or null in a browser that
// cannot unpack them.
async function dataOf(element) {
  const data = JSON.parse(element.textContent);
  if (typeof data !== 'string') return data;
  if (!window.DecompressionStream) return null;
  element.textContent = '';
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}

// select shows one report of several.
function select(chosen) {
  for (const r of reports) r.hidden = r !== chosen;
  for (const a of document.querySelectorAll('.processes a')) {
    if (a.hash === `#${chosen.id}`) a.setAttribute('aria-current', 'true');
    else a.removeAttribute('aria-current');
  }
  make(chosen);
}

const asked = () => reports.find((r) => `#${r.id}` === location.hash) ?? reports[0];

addEventListener('hashchange', () => select(asked()));
addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || /^(input|select|textarea)$/i.test(event.target.tagName)) return;
  const search = reports.find((r) => !r.hidden)?.querySelector('.flame:not([hidden]) input[type=search], .stacks input[type=search]');
  if (!search) return;
  event.preventDefault();
  search.focus();
});
document.documentElement.classList.add('scripted');
select(asked());
