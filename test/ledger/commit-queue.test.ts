import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { commitQueue } from '../../src/ledger/sqlite/commit-queue.ts';
import { openDatabase } from '../../src/ledger/sqlite/database.ts';
import { faulty } from '../support/ledger-contract.ts';

function openQueue(t: TestContext) {
  const database = openDatabase({ path: ':memory:', busyMs: 0 });
  t.after(() => database.close());
  database.script(`
    PRAGMA foreign_keys = ON;
    CREATE TABLE parents (name TEXT PRIMARY KEY) STRICT;
    CREATE TABLE children (parent TEXT REFERENCES parents DEFERRABLE INITIALLY DEFERRED) STRICT;`);
  const commits: number[] = [];
  const queue = commitQueue({ database, onCommit: ({ works }) => commits.push(works) });
  const addParent = (name: string) => queue.run(() => database.run('INSERT INTO parents VALUES (:name)', { name }));
  const addChild = (parent: string) => queue.run(() => database.run('INSERT INTO children VALUES (:parent)', { parent }));
  const names = () => database.rows('SELECT name FROM parents ORDER BY rowid').map((row) => (row as { name: string }).name);
  const parents = () => queue.run(() => names().length);
  return { queue, database, names, commits, addParent, addChild, parents };
}

test('a work that throws is undone alone', async (t) => {
  const { queue, commits, addParent, parents } = openQueue(t);
  const failing = queue.run(() => {
    throw new Error('a defect');
  });
  const [, failed] = await Promise.allSettled([addParent('a'), failing, addParent('b'), addParent('a')]);
  assert.equal(failed.status, 'rejected');
  assert.ok(faulty('failed')(failed.reason));
  assert.equal(await parents(), 2);
  assert.deepEqual(commits, [4, 1]);
});

test('a commit that fails rejects all of its works, and the next one goes through', async (t) => {
  const { commits, addParent, addChild, parents } = openQueue(t);
  // The missing parent is found out by the commit itself.
  const works = await Promise.allSettled([addParent('a'), addChild('missing'), parents()]);
  for (const work of works) {
    assert.equal(work.status, 'rejected');
    assert.ok(faulty('conflict')(work.reason));
  }
  assert.deepEqual(commits, []);
  await addParent('b');
  assert.equal(await parents(), 1);
});

test('what is urgent is written before what waits, and a read waits for neither', async (t) => {
  const { queue, database, names, addParent } = openQueue(t);
  const works = Array.from({ length: 600 }, (_, n) => addParent(`${n}`));
  const urgent = queue.runUrgently(() => database.run(`INSERT INTO parents VALUES ('urgent')`));
  assert.deepEqual(await queue.read(names), []);
  await urgent;
  assert.equal((await queue.read(names)).indexOf('urgent'), 0);
  await Promise.all(works);
  queue.close();
  await assert.rejects(queue.read(names), faulty('closed'));
});

test('what is not urgent is written, however much is urgent', async (t) => {
  const { queue, commits, addParent } = openQueue(t);
  const urgent = Array.from({ length: 1000 }, () => queue.runUrgently(() => undefined));
  await addParent('other');
  assert.equal(commits.length, 1);
  await Promise.all(urgent);
  // What others leave is taken by what is urgent.
  assert.deepEqual(commits, [256, 256, 256, 233]);
});

test('what was queued before the queue closed is committed', async (t) => {
  const { queue, addParent } = openQueue(t);
  const works = Array.from({ length: 300 }, (_, n) => addParent(`${n}`));
  queue.close();
  assert.equal((await Promise.all(works)).length, 300);
  await assert.rejects(addParent('late'), faulty('closed'));
});
