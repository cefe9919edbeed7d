import { type Instant, later } from '../../access/instant.ts';
import { Secret } from '../secret.ts';
import { type Learn, SecretError, type SecretSource } from '../secret-source.ts';
import { type AskVault, shownServer, type VaultAnswer, type VaultServer } from './ask.ts';
import type { VaultReference } from './reference.ts';

/** How the connector proves to Vault who it is. What is secret is asked for anew at each login. */
export type VaultLogin =
  | { readonly by: 'token'; readonly token: SecretSource }
  | { readonly by: 'approle'; readonly mount: string; readonly roleId: string; readonly secretId: SecretSource }
  | { readonly by: 'kubernetes'; readonly mount: string; readonly role: string; readonly jwt: SecretSource };

export interface VaultOptions {
  readonly server: VaultServer;
  readonly login: VaultLogin;
  readonly ask: AskVault;
  readonly now: () => Instant;
}

/** Where secrets are read from by reference. One for all of them, so that they share a login. */
export interface Vault {
  /** A source that reads the field anew each time. `fits` tells whether what was read can be such a secret at all. */
  secret(reference: VaultReference, fits: (text: string) => boolean): SecretSource;
}

/** A login's token, and when it is no longer relied upon; null: as long as Vault takes it. */
interface Held {
  readonly token: string;
  readonly until: Instant | null;
}

/** Part of its life after which a token is replaced by a new login, so that it never ends between two requests. */
const USED_FOR = 0.8;
/** What a header may hold; a token is of letters, digits, dots, dashes and underscores. */
const HEADER_TEXT = /^[\x21-\x7E]{1,8192}$/;
/** Longest secret taken, as of a file. */
const MAX_SECRET_LENGTH = 16_384;

/**
 * Reads from HashiCorp Vault's key/value engine, version 2. A token is not renewed: where one ends or is refused, the next login gets
 * another, which needs no timer and is the same after a revocation.
 */
export function openVault({ server, login, ask, now }: VaultOptions): Vault {
  const shown = shownServer(server);
  let held: Held | null = null;

  async function loggedIn(learn: Learn): Promise<Held> {
    if (login.by === 'token') {
      const token = revealed(await login.token(), learn);
      if (!HEADER_TEXT.test(token))
        throw new SecretError('unsuitable', `what is given as Vault's token is none; check ${PROOF.token}`);
      return { token, until: null };
    }
    const answer = await ask({ path: `auth/${login.mount}/login`, token: null, post: await proofOf(login, learn) });
    if (answer.status !== 200) throw refusedLogin(shown, login, answer.status);
    const auth = memberOf(answer.body, 'auth');
    const token = memberOf(auth, 'client_token');
    const lifeSeconds = memberOf(auth, 'lease_duration');
    if (typeof token !== 'string' || token === '')
      throw new SecretError('unavailable', `${shown} answered a login without a token: is it Vault?`);
    learn(new Secret(token));
    const isLimited = typeof lifeSeconds === 'number' && Number.isFinite(lifeSeconds) && lifeSeconds > 0;
    return { token, until: isLimited ? later(now(), Math.floor(Math.min(lifeSeconds, MAX_LIFE_S) * 1000 * USED_FOR)) : null };
  }

  async function read(path: string, learn: Learn): Promise<VaultAnswer> {
    const known = held !== null && login.by !== 'token' && (held.until === null || now() < held.until) ? held : null;
    const used = known ?? (await loggedIn(learn));
    held = used;
    const answer = await ask({ path, token: used.token, post: null });
    if (answer.status !== 403 || known === null) return answer;
    // Revoked, or ended early: that of a new login may be taken.
    held = await loggedIn(learn);
    return await ask({ path, token: held.token, post: null });
  }

  return {
    secret:
      ({ path, field }, fits) =>
      async (learn = () => undefined) => {
        const answer = await read(path, learn);
        if (answer.status !== 200) throw refusedRead({ shown, path, login }, answer);
        const text = fieldOf(answer.body, field, `${shown} has at ${path}`);
        if (!fits(text))
          throw new SecretError('unsuitable', `${shown} has in the field "${field}" of ${path} what cannot be such a secret`);
        return new Secret(text);
      },
  };
}

/** Ten years: beyond it a date means nothing. */
const MAX_LIFE_S = 315_360_000;

