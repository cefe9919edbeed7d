import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { DirectoryError } from '../../src/directory/directory.ts';
import { createLogger } from '../../src/observability/pino-logger.ts';
import { createScrubber } from '../../src/observability/scrubber.ts';
import { Secret } from '../../src/secrets/secret.ts';

const ALPHABET = Array.from('abcdefghjkmnpqrstuvwxyz23456789');

function recorded(options: Omit<Parameters<typeof createLogger>[0], 'destination' | 'level'> = {}) {
  const lines: string[] = [];
  const logger = createLogger({ level: 'trace', destination: { write: (line) => lines.push(line) }, ...options });
  const last = (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? '');
  return { logger, lines, last };
}

test('a line is one JSON object with level, time, service, base, event and message', () => {
  const { logger, lines, last } = recorded({ base: { version: '1.2.3', connectorId: 'c1', instanceId: 'i1' } });
  logger.warn({ event: 'link.lost', attempt: 3 }, 'the link was lost');
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^[^\n]*\n$/);
  const { time, ...rest } = last();
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, {
    level: 'warn',
    service: 'latchkey',
    version: '1.2.3',
    connectorId: 'c1',
    instanceId: 'i1',
    event: 'link.lost',
    attempt: 3,
    msg: 'the link was lost',
  });
});

test('every level writes under its own name, and a level below the threshold writes nothing', () => {
  const { logger, lines, last } = recorded();
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) {
    logger[level]({ event: 'x' }, 'x');
    assert.equal(last()['level'], level);
  }
  const quiet: string[] = [];
  createLogger({ level: 'warn', destination: { write: (line) => quiet.push(line) } }).info({ event: 'x' }, 'x');
  assert.deepEqual([lines.length, quiet.length], [6, 0]);
});

test('a child adds its fields, a line wins over them, and no field is written twice', () => {
  const { logger, lines, last } = recorded();
  logger.child({ jobId: 'j1', grantId: 'g1' }).child({ grantId: 'g2' }).info({ event: 'x', jobId: 'j2' }, 'x');
  assert.deepEqual([last()['jobId'], last()['grantId']], ['j2', 'g2']);
  assert.equal(lines[0]?.match(/"jobId"/g)?.length, 1);
});

test('the base is overruled by a child, without a field that stands twice', () => {
  const { logger, lines, last } = recorded({ base: { version: '1', connectorId: 'old' } });
  logger.child({ connectorId: 'new' }).info({ event: 'x', version: '2' }, 'x');
  assert.deepEqual([last()['connectorId'], last()['version']], ['new', '2']);
  assert.equal(lines[0]?.match(/"connectorId"/g)?.length, 1);
});

test("a field cannot pass itself off as one of the logger's own", () => {
  const { logger, last } = recorded();
  logger.info({ event: 'x', level: 'fatal', service: 'other', time: 0 }, 'x');
  assert.deepEqual([last()['level'], last()['service'], last()['level_']], ['info', 'latchkey', 'fatal']);
});

test('an error keeps an allow-list of fields and at most three causes', () => {
  const { logger, last } = recorded();
  const deepest = new Error('5');
  const chain = [4, 3, 2].reduce<Error>((cause, n) => new Error(String(n), { cause }), deepest);
  const ldap = { resultCode: 50, resultName: 'insufficientAccessRights', diagnosticMessage: 'no', matchedDn: '' };
  const error = new DirectoryError('refused', 'refused', { ldap, cause: chain });
  logger.error({ event: 'x', err: Object.assign(error, { socket: { password: 'p' }, code: 'E1' }) }, 'x');
  assert.deepEqual(last()['err'], {
    name: 'DirectoryError',
    message: 'refused',
    fault: 'refused',
    code: 'E1',
    ldap,
    cause: { name: 'Error', message: '2', cause: { name: 'Error', message: '3', cause: { name: 'Error', message: '4' } } },
  });
});

test('an object of a class is only named; plain data stays', () => {
  const { logger, last } = recorded();
  class Session {
    password = 'p';
  }
  const loop: Record<string, unknown> = {};
  loop['loop'] = loop;
  logger.info(
    { event: 'x', session: new Session(), bytes: Buffer.from('abc'), plain: { a: [1, null, 1n, undefined] }, loop },
    'x',
  );
  assert.equal(last()['session'], '[Session]');
  assert.equal(last()['bytes'], '[3 bytes]');
  assert.deepEqual(last()['plain'], { a: [1, null, '1', null] });
});

