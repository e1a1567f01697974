// What tests do with pages, and what all pages must do.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const text = (page, selector) => page.locator(selector).first().textContent();
export const names = (page) => page.locator('.row .open code').allTextContents();
export const nodes = (page) => page.locator('.graph .node').count();
export const node = (page, name) => page.locator('.graph .node', { hasText: new RegExp(`^${name}$`) }).first();
export const choice = (page, label) => page.locator('.choice', { hasText: new RegExp(`^${label}`) }).locator('select');
export const press = (page, label, button) => page.getByRole('group', { name: label }).getByRole('button', { name: button, exact: true }).click();

// injectsNothing looks at a page with the names of a hostile program. It has so many scripts, the data
// among them.
export async function injectsNothing(open, name, scripts) {
  const bare = await open(name, { javaScriptEnabled: false });
  assert.equal(await bare.locator('img, iframe, object, base, a, body script:not(.data):not(:last-of-type)').count(), 0);
  const page = await open(name);
  await press(page, 'Order', 'inverted');
  while (await page.locator('.row .open[aria-expanded=false]').count() > 0) await page.locator('.row .open[aria-expanded=false]').first().click();
  for (const row of await page.locator('.graph .node').all()) await row.dispatchEvent('mousemove');
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal(await page.locator('img, iframe, object, base, a, svg script, form').count(), 0);
  assert.equal(await page.evaluate(() => document.scripts.length), scripts);
  assert.equal(await page.evaluate(() => /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText)), false);
  assert.ok((await page.locator('.row .open code').allTextContents()).some((one) => one.startsWith('</script><script>window.pwned=1</script>')));
}

// fits opens pages on small and large screens, light and dark. name says which at a width.
export async function fits(open, name) {
  const colors = new Set();
  for (const width of [400, 1280, 3840]) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await open(name(width), { width, colorScheme });
      const [wide, color] = await page.evaluate(() => [document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]);
      assert.ok(wide <= width, `${wide} of ${width} pixels`);
      colors.add(color);
    }
  }
  assert.equal(colors.size, 2);
}

// accessible has axe look at a page.
export async function accessible(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')} ${v.nodes[0].failureSummary}`), []);
}
