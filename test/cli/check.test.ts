import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { CheckStep } from '../../src/access/event.ts';
import { reportOn } from '../../src/cli/check.ts';

const OK: CheckStep = { step: 'name', status: 'ok', detail: 'localhost is 127.0.0.1' };
const WARN: CheckStep = { step: 'outside the scopes', status: 'warn', detail: 'something is odd' };
const FAIL: CheckStep = { step: 'bind', status: 'fail', detail: 'the password is wrong' };

suite('the report of a check', () => {
  test('is a line a step, each with its mark, for people', () => {
    assert.equal(
      reportOn([OK, WARN, FAIL], { json: false }).text,
      [
        'ok    name                localhost is 127.0.0.1\n',
        'warn  outside the scopes  something is odd\n',
        'FAIL  bind                the password is wrong\n',
      ].join(''),
    );
  });

  test('has every step for machines too, and whether any failed', () => {
    for (const steps of [[OK, WARN, FAIL], [OK, WARN], []])
      assert.deepEqual(JSON.parse(reportOn(steps, { json: true }).text), { ok: !steps.includes(FAIL), steps });
  });

  test('ends with 1 where a step failed, and with 0 where none did, warnings or not', () => {
    for (const json of [true, false]) {
      assert.equal(reportOn([OK, FAIL, WARN], { json }).code, 1);
      assert.equal(reportOn([OK, WARN], { json }).code, 0);
      assert.equal(reportOn([OK], { json }).code, 0);
    }
  });
});
