import { readFileSync } from 'node:fs';

/** The version of this program, from the package.json above both src/ and dist/. */
export const VERSION = readVersion();

function readVersion(): string {
  const text: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof text === 'object' && text !== null && 'version' in text && typeof text.version === 'string'
    ? text.version
    : 'unknown';
}
