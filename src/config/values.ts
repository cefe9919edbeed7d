import { type AccountName, parseAccountName } from '../access/account-name.ts';
import type { Parsed } from '../access/brand.ts';
import { type Dn, parseDn } from '../access/dn.ts';
import { UNIT_MS } from '../access/duration.ts';
import { parseFilter } from '../access/filter.ts';
import { parseEntryId } from '../access/ids.ts';
import { type KeyPin, parseKeyPin } from '../access/key-pin.ts';
import type { GroupRef } from '../access/reference.ts';
import { MAX_JOB_KEYS, parseJobKeys } from '../protocol/job-keys.ts';
import { NOT_NAMED_AT_START, readBoundedFile } from '../secrets/bounded-file.ts';
import { readCertificateFile } from '../secrets/certificate-file.ts';
import { parsePrivateKey } from '../secrets/client-certificate.ts';
import { readSecretFile } from '../secrets/file-secret.ts';
import { SecretError } from '../secrets/secret-source.ts';
import { isVaultReference, parseVaultReference } from '../secrets/vault/reference.ts';
import { parseSchedule, parseTimezone } from '../sync/schedule.ts';
import { type CertificateFile, type JobKeysFile, LOG_FORMATS, LOG_LEVELS } from './config.ts';
import { isHost } from './host.ts';

/** What a variable may hold, and how to say so. A problem adds what was wrong with the value that was found. */
export interface Value<T> {
  readonly read: (text: string) => Parsed<T>;
  readonly expected: string;
  /** As much of it as JSON Schema can say, without the blanks around a value, which reading forgives. */
  readonly shape?: TextShape;
}

