import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Dn } from '../../../src/access/dn.ts';
import { DirectoryError } from '../../../src/directory/directory.ts';
import { startTls } from '../../../src/directory/ldap/dial.ts';
import { parseEndpoint } from '../../../src/directory/ldap/endpoint.ts';
import { ANY_ENTRY } from '../../../src/directory/ldap/entry.ts';
import { Session } from '../../../src/directory/ldap/session.ts';
import { fakeClock } from '../fake-clock.ts';
import { berElement, entryContents, envelopeOf, ldapMessage, octets, SUCCESS_CONTENTS } from '../ldap-messages.ts';
import { spoilt } from '../reader-fuzz.ts';
import { type Chance, chance } from './chance.ts';
import { plainEntries } from './plain-ldap.ts';
import type { FuzzTarget, Random } from './target.ts';

const READ_TIMEOUT_MS = 5_000;
/** Turns of the event loop within which whatever came has been read, and whoever waits has been told. */
const TURNS = 12;
const group = 'cn=vpn,dc=example,dc=test' as Dn;
const endpoint = parseEndpoint('ldap://127.0.0.1:389', false);

/** What may be asked, with the operation of its last answer (RFC 4511 §4), and what is made of that answer. */
const OPERATIONS = {
  search: { last: 0x65, codes: [0, 4] },
  modify: { last: 0x67, codes: null },
  compare: { last: 0x6f, codes: [5, 6] },
  bind: { last: 0x61, codes: null },
  whoAmI: { last: 0x78, codes: null },
  startTls: { last: 0x78, codes: [0] },
} as const;
type Operation = keyof typeof OPERATIONS;
const ALL = Object.keys(OPERATIONS) as [Operation, ...Operation[]];

/** What an operation came to: null where the connection was of no use. */
type Answer = { readonly code: number; readonly entries: readonly string[] } | null;

/** A server that answers one request with what nobody should; the operation ends, and believes only what was said. */
export function ldapSession(): FuzzTarget {
  return {
    async one(random) {
      const choice = chance(random);
      const operation = choice.pick(ALL);
      const server = hostileServer({ operation, choice, random });
      const clock = fakeClock();
      const ended: { answer?: Answer; failure?: unknown } = {};
      const watched = async () => {
        try {
          ended.answer = await ask(operation, { server, clock });
        } catch (error) {
          ended.failure = error;
        }
      };
      void watched();
      const isOver = () => 'answer' in ended || 'failure' in ended;
      await turns(isOver);
      const isLate = !isOver();
      // Whatever it waits for never comes; its time is up.
      if (isLate) server.timeOut(clock);
      await turns(isOver);
      server.socket.destroy();
      if ('failure' in ended) throw ended.failure;
      const { answer } = ended;
      if (answer === undefined) throw new Error(`${operation} never ended: ${server.said.toString('hex')}`);
      if (answer === null) return isLate ? 'timed out' : 'refused';
      assert.deepEqual(answer, plainAnswer(operation, server), server.said.toString('hex'));
      return operation;
    },
    outcomes: ['refused', 'timed out', ...ALL],
  };
}

async function turns(isEnough: () => boolean): Promise<void> {
  for (let turn = 0; turn < TURNS && !isEnough(); turn += 1) await new Promise((resolve) => void setImmediate(resolve));
}

interface HostileServer {
  readonly socket: Duplex;
  /** What it has said, and to which message. */
  readonly said: Buffer;
  readonly id: number;
  readonly expired: AbortController;
  timeOut(clock: { advance(ms: number): void }): void;
}

function hostileServer({ operation, choice, random }: { operation: Operation; choice: Chance; random: Random }): HostileServer {
  const state = { said: Buffer.alloc(0) as Buffer, id: 0 };
  const expired = new AbortController();
  const socket: Duplex = new Duplex({
    read() {
      // What it says is pushed.
    },
    write(message: Buffer, _encoding, done) {
      done();
      if (state.id !== 0) return;
      state.id = envelopeOf(message).id;
      const whole = likely({ id: state.id, operation, choice });
      state.said = choice.often(0.3) ? whole : spoilt(whole, random);
      if (choice.often(0.02)) state.said = Buffer.from(Array.from({ length: choice.below(100) }, () => choice.below(256)));
      say(socket, state.said, choice);
    },
  });
  socket.on('error', () => undefined);
  return {
    socket,
    expired,
    get said() {
      return state.said;
    },
    get id() {
      return state.id;
    },
    timeOut(clock) {
      clock.advance(READ_TIMEOUT_MS);
      expired.abort(new DirectoryError('unavailable', 'no answer'));
    },
  };
}

