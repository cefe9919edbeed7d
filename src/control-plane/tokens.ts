import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { readIfThere } from './state-file.ts';

/** The tokens of a file, kept as hashes. */
export interface Tokens {
  /** The SHA-256 (hex) of the bearer token of an `Authorization` header, or undefined where it is none of ours. */
  recognise(authorization: string | undefined): string | undefined;
}

/** RFC 6750 §2.1. */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;

/** Reads the tokens, one a line. A missing file is made (mode 0600) with one random token. Throws what the file system throws. */
export async function readTokens(file: string): Promise<Tokens & { readonly made: boolean }> {
  const found = await readIfThere(file);
  const text = found ?? (await makeTokenFile(file));
  const hashes = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map(sha256);
  if (hashes.length === 0) throw new Error(`${file} holds no token: expected one a line`);
  return {
    made: found === undefined,
    recognise(authorization) {
      const token = BEARER.exec(authorization ?? '')?.[1];
      if (token === undefined) return undefined;
      const given = sha256(token);
      return hashes.find((hash) => timingSafeEqual(hash, given))?.toString('hex');
    },
  };
}

async function makeTokenFile(file: string): Promise<string> {
  const text = `${randomBytes(32).toString('base64url')}\n`;
  const created = await open(file, 'wx', 0o600);
  try {
    await created.writeFile(text);
    await created.sync();
  } finally {
    await created.close();
  }
  return text;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