/** Keywords of JSON Schema for a text. */
export interface TextShape {
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** Longest value of any variable, in characters; a list of a thousand DNs fits, a file given by mistake does not. */
const MAX_VALUE_LENGTH = 131_072;
const MAX_LIST_LENGTH = 1_000;

function value<T>(expected: string, parse: (text: string) => Parsed<T>): Value<T> {
  return {
    read: (text) => (text.length > MAX_VALUE_LENGTH ? { ok: false, problem: `${text.length} characters` } : parse(text)),
    expected,
  };
}

/** A value with what JSON Schema can say of it. */
export function shaped<T>(shape: TextShape, plain: Value<T>): Value<T> {
  return { ...plain, shape };
}

/** A text that fits a pattern once the blanks around it are gone. */
function fitting(pattern: RegExp, expected: string): Value<string> {
  const parse = (text: string): Parsed<string> => (pattern.test(text.trim()) ? { ok: true, value: text.trim() } : REFUSED);
  return shaped({ pattern: pattern.source }, value(expected, parse));
}

/** Where the expectation says everything. */
const REFUSED = { ok: false, problem: 'not as expected' } as const;

const DURATION = /^(\d{1,12})(ms|s|m|h|d)$/;

/** Reads a span such as `30s` or `8h`, in milliseconds; null where it is none. */
export function durationMs(text: string): number | null {
  const [, digits, unit = ''] = DURATION.exec(text.trim()) ?? [];
  const unitMs = UNIT_MS[unit];
  return digits === undefined || unitMs === undefined ? null : Number(digits) * unitMs;
}

/** A span such as `500ms`, `30s`, `15m`, `8h` or `7d`, in milliseconds, within both bounds (written alike). */
export function duration(least: string, most: string): Value<number> {
  const expected = `a duration such as 500ms, 30s, 15m, 8h or 7d, from ${least} to ${most}`;
  const parse = (text: string): Parsed<number> => {
    const ms = durationMs(text);
    if (ms === null) return REFUSED;
    const inBounds = ms >= (durationMs(least) ?? 1) && ms <= (durationMs(most) ?? Number.MAX_SAFE_INTEGER);
    return inBounds ? { ok: true, value: ms } : REFUSED;
  };
  return shaped({ pattern: DURATION.source }, value(expected, parse));
}

export const switchValue: Value<boolean> = shaped(
  { enum: ['true', 'false'] },
  value('true or false', (text) => {
    const word = text.trim();
    return word === 'true' || word === 'false' ? { ok: true, value: word === 'true' } : REFUSED;
  }),
);

export function oneOf<const T extends string>(words: readonly T[]): Value<T> {
  const parse = (text: string): Parsed<T> => {
    const word = words.find((candidate) => candidate === text.trim());
    return word === undefined ? REFUSED : { ok: true, value: word };
  };
  return shaped({ enum: words }, value(`one of ${words.join(', ')}`, parse));
}

export const logLevel = oneOf(LOG_LEVELS);

export const logFormat = oneOf(LOG_FORMATS);

/** A name of an entry, not the empty one. */
export const dn: Value<Dn> = value('a distinguished name (RFC 4514) such as ou=people,dc=example,dc=com', (text) => {
  const parsed = parseDn(text);
  return parsed.ok && parsed.value.trim() === '' ? { ok: false, problem: 'the empty name' } : parsed;
});

/** LDAP_BIND_DN: see {@link parseAccountName}. */
export const accountName: Value<AccountName> = value(
  'a distinguished name such as cn=latchkey,ou=system,dc=example,dc=com, or, on Active Directory, user@domain or DOMAIN\\user',
  (text) => parseAccountName(text.trim()),
);

export const dnOrNobody: Value<Dn> = value('a distinguished name (RFC 4514), or nothing for the empty one', (text) =>
  parseDn(text.trim() === '' ? '' : text),
);

export const dnList: Value<readonly Dn[]> = value('distinguished names (RFC 4514), separated by ";"', (text) =>
  list(text, parseDn),
);

/** Groups as configured: what reads as a stable id is one, what holds an unescaped `=` is a DN, anything else a name. */
export const groupList: Value<readonly GroupRef[]> = value(
  'distinguished names, names or ids of groups, separated by ";"',
  (text) =>
    list(text, (entry): Parsed<GroupRef> => {
      const id = parseEntryId(entry);
      if (id.ok) return { ok: true, value: { by: 'id', id: id.value } };
      if (!/^[^\\]*=/.test(entry)) return { ok: true, value: { by: 'name', name: entry.replace(/\\;/g, ';') } };
      const parsed = parseDn(entry);
      return parsed.ok ? { ok: true, value: { by: 'dn', dn: parsed.value } } : parsed;
    }),
);

/** Splits at each `;` that no backslash escapes. Empty entries are dropped: one read as the empty DN would mean everything. */
function list<T>(text: string, parse: (entry: string) => Parsed<T>): Parsed<readonly T[]> {
  const entries = (text.match(/(?:\\[\s\S]|[^;\\])+|\\$/g) ?? []).map((entry) => entry.trim()).filter((entry) => entry !== '');
  if (entries.length === 0) return { ok: false, problem: 'an empty list' };
  if (entries.length > MAX_LIST_LENGTH) return { ok: false, problem: `${entries.length} entries; at most ${MAX_LIST_LENGTH}` };
  const values: T[] = [];
  for (const entry of entries) {
    const parsed = parse(entry);
    if (!parsed.ok) return parsed;
    values.push(parsed.value);
  }
  return { ok: true, value: values };
}

export const filter = value('a search filter (RFC 4515) such as (employeeType=staff)', parseFilter);

export const attributeName = fitting(
  /^(?=.{1,256}$)(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$/,
  'the name or OID of an attribute, such as mail',
);

/** A DNS domain as the base DN that RFC 2247 makes of it. */
export const domain: Value<Dn> = value('a DNS domain such as corp.example.com', (text) => {
  const labels = text.trim().replace(/\.$/, '').split('.');
  const legible = labels.every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
  return legible ? parseDn(labels.map((label) => `dc=${label}`).join(',')) : REFUSED;
});

export const connectorId = fitting(/^[A-Za-z0-9._:-]{1,128}$/, '1 to 128 characters of A-Z a-z 0-9 . _ : -');

export const friendlyName: Value<string> = value('1 to 64 characters, none of them a control character', (text) => {
  const name = text.trim();
  const length = Array.from(name).length;
  return length >= 1 && length <= 64 && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(name) ? { ok: true, value: name } : REFUSED;
});

/** NO_PROXY: what reads it is lenient, as every program is. */
export const hosts: Value<string> = value('hosts, domains, addresses and ranges, separated by commas', (text) => ({
  ok: true,
  value: text,
}));

export const folder: Value<string> = shaped(
  { minLength: 1, maxLength: 4096 },
  value('the path of a folder', (text) =>
    text.trim() === '' || text.includes('\0') || text.length > 4096 ? REFUSED : { ok: true, value: text.trim() },
  ),
);

/** The path of a file; what is in it is read where its meaning is known. */
export const file: Value<string> = shaped(
  { minLength: 1, maxLength: 4096 },
  value('the path of a file', (text) =>
    text.trim() === '' || text.includes('\0') || text.length > 4096 ? REFUSED : { ok: true, value: text.trim() },
  ),
);

export const grantsPerMinute: Value<number> = shaped(
  { pattern: '^[0-9]{1,7}$' },
  value('a number of grants from 1 to 1000000', (text) => {
    const count = /^\d{1,7}$/.test(text.trim()) ? Number(text) : 0;
    return count >= 1 && count <= 1_000_000 ? { ok: true, value: count } : REFUSED;
  }),
);

const ADDRESS = /^(?:off|(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5}))$/;

/** `off` is null. */
export const listenAddress: Value<{ readonly host: string; readonly port: number } | null> = shaped(
  { pattern: ADDRESS.source },
  value('host:port such as 127.0.0.1:9464 or [::1]:9464, or off', (text) => {
    if (text.trim() === 'off') return { ok: true, value: null };
    const match = ADDRESS.exec(text.trim());
    const host = match?.[1] ?? match?.[2];
    const port = Number(match?.[3]);
    return host !== undefined && isHost(host) && port <= 65_535 ? { ok: true, value: { host, port } } : REFUSED;
  }),
);

/** `off` is null. */
export const schedule: Value<string | null> = shaped(
  { pattern: '^(?:off|hourly|daily|\\S+(?:\\s+\\S+){4,5})$' },
  value(
    'off, hourly, daily, or a cron expression such as "30 2 * * *" (minute hour day-of-month month day-of-week; with a sixth field before them, seconds)',
    parseSchedule,
  ),
);

export const timezone: Value<string> = value('the name of a time zone, such as UTC or Europe/Berlin', parseTimezone);

const SHARE = /^(\d{1,3})\s*%$/;

export const percentage: Value<number> = shaped(
  { pattern: SHARE.source },
  value('a share such as 30%, from 0% to 100%', (text) => {
    const [, digits] = SHARE.exec(text.trim()) ?? [];
    return digits !== undefined && Number(digits) <= 100 ? { ok: true, value: Number(digits) } : REFUSED;
  }),
);

const DIGITS = /^\d{1,5}$/;

/** A page is one message at a time, but its entries are asked for together: more than these make no read faster. */
export const pageSize: Value<number> = shaped(
  { pattern: DIGITS.source },
  value('a number of entries from 10 to 10000', (text) => {
    const count = DIGITS.test(text.trim()) ? Number(text) : 0;
    return count >= 10 && count <= 10_000 ? { ok: true, value: count } : REFUSED;
  }),
);

const TOKEN = /^[A-Za-z0-9._~+/=-]{1,4096}$/;

/** RFC 6750 §2.1 names the characters of a bearer token; the length is a bound against mistakes. */
export const bearerToken: Value<string> = shaped(
  { pattern: TOKEN.source },
  value('a bearer token: 1 to 4096 letters, digits and - . _ ~ + / =', (text) =>
    TOKEN.test(text) ? { ok: true, value: text } : REFUSED,
  ),
);

/** An empty one would be an unauthenticated bind that servers accept (RFC 4513 §5.1.2). */
export const password: Value<string> = shaped(
  { minLength: 1, maxLength: 4096 },
  value('a password that is not empty (RFC 4513 §5.1.2), at most 4096 characters', (text) =>
    text !== '' && text.length <= 4096 ? { ok: true, value: text } : REFUSED,
  ),
);

export const privateKey: Value<string> = value('a private key in PEM, without a passphrase', (text) =>
  parsePrivateKey(text) === null ? REFUSED : { ok: true, value: text },
);

/** How it is said where a secret is, in its place. */
const REFERENCES = 'credential:NAME, or vault:MOUNT/data/PATH#FIELD';

/** A secret of the given kind, or where Vault has it. What names a credential is replaced before anything is read. */
export function orReference(kind: Value<string>): Value<string> {
  const { pattern, ...shape } = kind.shape ?? {};
  const either = pattern === undefined ? shape : { ...shape, pattern: `^(?:credential|vault):.+$|${pattern}` };
  return shaped(
    either,
    value(`${kind.expected}; or ${REFERENCES}`, (text) => {
      if (!isVaultReference(text)) return kind.read(text).ok ? { ok: true, value: text } : REFUSED;
      const parsed = parseVaultReference(text);
      return parsed.ok ? { ok: true, value: text } : { ok: false, problem: `a reference to Vault (not shown) ${parsed.problem}` };
    }),
  );
}

/** What Vault takes in a header. */
export const vaultToken: Value<string> = value('letters, digits and punctuation without blanks, as Vault makes them', (text) =>
  /^[\x21-\x7E]{1,8192}$/.test(text) ? { ok: true, value: text } : REFUSED,
);
export const vaultName: Value<string> = fitting(
  /^[\x21-\x7E]{1,256}$/,
  'at most 256 letters, digits and punctuation, without blanks',
);
export const vaultMount: Value<string> = fitting(
  /^[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*$/,
  'the path of a mount, without "auth/" before it',
);

/** The path of a file that need not be there yet. */
export const filePath: Value<string> = shaped(
  { minLength: 1, maxLength: 4096 },
  value('the path of a file', (text) =>
    text.trim() === '' || text.includes('\0') || text.length > 4096 ? REFUSED : { ok: true, value: text.trim() },
  ),
);

/** The path of a file that holds a secret of the given kind now. The secret is not kept. */
export function secretFile(kind: Value<string>): Value<string> {
  return value(`the path of a readable file that holds ${kind.expected}`, (text) => {
    const path = text.trim();
    if (isVaultReference(path))
      return { ok: false, problem: 'a reference to Vault (not shown), which belongs into the variable without _FILE' };
    const where = looksLikePath(path) ? '' : 'a path (not shown: it may be the secret itself), which ';
    try {
      return kind.read(readSecretFile(path).reveal()).ok
        ? { ok: true, value: path }
        : { ok: false, problem: `${where}holds something else (not shown)` };
    } catch (error) {
      return { ok: false, problem: `${where}${error instanceof SecretError ? SECRET_FAULT[error.fault] : 'cannot be read'}` };
    }
  });
}

const SECRET_FAULT: Readonly<Record<SecretError['fault'], string>> = {
  missing: 'does not exist',
  unreadable: 'cannot be read as a file',
  forbidden: NOT_NAMED_AT_START,
  empty: 'is empty',
  too_large: 'is far too long',
  denied: 'cannot be read',
  unavailable: 'cannot be read',
  unsuitable: 'holds something else',
};

/** A secret itself is easily put where its path belongs; only what can hardly be one is shown. */
function looksLikePath(text: string): boolean {
  return text.length <= 200 && /^\.{0,2}\/[\w.-]+(?:\/[\w.-]+)*$/.test(text);
}

export const certificateFile: Value<CertificateFile> = value(
  'the path of a readable PEM file with at least one certificate',
  (text) => {
    const path = text.trim();
    const read = readCertificateFile(path);
    return read.ok ? { ok: true, value: { path, pem: read.value } } : read;
  },
);

const MAX_JOB_KEYS_FILE_BYTES = 65_536;

export const jobKeysFile: Value<JobKeysFile> = value(
  `the path of a JWKS file (RFC 7517) with 1 to ${MAX_JOB_KEYS} public keys, each with a kid of its own: Ed25519 (kty OKP) or P-256 (kty EC, for ES256)`,
  (text) => {
    const path = text.trim();
    const read = readBoundedFile(path, MAX_JOB_KEYS_FILE_BYTES);
    if (!read.ok) return read;
    const keys = parseJobKeys(read.value.toString('utf8'));
    return keys.ok ? { ok: true, value: { path, keys: keys.value } } : keys;
  },
);

const MAX_PINS = 16;

export const keyPins: Value<readonly KeyPin[]> = value(
  'the SHA-256 of a public key, as sha256/BASE64, BASE64 or hex; several, separated by spaces or ";", while a key changes',
  (text) => {
    const entries = text.split(/[\s;]+/).filter((entry) => entry !== '');
    if (entries.length === 0) return { ok: false, problem: 'no pin' };
    if (entries.length > MAX_PINS) return { ok: false, problem: `${entries.length} pins; at most ${MAX_PINS}` };
    const pins: KeyPin[] = [];
    for (const entry of entries) {
      const parsed = parseKeyPin(entry);
      if (!parsed.ok) return parsed;
      pins.push(parsed.value);
    }
    return { ok: true, value: [...new Set(pins)] };
  },
);
