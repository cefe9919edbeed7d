import { connect } from 'node:net';
import type { AccountName } from '../../access/account-name.ts';
import type { Parsed } from '../../access/brand.ts';
import type { Dn } from '../../access/dn.ts';
import { bindGate } from './bind-refusal.ts';
import { accountOf } from './bind-session.ts';
import { trustOf } from './dial.ts';
import { parseEndpoints } from './endpoint.ts';
import type { WantedAccess } from './flavours/access-rules.ts';
import type { Flavour } from './flavours/flavour.ts';
import { flavourNamed } from './flavours/flavour-of.ts';
import { learnLandscape } from './landscape.ts';
import type { LdapDirectoryOptions } from './open-ldap-directory.ts';
import { sessionOpener } from './opener.ts';

/**
 * The least rights that the account needs for its scopes, as text for the server's administrator. The server is asked only
 * where flavour or base are not configured. Rejects with a `DirectoryError` where it cannot be.
 */
export async function accessRules(options: LdapDirectoryOptions, signal: AbortSignal): Promise<Parsed<string>> {
  const { flavour, wanted } = configured(options) ?? (await learnt(options, signal));
  return flavour.accessRules({ ...wanted, idAttribute: flavour.id.attribute });
}

interface Known {
  readonly flavour: Flavour;
  readonly wanted: Omit<WantedAccess, 'idAttribute'>;
}

function configured(options: LdapDirectoryOptions): Known | null {
  const { baseDn, usersScope, groupsScope, memberAttribute, bind } = options;
  if (options.flavour === null || baseDn === null) return null;
  const scope = (names: readonly Dn[]) => (names.length === 0 ? [baseDn] : names);
  const wanted = { account: bind.name, baseDn, usersScope: scope(usersScope), groupsScope: scope(groupsScope), memberAttribute };
  return { flavour: flavourNamed(options.flavour), wanted };
}

async function learnt(options: LdapDirectoryOptions, signal: AbortSignal): Promise<Known> {
  const { bind, bindRefusals, clock } = options;
  const opener = sessionOpener({
    ...options,
    endpoints: parseEndpoints(options.url, options.startTls),
    gate: bindGate({ refusals: bindRefusals, waitMs: 0, account: accountOf(bind), clock }),
    openSocket: options.openSocket ?? ((target) => connect(target)),
    ...trustOf(options),
  });
  const session = await opener.open(signal);
  try {
    const { flavour, baseDn, usersScope, groupsScope, memberAttribute } = await learnLandscape(session, options);
    const account = bind.name ?? ofEntry(session.account);
    return { flavour, wanted: { account, baseDn, usersScope, groupsScope, memberAttribute } };
  } finally {
    await session.close();
  }
}

/** Whom the client certificate stands for, where only the server knows. */
function ofEntry(dn: Dn | null): AccountName | null {
  return dn === null ? null : { form: 'dn', text: dn, dn };
}
