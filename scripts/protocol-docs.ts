import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { asyncApi, keyOf } from './asyncapi.ts';
import { FRAMES } from './protocol-frames.ts';

/** Real traffic, by the key of the message; scripts/write-protocol-examples.ts records it. */
export type Examples = Readonly<Record<string, readonly unknown[]>>;

export const EXAMPLES_PATH = 'docs/protocol/examples.json';

export function recordedExamples(): Examples {
  return JSON.parse(readFileSync(new URL(`../${EXAMPLES_PATH}`, import.meta.url), 'utf8')) as Examples;
}

/** Every file that is made of the schemas of the protocol, by its path from the top of the project. */
export function protocolDocs(): ReadonlyMap<string, string> {
  const examples = recordedExamples();
  return new Map([
    ['docs/protocol/asyncapi.yaml', stringify(asyncApi(examples), { lineWidth: 0, aliasDuplicateObjects: false })],
    ['docs/protocol.md', reference(examples)],
  ]);
}

const INTRODUCTION = `# The wire protocol \`latchkey.v1\`

<!-- Made of the schemas in src/protocol/ by scripts/write-protocol-docs.ts; edit those. -->

The connector dials out to the control plane, by a WebSocket over TLS, with a bearer token and \`Sec-WebSocket-Protocol: latchkey.v1\`; no port is
ever opened for the control plane. Each text frame is one JSON object of at most 1 MiB. A receiver drops fields that it does not know.

[protocol/asyncapi.yaml](protocol/asyncapi.yaml) is the whole of it as AsyncAPI 3.0: every frame with every field, its bounds, and
examples. It is made of the schemas that the connector itself reads frames by. [protocol/examples.json](protocol/examples.json) has what went over the wire between
a connector and the stub on a real OpenLDAP; each of them is checked against the document by a validator that shares no code with either.

A connection begins with \`hello\` and \`welcome\`. Then jobs come, each is answered with \`job.received\` once it is stored durably, and its outcome is an
\`event\`, sent until it is acknowledged. Jobs and events are delivered at least once: the same \`jobId\` has no second effect, and the same \`ledgerId\` and \`seq\` are the same event.

| close code | means | the connector |
|---|---|---|
| 1001 | one side shuts down | dials again |
| 1008 | 100 refused frames within a minute | dials again after 30 s |
| 1009 | a frame over 1 MiB | dials again after 30 s |
| 4400 | a \`hello\` that the control plane does not take | dials again after 30 s |
| 4401 | the token is not valid | dials again after 30 s, with the token read anew |
| 4409 | another connector has that id | dials again after 30 s |
| 4426 | the control plane speaks no \`latchkey.v1\` | dials again after 30 s |`;

function reference(examples: Examples): string {
  const rows = FRAMES.map((frame) => {
    const name =
      keyOf(frame) in examples ? `[\`${frame.name}\`](#${frame.name.replaceAll(/[^a-z-]/g, '')})` : `\`${frame.name}\``;
    return `| ${frame.from === 'connector' ? 'connector' : 'control plane'} | ${name} | ${frame.summary} |`;
  });
  const shown = FRAMES.flatMap((frame) => {
    const { name } = frame;
    const [first] = examples[keyOf(frame)] ?? [];
    return first === undefined ? [] : [`### ${name}\n\n\`\`\`json\n${JSON.stringify(first, null, 1)}\n\`\`\``];
  });
  return `${[INTRODUCTION, `## Frames\n\n| from | frame | meaning |\n|---|---|---|\n${rows.join('\n')}`, '## Examples', ...shown].join('\n\n')}\n`;
}
