import { type Dn, isBeneath, parentDn, parseDn, sameDn } from '../../src/access/dn.ts';
import { type AdEntries, candidates, guidBytes, matches, ranged, ridOf, selected, sidBytes } from './fake-ad-entries.ts';
import {
  type AdAttributes,
  type AdModify,
  type AdRequest,
  type AdResult,
  entryMessage,
  PAGED_RESULTS,
  pageControls,
  readPage,
  referenceMessage,
  resultMessage,
} from './fake-ad-messages.ts';
import { AD_RESULTS, bindRefused, referredTo } from './fake-ad-results.ts';
import type { FakeEntry } from './fake-tree.ts';

/** How the domain controller is set up, and what may change while it runs. */
export interface AdTraits {
  /** No answer has more entries (MaxPageSize). */
  maxPageSize: number;
  /** No entry is given with more values of `member` (MaxValRange). */
  maxValRange: number;
  /** Each page of a paged search comes after one that is empty. */
  givesEmptyPages: boolean;
  /** The other parts of the forest that are named in each search of the whole domain, unless it forbids that. */
  names: 'partitions' | 'child_domain' | 'nothing';
  /** Whether it is a DNS server too, and has the partitions with the zones. */
  hasDnsZones: boolean;
  hiddenMembers: 'undefined' | 'false';
  whoAmI: 'account' | 'not_supported';
  /** Whose security ids the root DSE says that a session has. */
  takesUsFor: 'account' | 'another';
  /** The sub-code of every bind's refusal; null: the right password is accepted. */
  refusesBinds: string | null;
  /** Where a read-only domain controller sends a writer to; null: it writes itself. */
  writableHost: string | null;
  /** Where the account may write `member`. */
  writable: Dn;
}

export interface AdAccount {
  readonly dn: Dn;
  readonly sAMAccountName: string;
  password: string;
}

export interface AdDomain extends AdEntries {
  readonly netbios: string;
  readonly account: AdAccount;
  readonly traits: AdTraits;
}

/** Who a connection is taken for. */
export interface AdConnection {
  isBound: boolean;
}

const WHO_AM_I = '1.3.6.1.4.1.4203.1.11.3';
/** LDAP_SERVER_DOMAIN_SCOPE_OID: no references are given. */
const DOMAIN_SCOPE = '1.2.840.113556.1.4.1339';
/** LDAP_SERVER_SD_FLAGS_OID: without it nobody but an administrator is shown any of an access list. */
const SD_FLAGS = '1.2.840.113556.1.4.801';
const SUCCESS: AdResult = { code: 0 };

/** All messages that answer a request; what it asks for is done by then. */
export function answer(domain: AdDomain, connection: AdConnection, request: AdRequest): readonly Buffer[] {
  switch (request.kind) {
    case 'bind':
      return [resultMessage(request, bind(domain, connection, request))];
    case 'extended':
      return [whoAmI(domain, connection, request)];
    case 'search':
      if (request.base === '' && request.scope === 'base') return found(domain, request, [['', rootDse(domain, connection)]]);
      return connection.isBound ? search(domain, request) : [resultMessage(request, AD_RESULTS.notBound)];
    case 'modify':
      return [resultMessage(request, connection.isBound ? modify(domain, request) : AD_RESULTS.notBound)];
    case 'unbind':
      return [];
    default:
      return request satisfies never;
  }
}

/** By distinguished name, user principal name, or the domain's short name and the account's. */
function bind(
  { account, domain, netbios, traits }: AdDomain,
  connection: AdConnection,
  { name, password }: { name: string; password: string },
): AdResult {
  connection.isBound = false;
  // RFC 4513 §5.1.2, as a domain controller does by default: a success, and nobody.
  if (password === '') return SUCCESS;
  const dn = parseDn(name);
  const others = [`${account.sAMAccountName}@${domain}`, `${netbios}\\${account.sAMAccountName}`];
  const isAccount = others.some((other) => other.toLowerCase() === name.toLowerCase()) || (dn.ok && sameDn(dn.value, account.dn));
  if (!isAccount || password !== account.password) return bindRefused('52e');
  if (traits.refusesBinds !== null) return bindRefused(traits.refusesBinds);
  connection.isBound = true;
  return SUCCESS;
}

function whoAmI({ account, netbios, traits }: AdDomain, { isBound }: AdConnection, request: AdRequest & { kind: 'extended' }) {
  if (request.name !== WHO_AM_I || traits.whoAmI === 'not_supported') return resultMessage(request, AD_RESULTS.unknownExtension);
  return resultMessage(request, SUCCESS, { value: isBound ? `u:${netbios}\\${account.sAMAccountName}` : '' });
}

