// Loads a page some times and prints how many milliseconds it takes until all of it is there.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [file, times] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync), args: ['--no-sandbox', '--disable-gpu'],
});
for (let i = 0; i < Number(times); i++) {
  const page = await browser.newPage();
  await page.goto(`file://${file}`);
  await page.locator('.row').first().waitFor();
  console.log(await page.evaluate(() => performance.getEntriesByName('memtrace')[0].startTime));
  await page.close();
}
await browser.close();
