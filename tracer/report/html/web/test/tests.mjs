import assert from 'node:assert/strict';
import { differences } from './differences.mjs';
import { heap } from './heap.mjs';
import { accessible, choice, fits, injectsNothing, names, node, nodes, press, text } from './page.mjs';

export const tests = {
  async 'it shows the answer, charts, a flame graph and the table'(open) {
    const page = await open('leaking');
    assert.match(await text(page, 'h1'), /^sessiond \(pid 4242\) leaks 472\.0 KiB\/s/);
    assert.equal(await text(page, 'h1 mark'), 'make_session');
    assert.match(await text(page, '.answer .freed'), /^Its blocks are freed by session_close/);
    assert.equal(await page.locator('.chart canvas').count(), 2);
    assert.deepEqual((await names(page)).slice(0, 3), ['make_session', 'name_session', 'fill_cache']);
    assert.equal(await page.locator('.row').count(), 25);
    assert.equal(await page.locator('.row.leaks').count(), 2);
    assert.equal(await page.locator('.row .spark').count(), 3);
    assert.ok(await node(page, 'make_session').isVisible());
    const painted = await page.locator('.chart canvas').first().evaluate((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0));
    assert.ok(painted, 'the chart is empty');
  },

  async 'the flame graph is searched'(open) {
    const page = await open('leaking');
    await page.keyboard.press('/');
    await page.keyboard.type('name_ses');
    await page.locator('.node.hit').first().waitFor();
    assert.equal(await page.locator('.node.hit').count(), 1);
    assert.match(await text(page, '.found'), /^11\.0 % in 1$/);
    await page.locator('.flame input[type=search]').fill('');
    await page.locator('.node.hit').first().waitFor({ state: 'detached' });
    assert.equal(await page.locator('.node.miss').count(), 0);
  },

  async 'the flame graph is zoomed, with the mouse and with keys'(open) {
    const page = await open('leaking');
    const wide = async (name) => (await node(page, name).boundingBox()).width;
    const before = await wide('name_session');
    await node(page, 'name_session').click();
    assert.ok(await wide('name_session') > 5 * before);
    assert.equal(await page.locator('.graph .node', { hasText: /^make_session$/ }).count(), 0);
    await page.locator('.flame .reset').click();
    assert.ok(Math.abs(await wide('name_session') - before) < 1);
    await page.locator('.graph [tabindex="0"]').focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
    assert.match(await text(page, '.flame .status'), /^name_session, 52\.0 KiB\/s, 11\.0 %, sessiond session\.c:151/);
    await page.keyboard.press('Enter');
    assert.ok(await wide('name_session') > 5 * before);
    await page.keyboard.press('Escape');
    assert.ok(await node(page, 'make_session').isVisible());
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await node(page, 'name_session').click();
    await page.locator('.flame .status button').click();
    assert.deepEqual(await names(page), ['name_session']);
  },

  async 'the flame graph is switched'(open) {
    const page = await open('leaking');
    const all = () => page.locator('.graph .root').getAttribute('aria-label');
    assert.match(await all(), /^all, 472\.0 KiB\/s/);
    await press(page, 'Measure', 'Bytes');
    assert.match(await all(), /^all, 93\.\d MiB/);
    assert.ok(await node(page, 'fill_cache').isVisible());
    await press(page, 'Measure', 'Blocks');
    assert.match(await all(), /^all, 117,174/);
    await press(page, 'Measure', 'Bytes');
    await press(page, 'Color', 'by growth');
    assert.match(await node(page, 'make_session').getAttribute('class'), /\bg5\b/);
    assert.match(await node(page, 'fill_cache').getAttribute('class'), /\bg0\b/);
    await press(page, 'Order', 'inverted');
    const top = await node(page, 'make_session').boundingBox();
    assert.ok(top.y < (await node(page, 'handle_request').boundingBox()).y, 'callers are not below');
    assert.ok(await node(page, 'strdup').isVisible());
    await page.getByLabel('libraries').uncheck();
    assert.equal(await page.locator('.graph .node', { hasText: /^strdup$/ }).count(), 0);
    assert.ok(await nodes(page) > 5);
  },

  async 'the table is sorted and filtered'(open) {
    const page = await open('leaking');
    const column = (key) => page.locator(`.stacks th button[data-sort="${key}"]`);
    await column('bytes').click();
    assert.deepEqual((await names(page)).slice(0, 3), ['make_session', 'fill_cache', 'name_session']);
    assert.equal(await page.locator('.stacks th[aria-sort=descending]').innerText(), 'Held \u2193');
    await column('bytes').click();
    assert.equal((await names(page))[0], 'init_table_36');
    await column('name').click();
    assert.equal((await names(page))[0], 'fill_cache');
    await column('').click();
    assert.equal((await names(page))[0], 'make_session');
    await page.locator('.stacks input[type=search]').fill('CACHE.c');
    await page.getByText('1 of 40 stacks').waitFor();
    assert.deepEqual(await names(page), ['fill_cache']);
    await page.locator('.stacks input[type=search]').fill('no such thing');
    await page.getByText('No stack passes the filters.').waitFor();
    await page.locator('.stacks input[type=search]').fill('');
    await page.getByText('show 15 more of 15').click();
    assert.equal(await page.locator('.row').count(), 40);
    await choice(page, 'module').selectOption('/usr/lib/libplugin.so');
    assert.equal(await page.locator('.row').count(), 13);
    await choice(page, 'at least').selectOption('1048576');
    assert.equal(await page.locator('.row').count(), 4);
    await choice(page, 'module').selectOption('');
    await choice(page, 'verdict').selectOption('leaks');
    assert.deepEqual(await names(page), ['make_session', 'name_session']);
  },

  async 'a stack opens'(open) {
    const page = await open('leaking');
    const button = page.locator('.row .open').nth(1);
    await button.focus();
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('.row .open').nth(1).getAttribute('aria-expanded'), 'true');
    const detail = await text(page, '.detail');
    for (const part of ['strdup', 'name_session', 'session.c:151', '__libc_start_call_main', '6,291,456 B in 51,200 blocks', 'brk heap']) assert.ok(detail.includes(part), part);
    assert.equal(await text(page, '.detail .own code'), 'name_session');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('.detail').count(), 0);
    await page.locator('.row .open').first().click();
    assert.match(await text(page, '.detail'), /session_close < handle_request < main~97\.0 %512 samples/);
  },

  async 'the charts are brushed, with the mouse and with keys'(open) {
    const page = await open('leaking');
    const status = () => text(page, '.charts .status');
    assert.match(await status(), /^In all: resident \+7\d\.\d MiB/);
    const box = await page.locator('.chart .u-over').nth(1).boundingBox();
    await page.mouse.move(box.x + box.width / 4, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + 20, { steps: 5 });
    await page.mouse.up();
    await page.locator('.charts .reset').waitFor();
    assert.match(await status(), /^From 30\.\d s to (1 min 0 s|\d\d\.\d s): /);
    await page.locator('.charts .reset').click();
    assert.match(await status(), /^In all/);
    await page.locator('.chart').first().focus();
    await page.keyboard.press('+');
    assert.match(await status(), /^From 30\.0 s to 1 min 30 s/);
    await page.keyboard.press('ArrowRight');
    assert.match(await status(), /^From 45\.0 s to 1 min 45 s/);
    await page.keyboard.press('0');
    assert.match(await status(), /^In all/);
  },

  async 'estimates have intervals'(open) {
    const page = await open('windows');
    assert.equal(await page.locator('.switch button').first().textContent(), 'Estimated leak');
    assert.match(await page.locator('.graph .root').getAttribute('aria-label'), /^all, ~.*\[.* \u2013 .*\]/);
    assert.match(await text(page, '.row .n'), /^~.*\[.*\]$/);
    assert.equal(await page.locator('.chart').count(), 1);
    assert.match(await text(page, '.badges'), /windows: estimates/);
    await choice(page, 'at least').selectOption({ label: '1.0 MiB' });
    assert.equal(await page.locator('.row').count(), 4);
    await choice(page, 'at least').selectOption({ label: '64.0 MiB' });
    assert.deepEqual(await names(page), ['make_session', 'name_session', 'fill_cache']); // which hold an unknown size
    await page.locator('.row .open').first().click();
    assert.match(await text(page, '.detail'), /confidence 99\.9 %|confidence >99\.9 %/);
  },

  async 'it shows what only some reports have'(open) {
    const page = await open('measured');
    for (const label of ['At the peak', 'Temporary', 'Since the mark']) await press(page, 'Measure', label);
    assert.match(await page.locator('.graph .root').getAttribute('aria-label'), /^all, 1\.0 MiB/);
    for (const head of ['At peak', 'Temporary', 'Since mark']) assert.ok(await page.locator('.stacks th', { hasText: head }).isVisible(), head);
    assert.doesNotMatch(await page.locator('.chart').nth(1).getAttribute('aria-label'), /#0|unknown/);
    await choice(page, 'module').selectOption({ label: 'unknown (1)' });
    assert.deepEqual(await names(page), ['[unknown]']);
    await choice(page, 'module').selectOption({ label: 'all' });
    await choice(page, 'thread').selectOption('77');
    assert.equal(await page.locator('.row').count(), 1);
    await page.locator('.row .open').first().click();
    const detail = await text(page, '.detail');
    for (const part of ['up to 64 B', 'larger9', 'up to 10 ms', 'longer2', 'worker (thread 77)2.9 KiB', 'thread 792.0 KiB', 'other threads1000 B']) assert.ok(detail.includes(part), part);
    assert.match(await text(page, '.cards'), /Held by moduleother\.so2\.0 MiB50\.0 %9sessiond1\.0 MiB25\.0 %7stacks that were not looked up768\.0 KiB18\.8 %5module not known256\.0 KiB6\.3 %2/);
    assert.match(await text(page, '.cards'), /Held by threadworker \(thread 77\)2\.9 KiB50\.0 %3thread 792\.0 KiB33\.3 %2other threads1000 B16\.7 %1/);
    assert.match(await text(page, '.stacks .keep'), /3 stacks hidden by strdup\*: 2\.0 KiB in 9 blocks/);
  },

  async 'names of a hostile program inject nothing'(open) {
    await injectsNothing(open, 'hostile', 2);
  },

  async 'the policy lets nothing in and nothing out'(open) {
    const page = await open('leaking');
    const blocked = await page.evaluate(async () => {
      const blocked = new Set();
      document.addEventListener('securitypolicyviolation', (e) => blocked.add(e.effectiveDirective));
      const add = (tag, props) => document.body.append(Object.assign(document.createElement(tag), props));
      add('img', { src: 'http://127.0.0.1:9/x.png' });
      add('script', { textContent: 'window.pwned = 1' });
      add('style', { textContent: 'body { display: none }' });
      add('iframe', { src: 'http://127.0.0.1:9/' });
      document.body.setAttribute('style', 'display: none');
      await fetch('http://127.0.0.1:9/').catch(() => {});
      for (let i = 0; i < 100 && blocked.size < 6; i++) await new Promise((done) => setTimeout(done, 100)); // they are told later
      return [...blocked, window.pwned, getComputedStyle(document.body).display];
    });
    assert.deepEqual(blocked.slice(-2), [undefined, 'block']);
    for (const directive of ['img-src', 'script-src-elem', 'style-src-elem', 'style-src-attr', 'frame-src', 'connect-src']) assert.ok(blocked.includes(directive), `${directive}: ${blocked}`);
    page.faults.splice(0, page.faults.length, ...page.faults.filter((f) => !f.startsWith('console error:') && !/127\.0\.0\.1:9/.test(f)));
  },

  async 'without scripts the answer and a table are there'(open) {
    const page = await open('leaking', { javaScriptEnabled: false });
    assert.match(await text(page, 'h1'), /leaks 472\.0 KiB\/s/);
    assert.equal(await page.locator('.stacks tbody tr').count(), 40);
    await page.locator('.stacks summary').first().click();
    assert.ok(await page.locator('.stacks .frames').first().isVisible());
    assert.match(await text(page, '.terms'), /leaks\s+54\.0 MiB\s+73 %/);
    for (const selector of ['.flame', '.charts']) assert.equal(await page.locator(selector).first().isVisible(), false);
  },

  async 'several processes have a page each'(open) {
    const page = await open('several');
    assert.deepEqual(await page.locator('.report').evaluateAll((all) => all.map((r) => r.hidden)), [false, true]);
    assert.match(await text(page, '.report:not([hidden]) h1'), /sessiond/);
    await page.locator('.processes a').nth(1).click();
    assert.deepEqual(await page.locator('.report').evaluateAll((all) => all.map((r) => r.hidden)), [true, false]);
    assert.ok(await page.locator('.report:not([hidden]) .graph .node').count() > 2);
    const direct = await open('several', { hash: '#process-1' });
    assert.match(await text(direct, '.report:not([hidden]) h1'), /quiet/);
  },

  async 'it fits every screen, light and dark'(open) {
    await fits(open, (width) => (width === 1280 ? 'hostile' : 'leaking'));
  },

  async 'screen readers and people who see less can use it'(open) {
    for (const [name, colorScheme, color] of [['leaking', 'light', 'by module'], ['windows', 'dark', 'by growth']]) {
      const page = await open(name, { colorScheme });
      await press(page, 'Color', color);
      await page.locator('.row .open').first().click();
      await accessible(page);
    }
  },

  async 'a browser that cannot unpack the data says so'(open) {
    const page = await open('many', { before: () => { delete window.DecompressionStream; } });
    await page.getByText('This browser is too old for the charts').waitFor();
    assert.equal(await page.locator('.stacks tbody tr').first().isVisible(), true);
    assert.equal(await page.locator('.flame').first().isVisible(), false);
  },

  async '20,000 stacks load'(open) {
    const page = await open('many');
    await page.getByText('show 200 more of 19,975').waitFor();
    assert.equal(await text(page, '.stacks .total'), '20,000 stacks');
    const ms = await page.evaluate(() => performance.getEntriesByName('memtrace')[0].startTime);
    console.error(`20,000 stacks: ${Math.round(ms)} ms`);
    assert.ok(ms < 10_000, `${ms} ms`);
    assert.ok(await nodes(page) > 20);
    await page.locator('.stacks input[type=search]').fill('leaf_19999');
    await page.getByText('1 of 20,000 stacks').waitFor();
    await press(page, 'Order', 'inverted');
    assert.ok(await nodes(page) > 20);
  },

  ...differences,
  ...heap,
};