function rootDse(ad: AdDomain, { isBound }: AdConnection): AdAttributes {
  const { baseDn, domain, tree, account, traits } = ad;
  const { configuration, schema } = partitionsOf(ad);
  const own = tree.at(account.dn);
  const rid = own === null || traits.takesUsFor === 'another' ? 999 : ridOf(own.id);
  return [
    // Of this very session: its account, and Domain Users.
    ['tokenGroups', isBound ? [sidBytes(rid), sidBytes(513)] : []],
    ['defaultNamingContext', [baseDn]],
    ['rootDomainNamingContext', [baseDn]],
    ['configurationNamingContext', [configuration]],
    ['schemaNamingContext', [schema]],
    ['namingContexts', [baseDn, ...heldPartitions(ad)]],
    ['subschemaSubentry', [`CN=Aggregate,${schema}`]],
    ['dnsHostName', [`dc1.${domain}`]],
    ['supportedLDAPVersion', ['3', '2']],
    ['supportedControl', [PAGED_RESULTS, DOMAIN_SCOPE, '1.2.840.113556.1.4.1413', SD_FLAGS]],
    ['supportedExtension', [WHO_AM_I, '1.3.6.1.4.1.1466.20037']],
    ['supportedCapabilities', ['1.2.840.113556.1.4.800', '1.2.840.113556.1.4.1670', '1.2.840.113556.1.4.1791']],
    ['isGlobalCatalogReady', ['TRUE']],
    ['domainFunctionality', ['7']],
  ];
}

type Search = AdRequest & { kind: 'search' };

function search(domain: AdDomain, request: Search): readonly Buffer[] {
  const name = nameOf(domain, request.base);
  if (name === null) return [resultMessage(request, AD_RESULTS.badName)];
  if (heldPartitions(domain).some((partition) => domain.tree.sameDn(name, partition as Dn))) return found(domain, request, []);
  const base = domain.tree.at(name);
  if (base === null) return [resultMessage(request, notThere(domain, name))];
  const entries = candidates(domain, { base, scope: request.scope })
    .filter((candidate) => matches(domain, candidate, request.filter) === true)
    .map(({ entry, attributes }) => [entry.dn, attributes] as const);
  return found(domain, request, entries);
}

/** The entries, references and result of a search, cut or in pages. */
function found(
  ad: AdDomain,
  request: Search,
  entries: readonly (readonly [dn: string, attributes: AdAttributes])[],
): readonly Buffer[] {
  const { id, attributes: asked, sizeLimit, controls } = request;
  const { traits } = ad;
  const references = request.scope === 'sub' && !controls.has(DOMAIN_SCOPE) ? otherParts(ad, request.base as Dn) : [];
  const shown = (some: typeof entries) => [
    ...some.map(([dn, readable]) => {
      const all = controls.has(SD_FLAGS) ? readable : readable.filter(([name]) => name !== 'nTSecurityDescriptor');
      const attributes = ranged(selected(all, asked), { asked, all, most: traits.maxValRange });
      return entryMessage(id, { dn, attributes });
    }),
    ...references.map((uri) => referenceMessage(id, uri)),
  ];
  const page = controls.get(PAGED_RESULTS);
  if (page === undefined) {
    const most = Math.min(sizeLimit === 0 ? Infinity : sizeLimit, traits.maxPageSize);
    const result = entries.length > most ? { code: 4 } : SUCCESS;
    return [...shown(entries.slice(0, most)), resultMessage(request, result)];
  }
  const { size, cookie } = readPage(page);
  const [, begun = '0', mark = ''] = /^(\d+)(e?)$/.exec(cookie) ?? [];
  const from = Number(begun);
  // Where each page comes after an empty one, the cookie says that this was given.
  if (traits.givesEmptyPages && mark === '') return [resultMessage(request, SUCCESS, { controls: pageControls(`${from}e`) })];
  const to = from + Math.min(size, traits.maxPageSize);
  const next = to < entries.length ? String(to) : '';
  return [...shown(entries.slice(from, to)), resultMessage(request, SUCCESS, { controls: pageControls(next) })];
}

function partitionsOf({ baseDn }: AdDomain) {
  const configuration = `CN=Configuration,${baseDn}`;
  return {
    configuration,
    schema: `CN=Schema,${configuration}`,
    zones: ['ForestDnsZones', 'DomainDnsZones'].map((name) => `DC=${name},${baseDn}`),
  };
}

