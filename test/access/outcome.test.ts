import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobError } from '../../src/access/outcome.ts';
import { jobErrorSchema } from '../../src/protocol/event-frame.ts';

test('an error always fits the wire, however long the words of a server', () => {
  const long = 'x'.repeat(1_000_000);
  const error = jobError('directory_refused', long, {
    resultCode: 53,
    resultName: 'unwillingToPerform',
    diagnosticMessage: long,
    matchedDn: long,
  });
  assert.ok(jobErrorSchema.safeParse(error).success);
  assert.ok(JSON.stringify(error).length < 65_536);
});

test('whether a request is worth sending again follows from the code', () => {
  assert.equal(jobError('directory_unavailable', '').retryable, true);
  assert.equal(jobError('group_protected', '').retryable, false);
});
