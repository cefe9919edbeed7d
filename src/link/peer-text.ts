const MAX_SHOWN = 300;

/** Text of the peer, fit for a log line: one line, short, and without the token, which a peer may send back. */
export function peerText(text: string, token: string): string {
  const clean = text
    .slice(0, 16_384)
    .replaceAll(token, '[token]')
    .replace(/[\p{Cc}\p{Cf}]+/gu, ' ');
  return clean.length > MAX_SHOWN ? `${clean.slice(0, MAX_SHOWN)}…` : clean;
}
