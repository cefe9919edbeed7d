import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { eachMessage, envelopeOf, isLastAnswer, REQUEST } from './ldap-messages.ts';
import {
  type Armed,
  arm,
  type Connection,
  type Fault,
  isHeldBack,
  lineOf,
  type Pass,
  type Place,
  type Strike,
  type Struck,
  spoil,
} from './ldap-strikes.ts';

/**
 * What becomes of the next modify: `lose-answer` lets it reach the server and drops what the server says; `cut` ends the
 * connection before it reaches the server; `hold` keeps it from the server and leaves the connection open.
 */
export type ModifyFate = 'lose-answer' | 'cut' | 'hold';

const STRIKE_OF: Readonly<Record<ModifyFate, { at: 'request' | 'answer'; fault: Fault }>> = {
  'lose-answer': { at: 'answer', fault: 'reset' },
  cut: { at: 'request', fault: 'reset' },
  hold: { at: 'request', fault: 'drop' },
};

/** An `ldaps` address before a directory: it ends TLS with the server's own certificate, and so sees whole LDAP messages. */
export interface LdapProxy extends AsyncDisposable {
  readonly url: string;
  /** How many bind requests came, those that were refused by the server included. */
  binds(): number;
  modifies(): number;
  /** How many connections were accepted so far, and how many of them were open at the same time at most. */
  accepted(): number;
  mostOpen(): number;
  /** Spoils what comes first at that place. Several wait side by side, and each meets one thing. */
  strike(strike: Strike): Struck;
  /** Forgets the strikes that have met nothing. */
  calm(): void;
  /** Resets every open connection. */
  cut(): void;
  /** `strike` at the next modify. */
  spoil(fate: ModifyFate): void;
  /** Resolves when the fate has met a modify (for `lose-answer`: when the server's answer has been dropped). */
  readonly spoilt: () => Promise<void>;
}

/** What to send a client that asked for nothing: a result for a request that never was. */
const UNASKED = Buffer.from('300c02017f65070a010004000400', 'hex');