function revealed(secret: Secret, learn: Learn): string {
  learn(secret);
  return secret.reveal();
}

async function proofOf(login: Exclude<VaultLogin, { by: 'token' }>, learn: Learn): Promise<Readonly<Record<string, string>>> {
  if (login.by === 'kubernetes') return { role: login.role, jwt: revealed(await login.jwt(), learn) };
  return { role_id: login.roleId, secret_id: revealed(await login.secretId(), learn) };
}

/** The value of one field of `{ data: { data: { … }, metadata: { … } } }`. Throws with words that begin with `where`. */
function fieldOf(body: unknown, field: string, where: string): string {
  const data = memberOf(body, 'data');
  const fields = memberOf(data, 'data');
  if (typeof data !== 'object' || data === null)
    throw new SecretError('unsuitable', `${where} something that is no secret; is VAULT_ADDR the address of Vault?`);
  if (typeof fields !== 'object' || fields === null || typeof memberOf(data, 'metadata') !== 'object')
    throw new SecretError('unsuitable', `${where} no secret of the key/value engine in version 2; other engines cannot be read`);
  const value = memberOf(fields, field);
  if (value === undefined) throw new SecretError('missing', `${where} a secret without the field "${field}"`);
  if (typeof value !== 'string') throw new SecretError('unsuitable', `${where} a field "${field}" that is no text`);
  if (value === '') throw new SecretError('empty', `${where} a field "${field}" that is empty`);
  if (value.length > MAX_SECRET_LENGTH) throw new SecretError('too_large', `${where} a field "${field}" that is far too long`);
  return value;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

const PROOF: Readonly<Record<VaultLogin['by'], string>> = {
  token: 'VAULT_TOKEN_FILE, or VAULT_TOKEN',
  approle: 'VAULT_ROLE_ID, VAULT_SECRET_ID_FILE and VAULT_AUTH_MOUNT, and whether the secret id has expired or been used up',
  kubernetes:
    'VAULT_KUBERNETES_ROLE, VAULT_KUBERNETES_TOKEN_FILE and VAULT_AUTH_MOUNT, and the service accounts that the role is bound to',
};

function refusedLogin(shown: string, { by }: VaultLogin, status: number): SecretError {
  // Vault answers 400 to a wrong role or secret id, 403 to a service account that the role does not name, 404 to a mount that is none.
  if (status === 400 || status === 401 || status === 403 || status === 404)
    return new SecretError('denied', `${shown} refuses the login (${status}); check ${PROOF[by]}`);
  return unavailable(shown, status);
}

function refusedRead(
  { shown, path, login }: { readonly shown: string; readonly path: string; readonly login: VaultLogin },
  { status, body }: VaultAnswer,
): SecretError {
  if (status === 403) {
    // Vault says the same of a token that it does not know.
    const token = login.by === 'token' ? `that the token has not ended (${PROOF.token}), ` : '';
    return new SecretError(
      'denied',
      `${shown} does not let us read ${path} (403); check ${token}that a policy of it allows "read" there, and VAULT_NAMESPACE`,
    );
  }
  if (status === 404) {
    // A deleted version is answered with its metadata.
    const isDeleted = typeof memberOf(memberOf(body, 'data'), 'metadata') === 'object';
    const why = isDeleted
      ? 'the newest version there was deleted: undelete it, or write a new one'
      : 'check the path, and that its mount is a key/value engine of version 2';
    return new SecretError('missing', `${shown} has no secret at ${path} (404); ${why}`);
  }
  if (status === 400) return new SecretError('unsuitable', `${shown} does not understand the path ${path} (400)`);
  return unavailable(shown, status);
}

function unavailable(shown: string, status: number): SecretError {
  if (status >= 300 && status < 400)
    return new SecretError(
      'unavailable',
      `${shown} sends us elsewhere (${status}), where we do not go; put the active node, or what stands before all, into VAULT_ADDR`,
    );
  const why: Readonly<Record<number, string>> = {
    412: 'has not caught up with its active node yet',
    429: 'is asked too often',
    502: 'cannot ask what it stands before',
    503: 'is sealed, or down for maintenance: unseal it',
  };
  return new SecretError('unavailable', `${shown} ${why[status] ?? 'gave no answer that can be used'} (${status})`);
}
