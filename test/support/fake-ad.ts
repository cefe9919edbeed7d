import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { type Dn, foldDn, parseDn } from '../../src/access/dn.ts';
import type { EntryId } from '../../src/access/ids.ts';
import { type Certificates, makeCertificates } from '../../src/sandbox/certificates.ts';
import { providePrograms } from '../../src/sandbox/programs.ts';
import { type AdConnection, type AdDomain, type AdTraits, answer } from './fake-ad-answers.ts';
import { type AdRequest, type AdResult, noticeOfDisconnection, readRequest, resultMessage } from './fake-ad-messages.ts';
import { PERSONALITIES } from './fake-servers.ts';
import { type FakeTree, fakeTree } from './fake-tree.ts';
import { dn } from './ldap-directory-under-test.ts';
import { eachMessage } from './ldap-messages.ts';

/** One request on its way to being answered. */
export interface Exchange {
  readonly request: AdRequest;
  /** Does what is asked for, and says what Active Directory would. */
  answer(): readonly Buffer[];
  send(messages: readonly Buffer[]): void;
  /** Says that it disconnects (RFC 4511 §4.4.1), and does. */
  disconnect(why: AdResult): void;
  /** Closes the connection without a word. */
  hangUp(): void;
}

/** What is done with a request instead of answering it. */
export type Script = (exchange: Exchange) => void;

export interface FakeAd extends AsyncDisposable {
  readonly ldapsUrl: string;
  readonly caFile: string;
  readonly baseDn: Dn;
  readonly usersScope: Dn;
  readonly groupsScope: Dn;
  readonly elsewhere: Dn;
  readonly connectorDn: Dn;
  readonly connectorPassword: string;
  /** The account's other names. */
  readonly principalName: string;
  readonly downLevelName: string;
  readonly tree: FakeTree;
  readonly traits: AdTraits;
  /** Every request so far, of every connection. */
  readonly requests: readonly AdRequest[];
  setPassword(password: string): void;
  /** Attributes of an entry beside or instead of the usual ones. */
  show(id: EntryId, attributes: Readonly<Record<string, readonly (string | Buffer)[]>>): void;
  /** The account sees nothing at and beneath the name. */
  hide(name: Dn): void;
  /** The account must neither read nor search the members of that group. */
  hideMembers(group: Dn): void;
  showAll(): void;
  /** What is done with the next request of a kind. Resolves when it comes. */
  next(kind: AdRequest['kind'], script: Script): Promise<AdRequest>;
  /** What is done with every request of a kind, until {@link FakeAd.mend}. */
  every(kind: AdRequest['kind'], script: Script): void;
  /** Forgets all scripts, and is as it was at the start; the entries stay. */
  mend(): void;
  /** Takes every open connection for nobody. */
  forgetBinds(): void;
  disconnectAll(why: AdResult): void;
  hangUpAll(): void;
  close(): Promise<void>;
}

/** A script that gives this result, and does nothing. */
export function refusing(result: AdResult): Script {
  return ({ request, send }) => send([resultMessage(request, result)]);
}

const FIRST_PASSWORD = 'S3cret-of-the-account';
const ORDINARY: Omit<AdTraits, 'writable'> = {
  maxPageSize: 1_000,
  maxValRange: 1_500,
  givesEmptyPages: false,
  names: 'partitions',
  hasDnsZones: true,
  hiddenMembers: 'undefined',
  whoAmI: 'account',
  takesUsFor: 'account',
  refusesBinds: null,
  writableHost: null,
};

/**
 * A domain controller in the memory of this process, behind a real TLS socket with a certificate that is thrown away: for
 * what Samba does not do, and for answers at the moment that a test chooses. The entries are the fake directory's.
 */
export async function startFakeAd(): Promise<FakeAd> {
  const domain = smallDomain();
  const { tree, baseDn, account, traits, more, netbios, membersHidden } = domain;
  const scripts = scriptBook();
  const requests: AdRequest[] = [];
  const controller = await listen((exchange, connection) => {
    const { request } = exchange;
    requests.push(request);
    scripts.taken(request)({ ...exchange, answer: () => answer(domain, connection, request) });
  });
  const ordinary = { ...traits };
  const showAll = () => {
    tree.showAll();
    membersHidden.clear();
  };
  return {
    ...controller,
    baseDn,
    usersScope: dn(`OU=people,${baseDn}`),
    groupsScope: dn(`OU=groups,${baseDn}`),
    elsewhere: dn(`OU=elsewhere,${baseDn}`),
    connectorDn: account.dn,
    get connectorPassword() {
      return account.password;
    },
    principalName: `${account.sAMAccountName}@${domain.domain}`,
    downLevelName: `${netbios}\\${account.sAMAccountName}`,
    tree,
    traits,
    requests,
    setPassword(password) {
      account.password = password;
    },
    show: (id, attributes) => void more.set(id, attributes),
    hide: (name) => tree.hide(name),
    hideMembers: (group) => void membersHidden.add(group),
    showAll,
    next: scripts.next,
    every: scripts.every,
    mend() {
      scripts.forget();
      Object.assign(traits, ordinary);
      account.password = FIRST_PASSWORD;
      showAll();
    },
    [Symbol.asyncDispose]: controller.close,
  };
}