/** Starts a proxy on a free port of 127.0.0.1. `onRequest` is told each message of a client, before the server is. */
export async function startLdapProxy(
  ldap: Pick<ThrowAwayDirectory, 'dir' | 'ldapsUrl'>,
  onRequest: (message: Buffer) => void = () => undefined,
): Promise<LdapProxy> {
  const [ca = '', cert = '', key = ''] = await Promise.all(
    ['ca.pem', 'server.pem', 'server.key'].map((name) => readFile(join(ldap.dir, name), 'utf8')),
  );
  const secureContext = createSecureContext({ cert, key });
  const target = { host: '127.0.0.1', port: Number(new URL(ldap.ldapsUrl).port) };
  const open = new Set<Connection>();
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  const seen = { binds: 0, modifies: 0, accepted: 0, mostOpen: 0 };
  let waiting: readonly Armed[] = [];
  let spoilt: Struck | null = null;

  function kept<S extends Socket>(socket: S): S {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    return socket;
  }

  function afterwards(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, delayMs);
    timers.add(timer);
  }

  function take(satisfies: (place: Place) => boolean): Armed | null {
    const found = waiting.find(({ strike }) => satisfies(strike.place)) ?? null;
    waiting = waiting.filter((one) => one !== found);
    return found;
  }

  function accept(raw: Socket): void {
    const connection: Connection = { raw: kept(raw), isDead: false, late: 0, askedAtMs: null };
    open.add(connection);
    // Each strike that meets it waits for its end.
    raw.setMaxListeners(0);
    seen.accepted += 1;
    seen.mostOpen = Math.max(seen.mostOpen, open.size);
    raw.once('close', () => open.delete(connection));
    const strike = take(({ at }) => at === 'connect');
    if (strike === null) return begin(connection);
    // Read all the same, since only so is it seen that the client gives up.
    const early: Buffer[] = [];
    const keep = (chunk: Buffer): void => void early.push(chunk);
    raw.on('data', keep).on('end', () => raw.destroy());
    const pass: Pass = () => {
      raw.off('data', keep).pause();
      raw.unshift(Buffer.concat(early));
      begin(connection);
    };
    spoil(connection, strike, { whole: Buffer.alloc(0), line: lineOf(pass, afterwards), afterwards });
  }

  function begin(connection: Connection): void {
    if (connection.raw.destroyed) return;
    const strike = take(({ at }) => at === 'tls');
    if (strike === null) terminate(connection);
    else tunnel(connection, strike);
  }

  /** Lets the client and the server do TLS with one another, and spoils the first that the server says. */
  function tunnel(connection: Connection, strike: Armed): void {
    const { raw } = connection;
    const server = kept(connectTcp(target));
    const toClient = lineOf((bytes, done) => void raw.write(bytes, done), afterwards);
    let isFirst = true;
    raw.on('data', (chunk: Buffer) => void (connection.isDead || server.write(chunk)));
    raw.on('end', () => raw.destroy()).on('close', () => server.destroy());
    server.on('close', () => void (connection.isDead || raw.destroy()));
    server.on('data', (chunk: Buffer) => {
      if (isFirst) spoil(connection, strike, { whole: chunk, line: toClient, afterwards });
      else if (!connection.isDead) toClient.pass(chunk);
      isFirst = false;
    });
  }

  /** Ends TLS, and looks at every message. */
  function terminate(connection: Connection): void {
    const { raw } = connection;
    const client = kept(new TLSSocket(raw, { isServer: true, secureContext }));
    const server = kept(connect({ ...target, ca, servername: 'localhost' }));
    const toClient = lineOf((bytes, done) => void client.write(bytes, done), afterwards);
    const toServer = lineOf((bytes, done) => void server.write(bytes, done), afterwards);
    const asked = new Map<number, Armed | null>();
    const held = new Map<number, Armed>();
    let isBound = false;

    const closed = (): void => {
      client.destroy();
      raw.destroy();
      if (connection.late === 0) server.destroy();
    };
    raw.on('close', closed);
    client.on('end', closed).on('close', closed);
    server.on('close', () => {
      for (const strike of held.values()) strike.arrive();
      if (!connection.isDead) closed();
    });

    const request = (message: Buffer): void => {
      connection.askedAtMs ??= performance.now();
      if (connection.isDead) return;
      onRequest(message);
      const { id, tag } = envelopeOf(message);
      if (tag === REQUEST.bind) seen.binds += 1;
      if (tag === REQUEST.modify) seen.modifies += 1;
      asked.set(
        id,
        take((place) => place.at === 'answer' && place.of(message)),
      );
      const strike = take((place) => place.at === 'request' && place.of(message));
      if (strike === null) return toServer.pass(message);
      if (isHeldBack(strike.strike)) held.set(id, strike);
      spoil(connection, strike, { whole: message, line: toServer, afterwards });
    };

    const answer = (message: Buffer): void => {
      const { id, tag } = envelopeOf(message);
      const strike = asked.get(id) ?? null;
      if (isLastAnswer(tag)) asked.delete(id);
      else asked.set(id, null);
      const late = held.get(id);
      if (late !== undefined && isLastAnswer(tag)) {
        held.delete(id);
        late.arrive();
        connection.late -= 1;
        if (raw.destroyed && connection.late === 0) server.destroy();
      }
      if (connection.isDead) return strike?.hit(connection);
      if (strike === null) toClient.pass(message);
      else spoil(connection, strike, { whole: message, line: toClient, afterwards });
      isBound ||= tag === 0x78;
      rest();
    };

    /** Where nothing is asked, an idle connection can be struck. */
    const rest = (): void => {
      if (!isBound || connection.isDead || asked.size > 0) return;
      const strike = take(({ at }) => at === 'idle');
      if (strike === null) return;
      connection.askedAtMs = null;
      spoil(connection, strike, { whole: UNASKED, line: toClient, afterwards });
    };
    resting.set(connection, rest);
    raw.once('close', () => {
      resting.delete(connection);
      // Their answers are lost with the connection, by whatever it ended.
      for (const strike of asked.values()) strike?.hit(connection);
    });
    client.on('data', eachMessage(request));
    server.on('data', eachMessage(answer));
  }

  const resting = new Map<Connection, () => void>();
  const address = await listen(createListener(accept), 0);
  // Replaced where nobody listened for a while.
  let listener = address.listener;

  async function listenAgain(): Promise<void> {
    listener = (await listen(createListener(accept), address.port)).listener;
  }

  function refuse(delayMs: number): Struck {
    const back = Promise.withResolvers<void>();
    listener.close();
    cut();
    afterwards(delayMs, () => {
      back.resolve(listenAgain());
    });
    return { met: Promise.resolve(), heldMs: back.promise.then(() => 0), arrived: back.promise };
  }

  function cut(): void {
    for (const { raw } of open) raw.resetAndDestroy();
  }

  function armStrike(one: Strike): Struck {
    if (one.fault === 'refuse') return refuse(one.delayMs ?? 0);
    const armed = arm(one);
    waiting = [...waiting, armed];
    if (one.place.at === 'idle') for (const rest of resting.values()) rest();
    return armed;
  }

  return {
    url: `ldaps://127.0.0.1:${address.port}`,
    binds: () => seen.binds,
    modifies: () => seen.modifies,
    accepted: () => seen.accepted,
    mostOpen: () => seen.mostOpen,
    strike: armStrike,
    calm() {
      waiting = [];
    },
    cut,
    spoil(fate) {
      const { at, fault } = STRIKE_OF[fate];
      spoilt = armStrike({ place: { at, of: (request) => envelopeOf(request).tag === REQUEST.modify }, fault });
    },
    spoilt: async () => spoilt?.met,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      if (!listener.listening) return;
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** Half-open, since it is for the faults to say who closes what. */
function createListener(accept: (raw: Socket) => void): Server {
  return createServer({ allowHalfOpen: true }, accept);
}

async function listen(listener: Server, port: number): Promise<{ listener: Server; port: number }> {
  listener.listen(port, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return { listener, port: address.port };
}
