import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { suite, test } from 'node:test';
import { DirectoryError } from '../../../../src/directory/directory.ts';
import { parseEndpoint } from '../../../../src/directory/ldap/endpoint.ts';
import { ANY_ENTRY } from '../../../../src/directory/ldap/entry.ts';
import { type Line, openLine, type SearchReceiver } from '../../../../src/directory/ldap/reader/line.ts';
import { readPages } from '../../../../src/directory/ldap/reader/pages.ts';
import { Session } from '../../../../src/directory/ldap/session.ts';
import { writtenDone, writtenEntry } from '../../../support/decoded.ts';
import { pageControls, readPage, readRequest } from '../../../support/fake-ad-messages.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { envelopeOf, ldapMessage, REQUEST, SUCCESS_CONTENTS } from '../../../support/ldap-messages.ts';

const READ_TIMEOUT_MS = 5_000;
const never = new AbortController().signal;
const BASE = 'dc=example,dc=test';
const asked = { base: BASE, scope: 'sub', filter: ANY_ENTRY, attributes: [{ name: 'uid', as: 'text' }] } as const;
const once = { ...asked, sizeLimit: 0, controls: [] } as const;

type Request = Extract<ReturnType<typeof readRequest>, { kind: 'search' }>;

/** A line to a server that says these bytes to each search. */
function lineTo(answer: (request: Request) => readonly Buffer[]) {
  const requests: Request[] = [];
  const socket = new Duplex({
    read() {
      // What it says is pushed.
    },
    write(message: Buffer, _encoding, done) {
      // An abandoned search is answered by nothing.
      const request = envelopeOf(message).tag === REQUEST.search ? readRequest(message) : null;
      if (request?.kind === 'search') {
        requests.push(request);
        for (const bytes of answer(request)) socket.push(bytes);
      }
      done();
    },
  });
  const clock = fakeClock();
  const endpoint = parseEndpoint('ldap://127.0.0.1:389', false);
  const session = new Session(socket, { endpoint, clock, readTimeoutMs: READ_TIMEOUT_MS });
  const line = openLine(session, { clock, readTimeoutMs: READ_TIMEOUT_MS });
  return { line, session, clock, socket, requests };
}

function entryOf(id: number, dn: string): Buffer {
  return writtenEntry({ id, dn, attributes: [['uid', [Buffer.from(dn)]]], controls: [] });
}

async function namesIn(line: Line, receiver: Partial<SearchReceiver> = {}): Promise<readonly string[]> {
  const names: string[] = [];
  const result = await line.search(once, { ...receiver, entry: ({ dn }) => void names.push(dn) }, never);
  assert.equal(result.resultCode, 0);
  return names;
}

