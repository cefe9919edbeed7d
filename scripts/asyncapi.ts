import { z } from 'zod';
import { directoryViewSchema, grantViewSchema, jobErrorSchema } from '../src/protocol/event-frame.ts';
import { eventFrameSchema } from '../src/protocol/frames.ts';
import { MAX_FRAME_BYTES, MAX_JWS_LENGTH, SUBPROTOCOL } from '../src/protocol/limits.ts';
import { recordSchema } from '../src/protocol/sync-frame.ts';
import type { Examples } from './protocol-docs.ts';
import { FRAMES, type FrameKind } from './protocol-frames.ts';

type Json = Readonly<Record<string, unknown>>;

/** What several messages have, and is written once. */
const SHARED = {
  Grant: grantViewSchema,
  Directory: directoryViewSchema,
  Error: jobErrorSchema,
  SyncRecord: recordSchema,
} as const;

/** The protocol as an AsyncAPI 3.0 document, with the recorded frames as examples. Payloads are JSON Schema draft 7, as AsyncAPI has it. */
export function asyncApi(examples: Examples): Json {
  const messages = FRAMES.map((frame) => [keyOf(frame), messageOf(frame, examples[keyOf(frame)] ?? [])] as const);
  return {
    asyncapi: '3.0.0',
    info: {
      title: SUBPROTOCOL,
      version: '1.0.0',
      description: `Between a Latchkey connector and its control plane. The connector dials; each text frame is one JSON object of at most ${MAX_FRAME_BYTES} bytes. A receiver drops members that it does not know.`,
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      controlPlane: {
        host: '{host}',
        protocol: 'wss',
        description: 'LATCHKEY_CONTROL_PLANE_URL; the path is part of it.',
        variables: {
          host: { description: 'The host of the control plane, and its port.', default: 'control-plane.example.com' },
        },
        security: [{ $ref: '#/components/securitySchemes/token' }],
      },
    },
    channels: {
      connection: {
        address: null,
        title: 'The connection',
        description: 'One WebSocket (RFC 6455), kept alive by pings.',
        servers: [{ $ref: '#/servers/controlPlane' }],
        messages: Object.fromEntries(messages.map(([key]) => [key, { $ref: `#/components/messages/${key}` }])),
        bindings: {
          ws: {
            method: 'GET',
            headers: {
              type: 'object',
              required: ['Authorization', 'Sec-WebSocket-Protocol'],
              properties: {
                Authorization: { type: 'string', pattern: '^Bearer [A-Za-z0-9._~+/=-]+$' },
                'Sec-WebSocket-Protocol': { const: SUBPROTOCOL },
              },
            },
          },
        },
      },
    },
    // As AsyncAPI 3 has it: what the application that the document is of, the connector, does.
    operations: {
      tell: operation('send', 'connector'),
      take: operation('receive', 'control-plane'),
    },
    components: {
      messages: Object.fromEntries(messages),
      schemas: sharedSchemas(),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'The token of the connector; it binds the connectorId.' },
      },
    },
  };
}

/** A key of components may have letters, digits, dots, dashes and underscores. */
export function keyOf({ name, from }: Pick<FrameKind, 'name' | 'from'>): string {
  // Either side may refuse a frame of the other.
  return name === 'error' ? `error.${from}` : name.replace(':', '.');
}

function operation(action: 'send' | 'receive', from: FrameKind['from']): Json {
  return {
    action,
    channel: { $ref: '#/channels/connection' },
    messages: FRAMES.filter((frame) => frame.from === from).map((frame) => ({
      $ref: `#/channels/connection/messages/${keyOf(frame)}`,
    })),
  };
}

function messageOf(frame: FrameKind, examples: readonly unknown[]): Json {
  return {
    name: frame.name,
    title: frame.name,
    summary: frame.summary.replaceAll('`', ''),
    payload: payloadOf(frame),
    ...(examples.length === 0 ? {} : { examples: examples.map((payload) => ({ payload })) }),
  };
}

/** The JSON Schema of a whole frame. */
export function payloadOf({ name, schema, within }: FrameKind): Json {
  if (name === 'job:signed' || schema === null)
    return {
      type: 'object',
      required: ['type', 'jws'],
      properties: { type: { const: 'job' }, jws: { type: 'string', minLength: 1, maxLength: MAX_JWS_LENGTH } },
    };
  const inner = jsonSchema(schema);
  if (within === undefined) return inner;
  if (within === 'job') return { type: 'object', required: ['type', 'job'], properties: { type: { const: 'job' }, job: inner } };
  const frame = jsonSchema(eventFrameSchema.omit({ event: true })) as { properties: Json; required: readonly string[] };
  return { ...frame, properties: { ...frame.properties, event: inner }, required: [...frame.required, 'event'] };
}

const registry = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(SHARED)) registry.add(schema, { id });

const OPTIONS = { target: 'draft-7', io: 'input', unrepresentable: 'throw' } as const;
const uri = (id: string) => `#/components/schemas/${id}`;

/** A schema as a receiver reads it, with references to what is shared. */
function jsonSchema(schema: z.core.$ZodType): Json {
  const own = z.registry<{ id: string }>();
  for (const [id, one] of Object.entries(SHARED)) own.add(one, { id });
  own.add(schema, { id: 'It' });
  const { schemas } = z.toJSONSchema(own, { ...OPTIONS, uri });
  return stripped(schemas['It'] ?? {});
}

function sharedSchemas(): Json {
  const { schemas } = z.toJSONSchema(registry, { ...OPTIONS, uri });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, stripped(schema)]));
}

/** Without what only stands at the top of a document. */
function stripped(schema: Json): Json {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== '$schema' && key !== '$id'));
}
