import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { Filter } from '../../../../src/access/filter.ts';
import { berElement, berNumber } from '../../../../src/directory/ldap/reader/ber-writer.ts';
import { abandonRequest, pageControl, searchRequest } from '../../../../src/directory/ldap/reader/requests.ts';
import { readPage, readRequest } from '../../../support/fake-ad-messages.ts';

const attribute = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,10}$/);
const value = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.constant('x'.repeat(300)));
const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small' },
    fc.record({ kind: fc.constant('present' as const), attribute }),
    fc.record({
      kind: fc.constantFrom('equality' as const, 'greaterOrEqual' as const, 'lessOrEqual' as const, 'approx' as const),
      attribute,
      value,
    }),
    fc.record({
      kind: fc.constant('substrings' as const),
      attribute,
      initial: fc.string({ maxLength: 5 }),
      any: fc.array(fc.string({ minLength: 1, maxLength: 5 }), { maxLength: 3 }),
      final: fc.string({ maxLength: 5 }),
    }),
    fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), filters: fc.array(tie('filter'), { maxLength: 3 }) }),
    fc.record({ kind: fc.constant('not' as const), filter: tie('filter') }),
  ),
}));

suite('the requests of the reader', () => {
  test('a search is read by a server as it was asked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        value,
        filter,
        fc.constantFrom('base' as const, 'one' as const, 'sub' as const),
        (id, base, asked, scope) => {
          const attributes = ['uid', 'member;range=0-*'];
          const page = pageControl(500, Buffer.from('cookie'));
          const request = readRequest(searchRequest(id, { base, scope, filter: asked, attributes, sizeLimit: id }, [page]));
          assert.ok(request.kind === 'search');
          const { controls, ...rest } = request;
          // What is made at random has no prototype.
          const filterAsked: unknown = JSON.parse(JSON.stringify(asked));
          assert.deepEqual(rest, { kind: 'search', id, base, scope, sizeLimit: id, filter: filterAsked, attributes });
          assert.deepEqual(readPage(controls.get(page.type) ?? Buffer.alloc(0)), { size: 500, cookie: 'cookie' });
        },
      ),
      { numRuns: 100 },
    );
  });

  test('bytes in a filter stay bytes', () => {
    const id = Buffer.from('00ff80c3', 'hex');
    const asked: Filter = { kind: 'equality', attribute: 'objectGUID', value: id };
    const bytes = searchRequest(1, { base: '', scope: 'base', filter: asked, attributes: [], sizeLimit: 0 }, []);
    assert.ok(bytes.includes(Buffer.concat([Buffer.from([0x04, 4]), id])));
  });

  test('numbers and lengths take as few bytes as they need, and a number is never negative', () => {
    for (const [number, hex] of [
      [0, '020100'],
      [127, '02017f'],
      [128, '02020080'],
      [255, '020200ff'],
      [32_768, '0203008000'],
      [2 ** 31 - 1, '02047fffffff'],
    ] as const)
      assert.equal(berNumber(0x02, number).toString('hex'), hex);
    for (const [length, header] of [
      [0, '0400'],
      [127, '047f'],
      [128, '048180'],
      [256, '04820100'],
      [70_000, '0483011170'],
    ] as const)
      assert.equal(
        berElement(0x04, Buffer.alloc(length))
          .subarray(0, header.length / 2)
          .toString('hex'),
        header,
      );
  });

  test('an abandoned search is named by its number', () => {
    assert.equal(abandonRequest(3, 2).toString('hex'), '3006020103500102');
  });
});