/** What this domain controller has beside its domain; nothing is found in it. */
function heldPartitions(ad: AdDomain): readonly string[] {
  const { configuration, schema, zones } = partitionsOf(ad);
  return ad.traits.hasDnsZones ? [configuration, schema, ...zones] : [configuration, schema];
}

/** What lies beneath a base by its name, and is not searched with it. */
function otherParts(ad: AdDomain, base: Dn): readonly string[] {
  const { baseDn, domain, traits, tree } = ad;
  const { configuration, schema, zones } = partitionsOf(ad);
  if (traits.names === 'nothing') return [];
  if (tree.sameDn(base, configuration as Dn)) return [`ldap://${domain}/${schema}`];
  if (!tree.sameDn(base, baseDn)) return [];
  const all = [
    ...zones.map((zone) => `ldap://${zone.slice(3, zone.indexOf(','))}.${domain}/${zone}`),
    `ldap://${domain}/${configuration}`,
  ];
  return traits.names === 'child_domain' ? [...all, `ldap://emea.${domain}/DC=emea,${baseDn}`] : all;
}

function notThere({ tree, baseDn }: AdDomain, dn: Dn): AdResult {
  let above: Dn | undefined = parentDn(dn);
  while (above !== undefined && tree.at(above) === null) above = parentDn(above);
  const matchedDn = above === undefined || !isBeneath(above, baseDn) ? '' : above;
  return {
    code: 32,
    text: `0000208D: NameErr: DSID-03100245, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'${matchedDn}'\n`,
    matchedDn,
  };
}

/** A name, or that of the entry which `<GUID=…>` or `<SID=…>` means; null where it is no name. */
function nameOf({ tree }: AdDomain, text: string): Dn | null {
  const [, kind, key = ''] = /^<(GUID|SID)=([0-9a-f-]+)>$/i.exec(text.toLowerCase()) ?? [];
  if (kind === undefined) {
    const dn = parseDn(text);
    return dn.ok && text.trim() !== '' ? dn.value : null;
  }
  const isMeant = ({ id }: FakeEntry) =>
    kind === 'sid' ? sidBytes(ridOf(id)).toString('hex') === key : id === key || guidBytes(id).toString('hex') === key;
  return tree.visible().find(isMeant)?.dn ?? (text as Dn);
}

/** All of it or nothing, with the codes and texts of Active Directory. */
function modify(domain: AdDomain, { dn, changes }: AdModify): AdResult {
  const { tree, traits } = domain;
  const group = nameOf(domain, dn);
  if (group === null) return AD_RESULTS.badName;
  if (traits.writableHost !== null) return referredTo(traits.writableHost, dn);
  if (tree.at(group) === null) return notThere(domain, group);
  const [attribute, ...others] = new Set(changes.map((change) => change.attribute.toLowerCase()));
  const isRight = attribute === 'member' || attribute === 'memberuid';
  if (!isRight || others.length > 0 || !isBeneath(group, traits.writable)) return AD_RESULTS.noRight;
  const values = (operation: 'add' | 'delete') =>
    changes.filter((change) => change.operation === operation).flatMap((change) => change.values);
  const [add, remove] = [values('add'), values('delete')];
  if (attribute === 'memberuid') return uidResult(tree.apply({ group, attribute: 'memberUid', add, remove }));
  const names = [...add, ...remove].map((value) => nameOf(domain, value));
  if (names.includes(null)) return AD_RESULTS.badName;
  // The value is a link to the entry, and is shown with the entry's own name.
  const linked = names.flatMap((name) => (name === null ? [] : [tree.at(name)?.dn ?? name]));
  const change = { add: linked.slice(0, add.length), remove: linked.slice(add.length) };
  return memberResult(tree.apply({ group, attribute: 'member', ...change }));
}

function memberResult(code: number): AdResult {
  const results: Readonly<Record<number, AdResult>> = {
    0: SUCCESS,
    32: AD_RESULTS.unknownMember,
    53: AD_RESULTS.memberAbsent,
    68: AD_RESULTS.memberExists,
  };
  return results[code] ?? AD_RESULTS.noRight;
}

/** Of an attribute that is no link, the answers are those of the RFC. */
function uidResult(code: number): AdResult {
  const results: Readonly<Record<number, AdResult>> = { 0: SUCCESS, 16: AD_RESULTS.valueAbsent, 20: AD_RESULTS.valueExists };
  return results[code] ?? AD_RESULTS.noRight;
}
