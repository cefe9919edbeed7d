/** Says on stderr why a command ends as it does; returns the exit code. */
export function said(message: string, code: number): number {
  process.stderr.write(`latchkey: ${message}\n`);
  return code;
}
