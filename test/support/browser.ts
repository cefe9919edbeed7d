import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { chromiumProgram } from '../../src/sandbox/chromium-programs.ts';
import { runProgram } from '../../src/sandbox/run-program.ts';
import { bareEnvironment } from './child.ts';

/** How long anything on a page is waited for; nothing waits for time. */
const PATIENCE_MS = 30_000;

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
  const preferences = [
    preferred('system-ui', 'Inter'),
    preferred('sans-serif', 'Inter'),
    preferred('monospace', 'DejaVu Sans Mono'),
  ];
  const folders = `<dir>${fonts}</dir><cachedir>${folder}/fonts</cachedir>`;
  const head = '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">';
  await writeFile(file, `${head}<fontconfig>${folders}${preferences.join('')}</fontconfig>`);
  return file;
}

function textOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** A page of a context of its own, and what went wrong on it: errors of scripts, and what the policy of its contents refused. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 960 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('dialog', (dialog) => {
    problems.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  // Of requests that fail it would speak too, and a stub that is away is no fault of the page.
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) problems.push(message.text());
  });
  return { page, problems, [Symbol.asyncDispose]: () => context.close() };
}

/**
 * The texts that are seen on the page and do not stand out from what is behind them: less than 4.5 to 1, or 3 to 1 where they are
 * large (WCAG 2.2, 1.4.3).
 */
export async function faintTexts(page: Page): Promise<readonly string[]> {
  return await page.evaluate(FAINT_TEXTS);
}

/** Text, since the types of a browser are not known here. */
const FAINT_TEXTS = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).map((value) => value / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((channels(color)[3] ?? 1) === 1) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  while (texts.nextNode()) {
    const { parentElement: element, textContent } = texts.currentNode;
    if (textContent.trim() === '' || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [front, back] = [light(style.color), light(behind(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if (ratio < needed) faint.push(textContent.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
  }
  return faint;
})()`;
