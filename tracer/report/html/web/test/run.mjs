// Opens pages in a real browser and looks at what they do. The argument is the directory of the pages
// that the Go test has made. Prints a line of JSON for each test: {name, ms, error}.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { tests } from './tests.mjs';

const directory = process.argv[2];
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);
if (!executablePath) throw new Error('chromium is not installed: make setup-test');
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });

// open opens a page and notes everything that it must not do.
async function open(name, { width = 1280, height = 900, colorScheme = 'light', javaScriptEnabled = true, hash = '', before } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, javaScriptEnabled, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const url = `file://${join(directory, name)}.html`;
  page.setDefaultTimeout(20_000);
  page.faults = [];
  const fault = (what) => page.faults.push(what);
  page.on('console', (m) => fault(`console ${m.type()}: ${m.text()}`));
  page.on('pageerror', (e) => fault(`error: ${e.stack}`));
  page.on('dialog', (d) => { fault(`dialog: ${d.message()}`); d.dismiss(); });
  page.on('request', (r) => { if (r.url().split('#')[0] !== url) fault(`request: ${r.url()}`); });
  if (before) await page.addInitScript(before);
  await page.goto(url + hash);
  return page;
}

let failed = false;
for (const [name, test] of Object.entries(tests)) {
  const start = Date.now();
  const pages = [];
  let error;
  try {
    await test(async (...args) => {
      const page = await open(...args);
      pages.push(page);
      return page;
    });
    for (const page of pages) if (page.faults.length > 0) throw new Error(page.faults.join('\n'));
  } catch (e) {
    error = String(e.stack ?? e);
    failed = true;
  }
  for (const page of pages) await page.context().close();
  console.log(JSON.stringify({ name, ms: Date.now() - start, error }));
}
await browser.close();
process.exitCode = failed ? 1 : 0;
