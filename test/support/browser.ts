import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { chromiumProgram } from '../../src/sandbox/chromium-programs.ts';
import { runProgram } from '../../src/sandbox/run-program.ts';
import { bareEnvironment } from './child.ts';

/** A real browser, which is gone with its folder when the test ends. */
export async function startBrowser(): Promise<{ browser: Browser } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-browser-'));
  try {
    const program = await chromiumProgram();
    const inherited = bareEnvironment();
    const libraries = [program.env['LD_LIBRARY_PATH'], inherited['LD_LIBRARY_PATH']].filter((path) => path !== undefined);
    const fonts = program.fonts === null ? {} : { FONTCONFIG_FILE: await fontsFile(folder, program.fonts) };
    const browser = await chromium.launch({
      executablePath: program.path,
      // Letters stand where the page means them to; else they are moved to whole pixels.
      args: ['--font-render-hinting=none'],
      chromiumSandbox: await hasSandbox(folder),
      env: { ...textOnly(inherited), ...fonts, HOME: folder, LD_LIBRARY_PATH: libraries.join(':'), TZ: 'UTC' },
    });
    return {
      browser,
      async [Symbol.asyncDispose]() {
        await browser.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Chromium keeps its pages in user namespaces of their own; root may not, and not every container has any. */
async function hasSandbox(cwd: string): Promise<boolean> {
  if (process.getuid?.() === 0) return false;
  const trial = await runProgram({ path: 'unshare', args: ['-U', 'true'], env: process.env, cwd }).catch(() => undefined);
  return trial?.code === 0;
}

/** Names the unpacked fonts to fontconfig, since the machine's own configuration does not (fonts-conf(5)). */
async function fontsFile(folder: string, fonts: string): Promise<string> {
  const file = join(folder, 'fonts.conf');
  const preferred = (family: string, name: string) =>
    `<alias binding="strong"><family>${family}</family><prefer><family>${name}</family></prefer></alias>`;
  await writeFile(
    file,
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${fonts}</dir><cachedir>${folder}/fonts</cachedir>${preferred('system-ui', 'Inter')}${preferred('sans-serif', 'Inter')}${preferred('monospace', 'DejaVu Sans Mono')}</fontconfig>`,
  );
  return file;
}

function textOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