test('control and direction characters do not reach the line, and long texts are cut', () => {
  const { logger, lines, last } = recorded();
  logger.info({ event: 'x', dn: 'cn=\u202Eevil\u001b[31m\r\nlevel', long: 'y'.repeat(100_000) }, 'a\u2066b\u0085c');
  assert.equal(last()['dn'], 'cn=\uFFFDevil\uFFFD[31m  level');
  assert.match(String(last()['long']), /^y{2048}… \(100000 characters\)$/);
  assert.equal(last()['msg'], 'a\uFFFDb\uFFFDc');
  assert.ok((lines[0]?.length ?? 0) < 3_000);
});

test('a secret that a long text is cut through leaves no part behind', () => {
  const { logger, lines } = recorded({ scrub: [new Secret('correct-horse-battery')] });
  logger.info({ event: 'x', long: `${'y'.repeat(2_040)}correct-horse-battery${'z'.repeat(100)}` }, 'x');
  assert.ok(!lines[0]?.includes('correct'));
});

test('a secret learnt later is replaced from then on', () => {
  const scrubber = createScrubber();
  const { logger, last } = recorded({ scrub: scrubber });
  scrubber.learn(new Secret('rotated-password'));
  logger.info({ event: 'x', text: 'is rotated-password' }, 'x');
  assert.equal(last()['text'], 'is [redacted]');
});

test('a line that a replaced secret would break is withheld', () => {
  const { logger, last } = recorded({ scrub: [new Secret('1234')] });
  logger.info({ event: 'x', count: 991234 }, 'x');
  assert.equal(last()['event'], 'log.withheld');
});

test('a secret with characters that cleaning replaces and JSON escapes is not found out inside a JSON text', () => {
  const secret = '\u2028"correct-horse\\/+ ';
  const { logger, lines } = recorded({ scrub: [new Secret(secret)] });
  logger.info({ event: 'x', text: JSON.stringify({ secret }) }, 'x');
  assert.ok(!lines[0]?.includes('correct-horse'));
});

test('no known secret survives in any field, name, message, nesting or encoding', () => {
  const place = fc.constantFrom<(secret: string) => unknown>(
    (secret) => secret,
    (secret) => ({ [secret]: [{ deep: `before ${secret} after` }] }),
    (secret) => new Error(`failed with ${secret}`, { cause: new Error(secret) }),
    (secret) => JSON.stringify({ secret }),
    (secret) => encodeURIComponent(secret),
    (secret) => `https://x/?token=${encodeURIComponent(secret).replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase())}`,
    (secret) => Buffer.from(`user:${secret}`).toString('base64'),
    (secret) => Buffer.from(`uuser:${secret}!`).toString('base64url'),
    (secret) => Buffer.from(`uuuser:${secret}!!`).toString('base64'),
    (secret) => new Secret(secret),
  );
  // A marker of 12 random characters inside each secret cannot be in a line by chance.
  const marker = fc.string({ minLength: 12, maxLength: 12, unit: fc.constantFrom(...ALPHABET) });
  const secretText = fc
    .tuple(fc.string({ maxLength: 8, unit: 'grapheme' }), marker, fc.string({ maxLength: 8, unit: 'grapheme' }))
    .map(([before, middle, after]) => ({ text: `${before}"${middle}\\/+ ${after}`, middle }));
  fc.assert(
    fc.property(secretText, place, fc.boolean(), ({ text, middle }, placed, inMessage) => {
      const { logger, lines } = recorded({ scrub: [new Secret(text)] });
      logger.info({ event: 'x', field: placed(text) }, inMessage ? `message ${text}` : 'message');
      const line = lines.join('');
      assert.ok(!line.includes(middle), line);
      const runs = line.match(/[A-Za-z0-9+/_-]{8,}/g) ?? [];
      for (const run of runs) assert.ok(!Buffer.from(run, 'base64').toString('latin1').includes(middle), line);
      JSON.parse(line);
    }),
    { numRuns: 500 },
  );
});
