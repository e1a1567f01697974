// What pages of differences must do.
import assert from 'node:assert/strict';
import { accessible, choice, fits, injectsNothing, names, nodes, press, text } from './page.mjs';

const node = (page, name) => page.locator('.graph .node', { hasText: new RegExp(` ${name}$`) }).first();
const said = (page, name) => node(page, name).getAttribute('aria-label');
const cells = (page, row) => page.locator('.row').nth(row).locator('td.n').allTextContents();

export const differences = {
  async 'a difference shows the answer, a flame graph and the table'(open) {
    const page = await open('diff');
    assert.match(await text(page, 'h1'), /^\+3\.5 MiB in 1 min 0 s: 75 % in make_session/);
    assert.equal(await text(page, 'h1 mark'), 'make_session');
    assert.deepEqual(await names(page), ['make_session', 'open_log', 'fill_cache', 'load_config']);
    assert.deepEqual(await page.locator('.row .verdict').allTextContents(), ['grew', 'new', 'shrank', 'gone']);
    assert.deepEqual(await cells(page, 0), ['+3.0 MiB', '3.0 MiB', '6.0 MiB', '+51.2 KiB/s', '+3,072']);
    assert.deepEqual(await cells(page, 3), ['-256.0 KiB', '256.0 KiB', '0 B', '-4.3 KiB/s', '-256']);
    assert.equal(await page.locator('.row.grew').count(), 2);
    assert.equal(await page.locator('.row.shrank').count(), 2);
    assert.match(await text(page, '.stacks .keep'), /^7 stacks did not change/);
  },

  async 'the flame graph of a difference says what grew and shrank in colors and in figures'(open) {
    const page = await open('diff');
    const shade = async (name) => (await node(page, name).getAttribute('class')).match(/\b[gs]\d\b/)[0];
    assert.equal(await text(page, '.graph .node >> nth=0'), '+3.5 MiB all');
    assert.equal(await node(page, 'make_session').textContent(), '+3.0 MiB make_session');
    assert.equal(await said(page, 'make_session'), '+3.0 MiB make_session, from 3.0 MiB to 6.0 MiB in the stacks that changed, 66.7 % of all changes, sessiond session.c:142');
    assert.match(await said(page, 'load_config'), /^-256\.0 KiB load_config, gone in the stacks that changed, 5\.6 % of all changes/);
    assert.match(await said(page, 'open_log'), /^\+1\.0 MiB open_log, new in the stacks that changed, /);
    assert.deepEqual([await shade('make_session'), await shade('open_log'), await shade('fill_cache'), await shade('load_config')], ['g3', 'g5', 's3', 's5']);
    assert.match(await text(page, '.legend'), /- gone.*as before.*\+ new/);
    const color = (name) => node(page, name).evaluate((e) => getComputedStyle(e).backgroundColor.match(/\d+/g).map(Number));
    const [red, , redsBlue] = await color('open_log');
    const [bluesRed, , blue] = await color('load_config');
    assert.ok(red > redsBlue && blue > bluesRed);
    await press(page, 'Measure', 'After');
    assert.equal(await page.locator('.graph .node', { hasText: 'load_config' }).count(), 0);
    await press(page, 'Measure', 'Before');
    assert.match(await said(page, 'load_config'), /6\.7 % of what was there before in the stacks that changed, /);
    await press(page, 'Measure', 'Blocks');
    assert.match(await said(page, 'make_session'), /^\+3,072 blocks make_session, from 3,072 blocks to 6,144 blocks in the stacks that changed, /);
    await press(page, 'Measure', 'Change');
    await press(page, 'Color', 'by module');
    assert.match(await node(page, 'make_session').getAttribute('class'), /\bm\d\b/);
    await press(page, 'Order', 'inverted');
    await page.keyboard.press('/');
    await page.keyboard.type('load_conf');
    await page.locator('.node.hit').first().waitFor();
    assert.match(await text(page, '.found'), /^5\.6 % in 1$/);
    await page.locator('.flame input[type=search]').fill('');
    await page.locator('.node.hit').first().waitFor({ state: 'detached' }); // the graph was drawn anew
    await page.locator('.graph [tabindex="0"]').focus();
    await page.keyboard.press('ArrowDown');
    assert.match(await text(page, '.flame .status'), /^\+3\.0 MiB make_session/);
    await page.keyboard.press('s');
    assert.deepEqual(await names(page), ['make_session']);
  },

  async 'the table of a difference is sorted and filtered, and a stack opens'(open) {
    const page = await open('diff');
    const column = (key) => page.locator(`.stacks th button[data-sort="${key}"]`);
    await column('from').click();
    assert.deepEqual(await names(page), ['make_session', 'fill_cache', 'load_config', 'open_log']);
    await column('change').click();
    await column('change').click();
    assert.deepEqual(await names(page), ['fill_cache', 'load_config', 'open_log', 'make_session']);
    await choice(page, 'became').selectOption('gone');
    assert.deepEqual(await names(page), ['load_config']);
    await choice(page, 'became').selectOption('');
    await choice(page, 'changed by').selectOption({ label: '1.0 MiB' });
    assert.deepEqual(await names(page), ['open_log', 'make_session']);
    await page.locator('.stacks input[type=search]').fill('LOG.c');
    await page.getByText('1 of 4 stacks').waitFor();
    await page.locator('.row .open').focus();
    await page.keyboard.press('Enter');
    const detail = await text(page, '.detail');
    for (const part of ['open_log', 'log.c:9', '__libc_start_call_main', '+17.1 KiB/s, over 1 min 0 s', 'from 0 to 1,024']) assert.ok(detail.includes(part), `${part}: ${detail}`);
  },

  async 'a difference of estimates has intervals'(open) {
    const page = await open('diff-estimated');
    assert.match((await cells(page, 0))[0], /^~\+3\.0 MiB\/s \[\+2\.9 MiB\/s \u2013 \+3\.1 MiB\/s\]$/);
    assert.match(await said(page, 'make_session'), /^~\+3\.0 MiB\/s make_session, \[\+2\.9 MiB\/s \u2013 /);
    assert.match(await node(page, 'load_config').getAttribute('class'), /\bg0\b/);
    assert.equal(await page.locator('.row .verdict').last().textContent(), 'not certain');
    assert.equal(await page.locator('.choice', { hasText: /^changed by/ }).count(), 0);
  },

  async 'what one list alone has is in no sum of a difference'(open) {
    const page = await open('diff-cut');
    assert.deepEqual(await page.locator('.stacks th.n').allTextContents(), ['Change/request', 'Before/request', 'After/request']);
    assert.deepEqual(await cells(page, 3), ['not known', '256.0 KiB', 'not known']);
    assert.equal(await page.locator('.graph .node', { hasText: 'load_config' }).count(), 0);
    assert.match(await page.locator('.graph .root').getAttribute('aria-label'), /^\+3\.8 MiB all, from 3\.5 MiB to 7\.3 MiB per request in the stacks that changed, without 1 stack that one list alone has$/);
  },

  async 'names of a hostile program inject nothing into a difference'(open) {
    await injectsNothing(open, 'diff-hostile', 2);
  },

  async 'without scripts the answer and a table of a difference are there'(open) {
    const page = await open('diff', { javaScriptEnabled: false });
    assert.match(await text(page, 'h1'), /^\+3\.5 MiB/);
    assert.equal(await page.locator('.stacks tbody tr').count(), 4);
    await page.locator('.stacks summary').first().click();
    assert.ok(await page.locator('.stacks .frames').first().isVisible());
    assert.equal(await page.locator('.flame').isVisible(), false);
  },

  async 'a difference fits every screen, and everybody can use it'(open) {
    await fits(open, (width) => (width === 1280 ? 'diff-hostile' : 'diff'));
    for (const [name, colorScheme] of [['diff', 'light'], ['diff', 'dark'], ['diff-estimated', 'dark']]) {
      const page = await open(name, { colorScheme });
      await page.locator('.row .open').first().click();
      await accessible(page);
    }
  },

  async 'a difference of 20,000 stacks loads'(open) {
    const page = await open('diff-many');
    await page.getByText('show 200 more of 19,975').waitFor();
    const ms = await page.evaluate(() => performance.getEntriesByName('memtrace')[0].startTime);
    console.error(`a difference of 20,000 stacks: ${Math.round(ms)} ms`);
    assert.ok(ms < 10_000, `${ms} ms`);
    assert.ok(await nodes(page) > 20);
  },

  async 'a browser that cannot unpack a difference says so'(open) {
    const page = await open('diff-many', { before: () => { delete window.DecompressionStream; } });
    await page.getByText('This browser is too old for the charts').waitFor();
    assert.equal(await page.locator('.stacks tbody tr').first().isVisible(), true);
  },
};
