import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { SchemaObject } from 'ajv';
import { parse as parseYaml } from 'yaml';
import { keyOf } from '../../../scripts/asyncapi.ts';
import { recordedExamples } from '../../../scripts/protocol-docs.ts';
import { FRAMES, type FrameKind } from '../../../scripts/protocol-frames.ts';
import { readFrameFromConnector, readFrameFromControlPlane } from '../../../src/protocol/frames.ts';
import { messageValidator } from '../message-validator.ts';
import { isPlainJson, jsonMutant } from './json-mutants.ts';
import { isFrame, isJob } from './plain-frames.ts';
import type { FuzzTarget } from './target.ts';

const DOCUMENT = new URL('../../../docs/protocol/asyncapi.yaml', import.meta.url);

/** Judges frames by the published document. */
export function publishedFrames(): (key: string, frame: unknown) => readonly string[] {
  return messageValidator(parseYaml(readFileSync(DOCUMENT, 'utf8')) as SchemaObject);
}

/** Real messages of one side, as texts. */
export function examplesOf(which: (frame: FrameKind) => boolean): [string, ...string[]] {
  const examples = recordedExamples();
  const [first, ...others] = FRAMES.filter(which)
    .flatMap((frame) => examples[keyOf(frame)] ?? [])
    .map((example) => JSON.stringify(example));
  if (first === undefined) throw new Error('the protocol has no recorded examples');
  return [first, ...others];
}

/** Frames of both sides, read by each: what is accepted is a frame by the published document and by an own reading of PROTOCOL. */
export function frames(): FuzzTarget {
  const published = publishedFrames();
  const sides = (['control-plane', 'connector'] as const).map((from) => ({
    from,
    valid: examplesOf((frame) => frame.from === from),
    // A frame that no message of the document describes is one too many.
    keys: FRAMES.filter((frame) => frame.from === from).map((frame) => ({ key: keyOf(frame), name: frame.name })),
  }));
  const judged = (from: 'control-plane' | 'connector', raw: Record<string, unknown>, kind: string) => {
    const type = String(raw['type']);
    const side = sides.find((one) => one.from === from);
    const keys = (side?.keys ?? []).filter(({ name }) => name === type || name === `${type}:${kind}`);
    const found = keys.map(({ key }) => published(key, raw));
    assert.ok(
      found.some((problems) => problems.length === 0),
      `${type}: ${found.flat().join('; ')}`,
    );
  };
  const fromConnector = (text: string): string => {
    const read = readFrameFromConnector(text);
    if (!read.ok) return 'refused';
    const raw = JSON.parse(text) as Record<string, unknown>;
    assert.ok(isPlainJson(text, { depth: 32, values: 131_072 }), text);
    judged('connector', raw, String((raw['event'] as { kind?: unknown } | undefined)?.kind));
    return 'accepted-from-connector';
  };
  const fromControlPlane = (text: string): string => {
    const read = readFrameFromControlPlane(text);
    if (!read.ok) return 'refused';
    const raw = JSON.parse(text) as Record<string, unknown>;
    assert.ok(isPlainJson(text, { depth: 32, values: 10_000 }), text);
    assert.ok(isFrame(raw), text);
    if (read.frame.type !== 'job') {
      judged('control-plane', raw, read.frame.type === 'signed_job' ? 'signed' : '');
      return 'accepted-from-control-plane';
    }
    const { job } = read.frame.received;
    if (!job.ok) return 'job-refused';
    const asked = raw['job'] as Record<string, unknown>;
    assert.ok(isJob(asked), text);
    assert.equal(job.value.jobId, asked['jobId']);
    judged('control-plane', raw, job.value.kind);
    return 'job-accepted';
  };
  return {
    one(random) {
      const side = sides[random() < 0.6 ? 0 : 1] ?? sides[0];
      if (side === undefined) throw new Error('no side');
      const text = jsonMutant(side.valid, random);
      const read = { connector: fromConnector, 'control-plane': fromControlPlane };
      const outcome = read[side.from](text);
      // Some are also given to the reader of the other side, which must not fail either.
      if (random() < 0.1) read[side.from === 'connector' ? 'control-plane' : 'connector'](text);
      assert.equal(Object.hasOwn(Object.prototype, 'kind'), false);
      return outcome;
    },
    outcomes: ['refused', 'accepted-from-connector', 'accepted-from-control-plane', 'job-accepted', 'job-refused'],
  };
}
