import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

/** The console's files lie beside this one, here as in the compiled program. */
const FOLDER = join(import.meta.dirname, 'console');
const TYPES = { html: 'text/html; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' };
const SCRIPT = 'text/javascript; charset=utf-8';

/** Sent with every answer: nothing from elsewhere, nothing inline, no text that becomes markup, in nobody's frame. */
export const BROWSER_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; " +
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly text: string;
}

/**
 * The file that the page means by a path, or undefined where it has none. Scripts are TypeScript that is stripped of its types
 * as it is sent, until the compiler has made JavaScript of it.
 */
export async function readPageFile(path: string): Promise<PageFile | undefined> {
  const [, name = '', ending = ''] = /^\/console\/([a-z]+(?:-[a-z]+)*)\.(html|css|svg|js|ts)$/.exec(path) ?? [];
  if (name === '') return undefined;
  const isCompiled = import.meta.filename.endsWith('.js');
  try {
    if (ending === 'js' || ending === 'ts') {
      const text = await readFile(join(FOLDER, `${name}.${isCompiled ? 'js' : 'ts'}`), 'utf8');
      return { type: SCRIPT, text: isCompiled ? text : stripTypeScriptTypes(text) };
    }
    return { type: TYPES[ending as keyof typeof TYPES], text: await readFile(join(FOLDER, `${name}.${ending}`), 'utf8') };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
