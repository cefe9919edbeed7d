import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { keyOf } from '../../scripts/asyncapi.ts';
import { protocolDocs, recordedExamples } from '../../scripts/protocol-docs.ts';
import { examplesIn } from '../../scripts/protocol-examples.ts';
import { nameOf } from '../../scripts/protocol-frames.ts';
import { messageValidator } from '../support/message-validator.ts';
import { recordTraffic } from '../support/protocol-traffic.ts';

test('every frame between a connector and the stub is as the published document says, and every message that has an example is seen again', async () => {
  const validate = messageValidator(parseYaml(protocolDocs().get('docs/protocol/asyncapi.yaml') ?? ''));
  const frames = await recordTraffic();
  for (const { from, text } of frames) {
    const frame = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual(validate(keyOf({ name: nameOf(frame), from }), frame), [], text);
  }
  const unseen = Object.keys(recordedExamples()).filter((key) => !(key in examplesIn(frames)));
  assert.deepEqual(unseen, []);
});
