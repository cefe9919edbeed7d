import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { LogFormat } from '../../src/observability/log-format.ts';
import { createLogger } from '../../src/observability/pino-logger.ts';
import { readJsonObject } from '../../src/protocol/json-object.ts';
import { Secret } from '../../src/secrets/secret.ts';
import { anyCharacter } from '../support/any-character.ts';

function recorded(format: LogFormat, options: Omit<Parameters<typeof createLogger>[0], 'destination' | 'level' | 'format'> = {}) {
  const lines: string[] = [];
  const logger = createLogger({ level: 'trace', format, destination: { write: (line) => lines.push(line) }, ...options });
  return { logger, lines };
}

const BASE = { version: '1.2.3', connectorId: 'c1', instanceId: 'i1' };
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test('a line for people says when, how bad, what happened and the facts, and leaves out what never changes', () => {
  const { logger, lines } = recorded('pretty', { base: BASE });
  logger.warn({ event: 'link.lost', attempt: 3, name: 'x', dn: 'cn=Smith\\, Ada,dc=x' }, 'the link was lost');
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? '',
    /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z\] WARN: link\.lost: the link was lost attempt=3 name="x" dn="cn=Smith\\\\, Ada,dc=x"\n$/,
  );
});

test('a line for people has the time of its message in UTC', () => {
  const { logger, lines } = recorded('pretty');
  const before = new Date().toISOString();
  logger.info({ event: 'x' }, 'y');
  const told = (lines[0] ?? '').slice(1, 25).replace(' ', 'T');
  assert.ok(told >= before && told <= new Date().toISOString(), told);
});

test('nothing that comes from elsewhere moves a cursor, changes a colour or begins a line, in any format', () => {
  const text = fc.oneof(
    fc.string({ unit: anyCharacter, maxLength: 40 }),
    fc.constantFrom(
      '\u001b[2J\u001b[1;1H',
      'a\r\n[2026-01-01] INFO: forged',
      '\u009b31m',
      '\u202egnp.exe',
      '\\u001b[31m',
      '\\\\x1b[2J',
    ),
  );
  const allowed = /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/u;
  for (const format of ['json', 'pretty', 'ecs'] as const) {
    const { logger, lines } = recorded(format);
    fc.assert(
      fc.property(text, text, text, (value, key, message) => {
        lines.length = 0;
        logger.info({ event: 'x', [`k${key}`]: { deep: [value] }, error: new Error(value) }, message);
        const [line = '', ...others] = lines;
        assert.equal(others.length, 0);
        assert.ok(line.endsWith('\n'));
        assert.ok(!allowed.test(line.slice(0, -1)), JSON.stringify(line));
      }),
      { numRuns: 200 },
    );
  }
});

test('colours are for a terminal alone', () => {
  const { logger, lines } = recorded('pretty', { isTerminal: false });
  logger.error({ event: 'x', dn: 'cn=x' }, 'y');
  assert.ok(!(lines[0] ?? '').includes('\u001b'));
});

test('no secret survives the way to a line for people or with the names of ECS', () => {
  const secret = 'corr"ect\\horse\n battery/+';
  for (const format of ['pretty', 'ecs'] as const) {
    const { logger, lines } = recorded(format, { scrub: [new Secret(secret)] });
    logger.info(
      { event: 'x', a: secret, b: { c: `before ${secret} after` }, d: JSON.stringify({ secret }), error: new Error(secret) },
      secret,
    );
    assert.ok(!/horse|battery/.test(lines.join('')), lines.join(''));
    assert.match(lines.join(''), /\[redacted\]/);
  }
});

test('a line that a replaced secret would break is withheld in every format, and says so in its own terms', () => {
  const lineOf = (format: LogFormat) => {
    const { logger, lines } = recorded(format, { scrub: [new Secret('1234')] });
    logger.info({ event: 'x', count: 991234 }, 'x');
    return lines[0] ?? '';
  };
  assert.equal(JSON.parse(lineOf('json')).event, 'log.withheld');
  assert.equal(JSON.parse(lineOf('ecs'))['event.action'], 'log.withheld');
  assert.match(lineOf('pretty'), /WARN: log\.withheld: a line held a secret\n$/);
});

test('a line for ECS has its names for what it names, and the rest under ours', () => {
  const { logger, lines } = recorded('ecs', { base: BASE });
  const error = Object.assign(new Error('refused', { cause: new Error('why') }), { code: 'E1' });
  logger.child({ jobId: 'j1', traceparent: TRACE }).warn({ event: 'job.failed', grantId: 'g1', error }, 'refused');
  assert.match(lines[0] ?? '', /^[^\n]*\n$/);
  const { '@timestamp': time, 'ecs.version': ecs, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(String(ecs), /^\d+\.\d+\.\d+$/);
  assert.deepEqual(rest, {
    'log.level': 'warn',
    'service.name': 'latchkey',
    'service.version': '1.2.3',
    'service.node.name': 'c1',
    'service.ephemeral_id': 'i1',
    'event.dataset': 'latchkey',
    'event.action': 'job.failed',
    'trace.id': '0af7651916cd43dd8448eb211c80319c',
    'span.id': 'b7ad6b7169203331',
    'error.type': 'Error',
    'error.message': 'refused',
    'error.code': 'E1',
    latchkey: { jobId: 'j1', grantId: 'g1', error: { cause: { name: 'Error', message: 'why' } } },
    message: 'refused',
  });
});

test('a line for ECS names nothing twice, whichever version it tells', () => {
  for (const version of [BASE.version, '2.5.13']) {
    const { logger, lines } = recorded('ecs', { base: BASE });
    logger.info({ event: 'x', version, connectorId: 'c2', instanceId: 'i2' }, 'y');
    const line = readJsonObject(lines[0] ?? '', { maxDepth: 8, maxValues: 100 });
    assert.ok(line.ok, line.ok ? '' : line.problem);
    assert.equal(line.value['service.version'], BASE.version);
    assert.deepEqual(line.value['latchkey'], version === BASE.version ? {} : { version });
  }
});

test('a traceparent that is none, and an error that is a text, cost a line for ECS nothing', () => {
  const { logger, lines } = recorded('ecs');
  logger.info({ event: 'x', traceparent: 'none', error: 'a text' }, 'y');
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.equal(line['trace.id'], undefined);
  assert.equal(line['error.message'], 'a text');
});

test('an attacker who writes names of ECS into a field stays under ours', () => {
  const { logger, lines } = recorded('ecs');
  logger.info({ event: 'x', 'log.level': 'fatal', '@timestamp': '0', message: 'forged', latchkey: 'y' }, 'true');
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.deepEqual([line['log.level'], line['message']], ['info', 'true']);
  assert.deepEqual(line['latchkey'], { 'log.level': 'fatal', '@timestamp': '0', message: 'forged', latchkey: 'y' });
});