function smallDomain() {
  const baseDn = dn('DC=corp,DC=example,DC=test');
  const tree = fakeTree(PERSONALITIES.samba);
  const units = ['services', 'people', 'groups', 'elsewhere'].map((ou) => dn(`OU=${ou},${baseDn}`));
  for (const name of [baseDn, ...units]) tree.add({ kind: 'container', dn: name });
  const account = { dn: dn(`CN=Latchkey,OU=services,${baseDn}`), sAMAccountName: 'latchkey', password: FIRST_PASSWORD };
  tree.add({ kind: 'user', dn: account.dn, uids: [account.sAMAccountName] });
  const more = new Map<EntryId, Readonly<Record<string, readonly (string | Buffer)[]>>>();
  const traits: AdTraits = { ...ORDINARY, writable: baseDn };
  const names = { baseDn, domain: 'corp.example.test', netbios: 'CORP', fold: spellings() };
  return { ...names, tree, more, account, traits, membersHidden: new Set<Dn>() } satisfies AdDomain;
}

/** Names are read once: a search asks about the same ones thousands of times. */
function spellings(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const met = known.get(text);
    if (met !== undefined) return met;
    const name = parseDn(text);
    const folded = name.ok ? foldDn(name.value) : text;
    known.set(text, folded);
    return folded;
  };
}

type Controller = Pick<FakeAd, 'ldapsUrl' | 'caFile' | 'forgetBinds' | 'disconnectAll' | 'hangUpAll' | 'close'>;

/** Listens on a free port of 127.0.0.1, and hands on whole requests, each with what the connection is taken for. */
async function listen(take: (exchange: Omit<Exchange, 'answer'>, connection: AdConnection) => void): Promise<Controller> {
  const { certificates, remove } = await throwAwayCertificates();
  const [cert, key] = await Promise.all([readFile(certificates.certificateFile), readFile(certificates.keyFile)]);
  const open = new Map<TLSSocket, AdConnection>();
  const listener = createServer({ cert, key }, (socket) => {
    const connection: AdConnection = { isBound: false };
    open.set(socket, connection);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
    const read = (message: Buffer) => {
      const request = readRequest(message);
      if (request.kind === 'unbind') {
        socket.end();
        return;
      }
      const exchange: Omit<Exchange, 'answer'> = {
        request,
        send: (messages) => void socket.write(Buffer.concat(messages)),
        disconnect: (why) => void socket.end(noticeOfDisconnection(why)),
        hangUp: () => void socket.destroy(),
      };
      take(exchange, connection);
    };
    socket.on('data', eachMessage(read));
  });
  // A client that does not trust the certificate ends the handshake.
  listener.on('tlsClientError', () => undefined);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the fake has no port');
  return {
    ldapsUrl: `ldaps://127.0.0.1:${address.port}`,
    caFile: certificates.caFile,
    forgetBinds() {
      for (const connection of open.values()) connection.isBound = false;
    },
    disconnectAll(why) {
      for (const socket of open.keys()) socket.end(noticeOfDisconnection(why));
    },
    hangUpAll() {
      for (const socket of open.keys()) socket.destroy();
    },
    async close() {
      if (!listener.listening) return;
      for (const socket of open.keys()) socket.destroy();
      listener.close();
      await once(listener, 'close');
      await remove();
    },
  };
}

interface ScriptBook extends Pick<FakeAd, 'next' | 'every'> {
  /** What is to be done with this request. */
  taken(request: AdRequest): Script;
  forget(): void;
}

function scriptBook(): ScriptBook {
  const single: { kind: AdRequest['kind']; script: Script; came: (request: AdRequest) => void }[] = [];
  const lasting = new Map<AdRequest['kind'], Script>();
  return {
    next(kind, script) {
      const { promise, resolve } = Promise.withResolvers<AdRequest>();
      single.push({ kind, script, came: resolve });
      return promise;
    },
    every: (kind, script) => void lasting.set(kind, script),
    taken(request) {
      const at = single.findIndex(({ kind }) => kind === request.kind);
      const [first] = at < 0 ? [] : single.splice(at, 1);
      first?.came(request);
      return first?.script ?? lasting.get(request.kind) ?? ((exchange) => exchange.send(exchange.answer()));
    },
    forget() {
      single.length = 0;
      lasting.clear();
    },
  };
}

async function throwAwayCertificates(): Promise<{ certificates: Certificates; remove: () => Promise<void> }> {
  const program = await providePrograms({
    wanted: [{ name: 'openssl', debianPackage: 'openssl' }],
    hints: {
      macos: 'install OpenSSL with "brew install openssl"',
      debian: 'the package could not be downloaded, so install it with "apt-get install openssl"',
      fedora: 'install it with "dnf install openssl"',
      alpine: 'install it with "apk add openssl"',
      other: 'install OpenSSL',
    },
    env: process.env,
  });
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-fake-ad-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    return { certificates: await makeCertificates({ openssl: program('openssl'), folder, env: process.env }), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
