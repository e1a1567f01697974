// Makes a picture of what a page shows first.

import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { chromium } from 'playwright-core';

const [from, to] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync), args: ['--no-sandbox', '--disable-gpu'],
});
const page = await browser.newPage({ viewport: { width: 1040, height: 1250 } });
await page.goto(`file://${resolve(from)}`);
await page.locator('.row').first().waitFor();
const end = await page.locator('.flame').boundingBox();
await page.screenshot({ path: to, clip: { x: 0, y: 0, width: 1040, height: Math.min(Math.ceil(end.y + end.height + 14), 1240) } });
await browser.close();
const most = 200_000;
if (statSync(to).size > most) throw new Error(`${to} has more than ${most} bytes`);
