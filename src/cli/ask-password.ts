/** What is needed of a terminal to read from it without showing what is typed. */
export interface Terminal {
  readonly isTTY?: boolean;
  setRawMode(isRaw: boolean): unknown;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  off(event: 'data', listener: (chunk: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

/** Longer than any password that a directory takes, in bytes. */
const MOST_BYTES = 1024;
const ENTER = new Set([0x0a, 0x0d]);
const BACKSPACE = new Set([0x08, 0x7f]);
const CONTROL_C = 0x03;
const CONTROL_D = 0x04;
const CONTROL_U = 0x15;

/**
 * Asks a person for a password, which the terminal does not show. Null where they gave up (Ctrl-C, Ctrl-D), or typed more than
 * 1,024 bytes. The terminal is as it was afterwards.
 */
export async function askPassword(
  question: string,
  { input, output }: { input: Terminal; output: { write(text: string): unknown } },
): Promise<string | null> {
  const typed: number[] = [];
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const hear = (chunk: Buffer): void => {
    for (const byte of chunk) {
      if (ENTER.has(byte)) return resolve(Buffer.from(typed).toString('utf8'));
      if (byte === CONTROL_C || byte === CONTROL_D) return resolve(null);
      if (byte === CONTROL_U) typed.length = 0;
      else if (BACKSPACE.has(byte)) dropLast(typed);
      else if (typed.push(byte) > MOST_BYTES) return resolve(null);
    }
  };
  input.setRawMode(true);
  input.on('data', hear);
  output.write(question);
  input.resume();
  try {
    return await promise;
  } finally {
    input.pause();
    input.off('data', hear);
    input.setRawMode(false);
    output.write('\n');
  }
}

/** Takes away one character, which is several bytes where the bytes before the last say that they go on (RFC 3629 §3). */
function dropLast(typed: number[]): void {
  for (let byte = typed.pop(); byte !== undefined && (byte & 0xc0) === 0x80; ) byte = typed.pop();
}
