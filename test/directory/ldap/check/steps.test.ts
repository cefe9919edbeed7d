import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed, steps } from '../../../../src/directory/ldap/check/steps.ts';

test("a step is one line and moves no terminal's cursor, whatever a server that is not trusted has in its text", () => {
  const list = steps();
  list.add('tls', failed('a certificate of evil\r\n \u001B[2K\u001B[1Aok\u0007\u009B1m\u2028for nobody\n'));
  assert.deepEqual(list.found, [{ step: 'tls', status: 'fail', detail: 'a certificate of evil [2K [1Aok 1m for nobody' }]);
});
