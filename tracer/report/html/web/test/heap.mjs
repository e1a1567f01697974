// What pages must do that show what is in a heap.
import assert from 'node:assert/strict';
import { accessible, choice, fits, text } from './page.mjs';

// inert looks at a page with the names of a hostile program, with and without scripts.
async function inert(open, name, scripts) {
  for (const javaScriptEnabled of [false, true]) {
    const page = await open(name, { javaScriptEnabled });
    assert.equal(await page.locator('img, iframe, object, base, a, form, main svg script').count(), 0);
    assert.ok((await page.locator('.heap').allTextContents()).join().includes('</script><script>window.pwned=1</script>'));
    if (!javaScriptEnabled) continue;
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.evaluate(() => document.scripts.length), scripts);
    assert.equal(await page.evaluate(() => /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText)), false);
  }
}

// readable looks whether no cell is cut off, and none so narrow that words are torn apart.
async function readable(page) {
  const bad = await page.locator('.heap table').evaluateAll((tables) => tables.flatMap((table) => {
    const room = table.closest('.heap').getBoundingClientRect().right;
    return [...table.querySelectorAll('th, td')].filter((cell) => {
      const { right, width } = cell.getBoundingClientRect();
      return width > 0 && (right > room || width < 30 || cell.scrollWidth > cell.clientWidth + 1);
    }).map((cell) => cell.textContent);
  }));
  assert.deepEqual(bad, []);
}

export const heap = {
  async 'what grows in the heap is shown with its stacks'(open) {
    const page = await open('looked');
    const rows = page.locator('.heap tbody tr');
    assert.equal(await rows.count(), 3);
    assert.match(await rows.first().innerText(), /136 B[^]*held by global sessions[^]*allocated by #34 init_table_30[^]*332 of 348 blocks[^]*~596\/min[^]*steady/);
    assert.match(await text(page, '.heap .total'), /the last look was 4\.0 s before this report/);
    assert.equal(await page.locator('.heap button').count(), 1);
  },

  async 'a stack of a group opens in the table, with keys and beside filters'(open) {
    const page = await open('looked');
    const button = page.getByRole('button', { name: 'show stack #34' });
    await button.focus();
    await page.keyboard.press('Enter');
    const opened = page.locator('.row[data-row="33"] .open');
    assert.equal(await opened.getAttribute('aria-expanded'), 'true');
    assert.ok(await opened.evaluate((e) => e === document.activeElement));
    await choice(page, 'verdict').selectOption('leaks');
    await page.locator('.stacks input[type=search]').fill('make_session');
    await page.getByText('1 of 40 stacks').waitFor();
    await button.click();
    assert.equal(await opened.getAttribute('aria-expanded'), 'true');
    assert.equal(await choice(page, 'verdict').inputValue(), '');
    assert.match(await text(page, '.detail'), /init_tables/);
  },

  async 'without scripts what grows is there'(open) {
    const page = await open('looked', { javaScriptEnabled: false });
    assert.match(await page.locator('.heap tbody tr').first().innerText(), /allocated by #34 init_table_30/);
    assert.equal(await page.locator('.stacks tbody tr td:first-child', { hasText: /^34$/ }).count(), 1);
  },

  async 'a page of a heap has the answer first'(open) {
    const page = await open('heap');
    assert.match(await text(page, 'h1'), /^sessiond \(pid 4242\) grows 20 blocks a minute/);
    assert.deepEqual(await page.locator('h2').evaluateAll((all) => all.map((h) => h.firstChild.textContent.trim())), ['What grows', 'What nobody points at', 'Held by', 'Made of', 'The heap', 'How 0x5581d2c4a2a0 is reached', 'Notes']);
    await page.keyboard.press('/'); // there is no search
    await page.locator('summary').click();
    assert.ok((await page.locator('pre').innerText()).startsWith('memtrace heap: sessiond'));
  },

  async 'names in a heap inject nothing'(open) {
    await inert(open, 'looked-hostile', 2);
    await inert(open, 'heap-hostile', 1);
  },

  async 'what is in a heap fits every screen, light and dark'(open) {
    for (const name of ['looked', 'looked-hostile', 'heap', 'heap-hostile']) await fits(open, () => name);
    for (const name of ['looked', 'heap']) for (const width of [400, 1280]) await readable(await open(name, { width }));
  },

  async 'screen readers and people who see less can use what is in a heap'(open) {
    for (const name of ['looked', 'heap']) {
      for (const colorScheme of ['light', 'dark']) await accessible(await open(name, { colorScheme, width: 400 }));
    }
  },
};
