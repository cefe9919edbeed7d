import type { Parsed } from '../../access/brand.ts';

/** One field of one secret of Vault's key/value engine, version 2. */
export interface VaultReference {
  /** As the API has it: the engine's mount, `data`, and the secret's path. */
  readonly path: string;
  readonly field: string;
}

const PREFIX = 'vault:';
const MAX_LENGTH = 1024;

/** Of what a secret's variable holds: whether it is said where the secret is, and not what it is. */
export function isVaultReference(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Reads `vault:MOUNT/data/PATH#FIELD`. The problem shows nothing of the text, which may be a password after all. */
export function parseVaultReference(text: string): Parsed<VaultReference> {
  const [, path = '', field = ''] = /^vault:([^#?]+)#([^#]+)$/.exec(text) ?? [];
  if (text.length > MAX_LENGTH) return { ok: false, problem: 'far too long' };
  if (path === '' || field === '') return { ok: false, problem: 'without a path and, after one "#", a field' };
  const segments = path.split('/');
  if (
    /\p{Cc}/u.test(text) ||
    !text.isWellFormed() ||
    segments.some((segment) => segment === '' || segment === '.' || segment === '..')
  )
    return { ok: false, problem: 'with a path that is none' };
  if (segments[0] === 'v1') return { ok: false, problem: 'with "v1/" before the mount, where nothing stands' };
  const at = segments.indexOf('data');
  if (at < 1 || at === segments.length - 1) return { ok: false, problem: 'without "data/" between the mount and the path' };
  return { ok: true, value: { path, field } };
}
