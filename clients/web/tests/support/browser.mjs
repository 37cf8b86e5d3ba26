// Chromium for tests: a persistent context in a temporary folder; every console error and page error is kept.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

/** Screenshots are kept here, outside of version control. */
export const OUT = fileURLToPath(new URL('../../../../out/page/', import.meta.url));
mkdirSync(OUT, { recursive: true });

export function whichChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
      if (existsSync(join(folder, name))) return join(folder, name);
    }
  }
  return undefined;
}

/** Opens a page; `errors` fills with everything that must not happen. */
export async function open(url, { width = 1600, height = 1000, scheme = 'dark', allow = () => false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tickgate-page-'));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: whichChromium(), headless: true, viewport: { width, height }, colorScheme: scheme,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const errors = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !allow(message.text())) errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(url);
  return {
    page, errors,
    close: async () => {
      await context.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