suite('a line to a directory', () => {
  test('tells the entries of one search after another, and gives the connection back', async () => {
    const { line, session } = lineTo(({ id }) => [entryOf(id, `cn=${id}`), writtenDone(id)]);
    assert.deepEqual(await namesIn(line), ['cn=1']);
    assert.deepEqual(await namesIn(line), ['cn=2']);
    assert.throws(() => session.lend(() => undefined), /in use/);
    line[Symbol.dispose]();
    session.lend(() => undefined).giveBack();
    assert.equal(session.isOver, false);
  });

  for (const [what, answer] of [
    ['an entry of another search', (id: number) => [entryOf(id + 1, 'cn=a'), writtenDone(id)]],
    ['a result of another search', (id: number) => [writtenDone(id + 1)]],
    ['the answer to another operation', (id: number) => [ldapMessage(id, 0x67, SUCCESS_CONTENTS)]],
    [
      'an intermediate response that was not asked for',
      (id: number) => [ldapMessage(id, 0x79, Buffer.from('80013181020400', 'hex'))],
    ],
    ['a notice of disconnection', () => [ldapMessage(0, 0x78, Buffer.from('0a013404000400', 'hex'))]],
  ] as const) {
    test(`${what} ends the session`, async () => {
      const { line, session } = lineTo(({ id }) => answer(id));
      await assert.rejects(namesIn(line), (error) => error instanceof DirectoryError && error.fault === 'unavailable');
      assert.ok(session.isOver);
    });
  }

  test('what comes behind the result ends the session, so that the proof at the end of a read fails', async () => {
    const { line, session } = lineTo(({ id }) => [Buffer.concat([writtenDone(id), entryOf(id, 'cn=late')])]);
    await namesIn(line).catch(() => undefined);
    assert.ok(session.isOver);
  });

  test('a full receiver is waited for, and silence meanwhile is nobody’s', async () => {
    const { line, session, clock } = lineTo(({ id }) => [entryOf(id, 'cn=a'), writtenDone(id)]);
    const full = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    let asks = 0;
    const room = () => {
      asks += 1;
      if (asks > 1) return null;
      began.resolve();
      return full.promise;
    };
    const names = namesIn(line, { room });
    await began.promise;
    clock.advance(10 * READ_TIMEOUT_MS);
    assert.equal(session.isOver, false);
    full.resolve();
    assert.deepEqual(await names, ['cn=a']);
  });

  test('a server that says nothing for the read timeout ends the search', async () => {
    const { line, session, clock } = lineTo(({ id }) => [entryOf(id, 'cn=a')]);
    const came = Promise.withResolvers<void>();
    const search = line.search(once, { entry: () => came.resolve() }, never);
    await came.promise;
    clock.advance(READ_TIMEOUT_MS - 1);
    assert.equal(session.isOver, false);
    clock.advance(1);
    await assert.rejects(search, (error) => error instanceof DirectoryError && error.fault === 'unavailable');
    assert.ok(session.isOver);
  });

  test('a search that is given up, or whose connection closes, rejects', async () => {
    const abort = new AbortController();
    const first = lineTo(() => []);
    const given = first.line.search(once, { entry: () => undefined }, abort.signal);
    abort.abort();
    await assert.rejects(given, DirectoryError);
    const second = lineTo(() => []);
    const closed = second.line.search(once, { entry: () => undefined }, never);
    second.socket.destroy();
    await assert.rejects(closed, DirectoryError);
  });
});

suite('reading in pages', () => {
  const paged = (cookies: readonly string[], dnsOf: (page: number) => readonly string[]) => {
    let page = 0;
    return ({ id }: Request) => {
      const dns = dnsOf(page);
      const cookie = cookies[page] ?? '';
      page += 1;
      return [...dns.map((dn) => entryOf(id, dn)), ldapMessage(id, 0x65, SUCCESS_CONTENTS, pageControls(cookie))];
    };
  };
  const read = async (line: Line, pageSize = 2) => {
    const names: string[] = [];
    await readPages(line, { ...asked, pageSize }, { entry: ({ dn }) => void names.push(dn) }, never);
    return names;
  };
  const size = (request: Request | undefined) =>
    readPage(request?.controls.get('1.2.840.113556.1.4.319') ?? Buffer.alloc(0)).size;

  test('goes on until the cookie is empty, over empty pages and cookies that stay the same', async () => {
    const { line } = lineTo(paged(['c', 'c', 'd'], (page) => [['a'], ['b'], [], ['c']][page]?.map((name) => `cn=${name}`) ?? []));
    assert.deepEqual(await read(line), ['cn=a', 'cn=b', 'cn=c']);
  });

  test('rejects where a search stands still, or does not say where it stands', async () => {
    await assert.rejects(read(lineTo(paged(['c', 'c'], () => [])).line), /the same place/);
    await assert.rejects(read(lineTo(paged(['c', 'c'], () => ['cn=a'])).line), /the same place/);
    await assert.rejects(read(lineTo(({ id }) => [writtenDone(id)]).line), /without saying where it stands/);
  });

  test('halves a page size that is refused before anything came, down to fifty', async () => {
    const refusing = ({ id }: Request) => [ldapMessage(id, 0x65, Buffer.from('0a010b04000400', 'hex'))];
    const { line, requests } = lineTo(refusing);
    await assert.rejects(read(line, 1_000), /LDAP_PAGE_SIZE/);
    assert.deepEqual(requests.map(size), [1_000, 500, 250, 125, 62, 50]);
    const late = lineTo((request) => (requests.length > 0 ? [entryOf(request.id, 'cn=a'), ...refusing(request)] : []));
    await assert.rejects(read(late.line, 1_000), /Nothing of this read is used/);
    assert.equal(late.requests.length, 1);
  });
});
