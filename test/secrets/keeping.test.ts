import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keeping } from '../../src/secrets/keeping.ts';
import { Secret } from '../../src/secrets/secret.ts';

test('what was read last goes on while it cannot be read, which is told once for each reason', async () => {
  const answers: (string | Error)[] = [
    'one',
    new Error('sealed'),
    new Error('sealed'),
    new Error('away'),
    'two',
    new Error('away'),
  ];
  const told: string[] = [];
  const source = keeping(
    async () => {
      const next = answers.shift() ?? new Error('nothing more');
      if (next instanceof Error) throw next;
      return new Secret(next);
    },
    (why) => told.push(why),
  );
  const read: string[] = [];
  for (let count = 0; count < 6; count += 1) read.push((await source()).reveal());
  assert.deepEqual(read, ['one', 'one', 'one', 'one', 'two', 'two']);
  assert.deepEqual(told, ['sealed', 'away', 'away']);
});

test('a secret that was never read is not made up', async () => {
  await assert.rejects(
    keeping(
      () => Promise.reject(new Error('away')),
      () => undefined,
    )(),
    /away/,
  );
});