/** In one piece or in several; then silence, or the end. */
function say(socket: Duplex, bytes: Buffer, { often, below }: Chance): void {
  for (let at = 0; at < bytes.length; ) {
    const length = often(0.6) ? bytes.length : 1 + below(30);
    socket.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (often(0.2)) socket.push(null);
  else if (often(0.1)) setImmediate(() => socket.destroy(new Error('reset')));
}

/** What a server might answer, with any code, and messages beside it that nothing had asked for. */
function likely({ id, operation, choice }: { id: number; operation: Operation; choice: Chance }): Buffer {
  const { pick, often, below } = choice;
  const { last } = OPERATIONS[operation];
  const code = pick([0, 0, 0, 4, 5, 6, 10, 32, 49, 53, 80, 200]);
  const contents = Buffer.from(SUCCESS_CONTENTS);
  contents[2] = code;
  const referral = code === 10 || often(0.05) ? [berElement(0xa3, octets('ldap://elsewhere.test/'))] : [];
  const value = operation === 'whoAmI' && often(0.8) ? [berElement(0x8b, Buffer.from('dn:cn=latchkey'))] : [];
  const done = ldapMessage(id, last, Buffer.concat([contents, ...referral, ...value]));
  const entry = () =>
    ldapMessage(
      id,
      0x64,
      entryContents(`${pick(['cn=vpn', 'CN=Vpn', 'cn=x'])},dc=example,dc=test`, { cn: ['vpn', 'x'.repeat(below(300))] }),
    );
  const before = operation === 'search' || often(0.03) ? Array.from({ length: below(4) }, entry) : [];
  const reference = often(0.05) ? [ldapMessage(id, 0x73, octets('ldap://elsewhere.test/dc=x'))] : [];
  const notice = often(0.03) ? [ldapMessage(0, 0x78, Buffer.concat([Buffer.from('0a013404000400', 'hex')]))] : [];
  const behind = often(0.05) ? [pick([done, entry(), ldapMessage(id + 1, last, contents)])] : [];
  return Buffer.concat([...notice, ...before, ...reference, done, ...behind]);
}

/** Resolves with what it came to; rejects with anything that is no error of the port. */
async function ask(
  operation: Operation,
  { server, clock }: { server: HostileServer; clock: ReturnType<typeof fakeClock> },
): Promise<Answer> {
  const { socket, expired } = server;
  try {
    if (operation === 'startTls') {
      await startTls(endpoint, socket as Socket, expired.signal);
      return { code: 0, entries: [] };
    }
    return await spoken(operation, new Session(socket, { endpoint, clock, readTimeoutMs: READ_TIMEOUT_MS }));
  } catch (error) {
    if (error instanceof DirectoryError) return null;
    throw error;
  }
}

async function spoken(operation: Exclude<Operation, 'startTls'>, session: Session): Promise<Answer> {
  switch (operation) {
    case 'search': {
      const request = { base: group, scope: 'base', filter: ANY_ENTRY, attributes: ['cn'], sizeLimit: 2 } as const;
      const { entries, result } = await session.search(request);
      return { code: result.resultCode, entries: entries.map(({ dn }) => dn) };
    }
    case 'modify': {
      const { resultCode } = await session.modify({ dn: group, attribute: 'member', add: ['uid=ada,dc=example'], remove: [] });
      return { code: resultCode, entries: [] };
    }
    case 'compare':
      return { code: (await session.compare({ dn: group, attribute: 'cn', value: 'vpn' })) ? 6 : 5, entries: [] };
    case 'bind': {
      const { resultCode } = await session.bind({ name: 'cn=latchkey', password: 'password' });
      return { code: resultCode, entries: [] };
    }
    case 'whoAmI':
      // Null is the answer of a server that does not know the request.
      return (await session.whoAmI()) === null ? null : { code: 0, entries: [] };
    default:
      return operation satisfies never;
  }
}

/** What was said to it, by an independent reading. */
function plainAnswer(operation: Operation, { said, id }: HostileServer): Answer {
  const { last, codes } = OPERATIONS[operation];
  const answer = plainEntries(said, operation === 'startTls' ? 1 : id, last);
  assert.ok(codes === null || (codes as readonly number[]).includes(answer.code), String(answer.code));
  return answer;
}
