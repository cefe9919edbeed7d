import { type Dn, parseDn } from '../../access/dn.ts';
import type { DirectoryView } from '../../access/event.ts';
import type { Filter } from '../../access/filter.ts';
import type { MemberAttribute } from '../../access/membership.ts';
import { DirectoryError } from '../directory.ts';
import { ANY_ENTRY, valuesOf } from './entry.ts';
import type { Flavour, RootDse } from './flavours/flavour.ts';
import { flavourOf } from './flavours/flavour-of.ts';
import type { FlavourName } from './flavours/names.ts';
import { readSchema, type Schema } from './schema.ts';
import type { Session } from './session.ts';

/** Where to look, as configured. */
export interface Scopes {
  /** Null: as the root DSE tells. */
  readonly flavour: FlavourName | null;
  /** Null: as the root DSE says. */
  readonly baseDn: Dn | null;
  /** Empty: the whole base. */
  readonly usersScope: readonly Dn[];
  readonly groupsScope: readonly Dn[];
  readonly userFilter: Filter | null;
  readonly groupFilter: Filter | null;
  readonly emailAttribute: string;
  /** Null: the flavour's. */
  readonly usernameAttribute: string | null;
  readonly groupNameAttribute: string | null;
  /** Null: by each group's object classes. */
  readonly memberAttribute: MemberAttribute | null;
}

/** Where to look, on this server. */
export interface Landscape extends Omit<Scopes, 'flavour'> {
  readonly flavour: Flavour;
  readonly baseDn: Dn;
  /** All that this server has itself (RFC 4512 §5.1). */
  readonly namingContexts: readonly Dn[];
  readonly usernameAttribute: string;
  readonly groupNameAttribute: string;
  /** Which server this is, where it says so: one name may stand for several. */
  readonly server: string | null;
  readonly vendor: string;
  readonly version: string | undefined;
  /** Read when it is first asked for. */
  readonly schema: () => Promise<Schema>;
}

/** Reads the root DSE (RFC 4512 §5.1). What may not be read, or is not there, is empty. */
export async function readRootDse(session: Session): Promise<RootDse> {
  const answer = await session.search({
    base: '',
    scope: 'base',
    filter: ANY_ENTRY,
    attributes: [
      'objectClass',
      'vendorName',
      'vendorVersion',
      'namingContexts',
      'defaultNamingContext',
      'supportedCapabilities',
      'subschemaSubentry',
      'dsServiceName',
      'netscapemdsuffix',
    ],
    sizeLimit: 1,
  });
  const [root] = answer.entries;
  const values = (attribute: string) => (root === undefined ? [] : valuesOf(root, attribute));
  return {
    objectClasses: values('objectClass'),
    vendorName: values('vendorName')[0],
    vendorVersion: values('vendorVersion')[0],
    namingContexts: values('namingContexts'),
    defaultNamingContext: values('defaultNamingContext')[0],
    supportedCapabilities: values('supportedCapabilities'),
    subschemaSubentry: values('subschemaSubentry')[0],
    serviceName: values('dsServiceName')[0] ?? values('netscapemdsuffix')[0],
  };
}

/** Settles flavour, base and scopes by the root DSE. Rejects where there is no one base. */
export async function learnLandscape(session: Session, scopes: Scopes): Promise<Landscape> {
  const root = await readRootDse(session);
  const flavour = flavourOf(root, scopes.flavour);
  const baseDn = scopes.baseDn ?? baseOf(root);
  let schema: Promise<Schema> | undefined;
  return {
    ...scopes,
    baseDn,
    namingContexts: root.namingContexts.flatMap((name) => {
      const dn = parseDn(name);
      return dn.ok ? [dn.value] : [];
    }),
    usersScope: scopes.usersScope.length === 0 ? [baseDn] : scopes.usersScope,
    groupsScope: scopes.groupsScope.length === 0 ? [baseDn] : scopes.groupsScope,
    flavour,
    usernameAttribute: scopes.usernameAttribute ?? flavour.usernameAttribute,
    groupNameAttribute: scopes.groupNameAttribute ?? flavour.groupNameAttribute,
    server: root.serviceName ?? null,
    vendor: root.vendorName ?? flavour.vendor,
    version: root.vendorVersion,
    schema: () => (schema ??= readSchema(session, root.subschemaSubentry)),
  };
}

function baseOf({ defaultNamingContext, namingContexts }: RootDse): Dn {
  const candidates = defaultNamingContext === undefined ? namingContexts : [defaultNamingContext];
  const [only, ...others] = candidates;
  const base = only === undefined ? undefined : parseDn(only);
  if (base?.ok && base.value !== '' && others.length === 0) return base.value;
  const found = candidates.length === 0 ? 'none' : candidates.map((name) => `"${name}"`).join(', ');
  throw new DirectoryError(
    'unavailable',
    `The directory must offer one naming context where LDAP_BASE_DN and LDAP_DOMAIN are not set; it offers ${found}.`,
  );
}

/** The landscape as the control plane is told of it. */
export function viewOf({ vendor, version, flavour, baseDn, usersScope, groupsScope }: Landscape): DirectoryView {
  return { vendor, ...(version === undefined ? {} : { version }), flavour: flavour.name, baseDn, usersScope, groupsScope };
}
