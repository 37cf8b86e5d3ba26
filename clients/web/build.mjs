// Compiles SDK and page into dist/ and puts the page's own files beside them. Nothing is loaded from elsewhere.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, 'dist');
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
// Scripts are served as they are: without comments and indents. Declarations keep theirs, which editors show.
for (const what of [['--declaration', 'false', '--removeComments'], ['--emitDeclarationOnly']]) {
  const tsc = spawnSync(join(here, 'node_modules/.bin/tsc'), ['-p', here, ...what], { stdio: 'inherit' });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
}
for (const name of readdirSync(out, { recursive: true }).filter((path) => path.endsWith('.js'))) {
  const lines = readFileSync(join(out, name), 'utf8').split('\n');
  // A text over several lines would lose its own spaces.
  if (lines.some((line) => line.split('`').length % 2 === 0)) throw new Error(`${name}: a template over several lines`);
  writeFileSync(join(out, name), lines.map((line) => line.trimStart()).join('\n'));
}
for (const name of ['index.html', 'style.css', 'favicon.svg']) copyFileSync(join(here, 'src/page', name), join(out, name));
