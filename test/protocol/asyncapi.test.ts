import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';
import specification from '@asyncapi/specs/schemas/3.0.0.json' with { type: 'json' };
import { Ajv, type SchemaObject } from 'ajv';
import formats from 'ajv-formats';
import * as fc from 'fast-check';
import { parse as parseYaml } from 'yaml';
import { keyOf } from '../../scripts/asyncapi.ts';
import { protocolDocs, recordedExamples } from '../../scripts/protocol-docs.ts';
import { FRAMES } from '../../scripts/protocol-frames.ts';
import { readFrameFromConnector, readFrameFromControlPlane } from '../../src/protocol/frames.ts';
import { messageValidator } from '../support/message-validator.ts';

const docs = protocolDocs();
const document = parseYaml(docs.get('docs/protocol/asyncapi.yaml') ?? '') as SchemaObject;
const validate = messageValidator(document);
const examples = recordedExamples();

/** What a receiver makes of a frame: nothing where it is as the protocol has it, else what is wrong with it. */
function refusal(from: string, frame: unknown): string | null {
  const text = JSON.stringify(frame);
  const read = from === 'connector' ? readFrameFromConnector(text) : readFrameFromControlPlane(text);
  if (!read.ok) return read.refused.message;
  const job = read.frame.type === 'job' ? read.frame.received.job : null;
  return job === null || job.ok ? null : job.problem;
}

test('the documents of the protocol are what its schemas say: else run scripts/write-protocol-docs.ts', () => {
  assert.equal(docs.size, 2);
  for (const [path, text] of docs) assert.equal(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'), text, path);
});

test("the document is AsyncAPI 3.0, as the specification's own schema has it", () => {
  // The specification's schema brings draft 7, in which it is written, with it.
  const ajv = new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false });
  formats.default(ajv);
  const valid = ajv.compile(specification);
  assert.ok(valid(document), inspect(valid.errors?.slice(0, 8)));
  const broken = { ...document, channels: { connection: { address: 1 } } };
  assert.ok(!valid(broken));
});

test('every message has an example from real traffic', () => {
  assert.deepEqual(Object.keys(examples), FRAMES.map(keyOf));
});

test('every example is as the document says, by a validator that shares no code with it, and is read by who receives it', () => {
  for (const frame of FRAMES)
    for (const example of examples[keyOf(frame)] ?? []) {
      assert.deepEqual(validate(keyOf(frame), example), [], keyOf(frame));
      assert.equal(refusal(frame.from, example), null, keyOf(frame));
    }
});

test('what the document refuses the receiver refuses: a frame without one of its members, or with one of another type', () => {
  for (const frame of FRAMES) {
    const [example] = examples[keyOf(frame)] ?? [];
    if (example === undefined) continue;
    let refused = 0;
    for (const broken of brokenForms(example as Readonly<Record<string, unknown>>)) {
      if (validate(keyOf(frame), broken).length === 0) continue;
      refused += 1;
      assert.notEqual(refusal(frame.from, broken), null, `${keyOf(frame)}: ${JSON.stringify(broken)}`);
    }
    assert.ok(refused > 0, keyOf(frame));
  }
});

test('what the receiver takes the document takes, whatever member is changed', () => {
  const keyed = FRAMES.flatMap((frame) => (examples[keyOf(frame)] ?? []).map((example) => ({ frame, example })));
  const value = fc.oneof(fc.constantFrom<unknown>(null, true, 0, -1, 1.5, '', 'x', '2026-11-22T20:00:00Z', [], {}), fc.string());
  fc.assert(
    fc.property(fc.nat(keyed.length - 1), fc.nat(), value, (which, at, put) => {
      const one = keyed[which];
      assert.ok(one !== undefined);
      const { frame, example } = one;
      const forms = brokenForms(example as Readonly<Record<string, unknown>>, put);
      const changed = forms[at % forms.length];
      const isSame = refusal(frame.from, changed) === null && nameUnchanged(example, changed);
      if (isSame) assert.deepEqual(validate(keyOf(frame), changed), [], JSON.stringify(changed));
    }),
    { numRuns: 1_000 },
  );
});

function nameUnchanged(one: unknown, other: unknown): boolean {
  const named = (frame: unknown) => {
    const { type, job, event } = frame as { type?: unknown; job?: { kind?: unknown }; event?: { kind?: unknown } };
    return JSON.stringify([type, job?.kind, event?.kind]);
  };
  return named(one) === named(other);
}

/** The frame without each of its members, at every depth, and with another value in the place of each. */
function brokenForms(
  frame: Readonly<Record<string, unknown>>,
  put: unknown = { unexpected: true },
): readonly Record<string, unknown>[] {
  return Object.entries(frame).flatMap(([key, value]) => {
    const { [key]: _left, ...without } = frame;
    const inner =
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? brokenForms(value as Readonly<Record<string, unknown>>, put).map((form) => ({ ...frame, [key]: form }))
        : [];
    return [without, { ...frame, [key]: put }, ...inner];
  });
}
