import type { GrantId } from '../access/ids.ts';

/** 1–128 characters, as the protocol has it (PROTOCOL, Transport). */
const GRANT_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Reads a grant id of the command line; says so and returns null where it is none. */
export function readGrantId(text: string | undefined): GrantId | null {
  if (text !== undefined && GRANT_ID.test(text)) return text as GrantId;
  process.stderr.write(`latchkey: "${text ?? ''}" is no grant id: 1 to 128 of letters, digits and . _ : -\n`);
  return null;
}
