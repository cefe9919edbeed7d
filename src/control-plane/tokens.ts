import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { readIfThere } from './state-file.ts';

/** The tokens of a file, kept as hashes. */
export interface Tokens {
  /** The SHA-256 (hex) of the bearer token of an `Authorization` header, or undefined where it is none of ours. */
  recognise(authorization: string | undefined): string | undefined;
  /** What stands for the token in a browser's cookie, from start to start of the stub; it does not tell the token. */
  sessionOf(token: string): string | undefined;
  isSession(cookie: string): boolean;
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
  const hashOf = (token: string): Buffer | undefined => {
    const given = sha256(token);
    return hashes.find((hash) => timingSafeEqual(hash, given));
  };
  return {
    made: found === undefined,
    recognise(authorization) {
      const token = BEARER.exec(authorization ?? '')?.[1];
      return token === undefined ? undefined : hashOf(token)?.toString('hex');
    },
    sessionOf(token) {
      const hash = hashOf(token);
      return hash === undefined ? undefined : sessionFrom(hash).toString('base64url');
    },
    isSession(cookie) {
      const given = sha256(cookie);
      return hashes.some((hash) => timingSafeEqual(sha256(sessionFrom(hash).toString('base64url')), given));
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

function sessionFrom(hash: Buffer): Buffer {
  return createHmac('sha256', hash).update('a session of the console').digest();
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
