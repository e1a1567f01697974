// Builds ../dist, which is committed: one script and one style sheet, each with the licences of what
// is in it. npm ci installs what this needs, at the versions of package-lock.json.
import { build } from 'esbuild';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const { dependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));

const licences = Object.keys(dependencies).sort().map((name) => {
  const at = join(here, 'node_modules', name);
  const { version, license } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8'));
  return `${name} ${version} (${license})\n\n${readFileSync(join(at, 'LICENSE'), 'utf8').trim()}\n`;
}).join('\n');

const common = {
  absWorkingDir: here, bundle: true, minify: true, charset: 'ascii', legalComments: 'none', logLevel: 'warning',
  target: ['chrome100', 'firefox100', 'safari15.4'], banner: {},
};
const comment = `/*!\n${licences}*/`;
await build({ ...common, entryPoints: ['src/main.js'], outfile: '../dist/page.js', format: 'iife', banner: { js: comment } });
await build({ ...common, entryPoints: ['src/page.css'], outfile: '../dist/page.css', banner: { css: comment } });
writeFileSync(join(here, '../dist/LICENSES.txt'), licences);
