const isText = (value: unknown, min: number, max: number) =>
  typeof value === 'string' && value.length >= min && value.length <= max;
const isId = (value: unknown) => typeof value === 'string' && /^[A-Za-z0-9._:-]{1,128}$/.test(value);
const isWhole = (value: unknown, min: number, max = Number.MAX_SAFE_INTEGER) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
const isTime = (value: unknown) =>
  typeof value === 'string' && value.length <= 40 && !Number.isNaN(Date.parse(value.toUpperCase()));
const optional = (value: unknown, holds: (value: unknown) => boolean) => value === undefined || holds(value);
const exactlyOne = (value: unknown, names: readonly string[]) =>
  typeof value === 'object' &&
  value !== null &&
  names.filter((name) => Object.hasOwn(value, name)).length === 1 &&
  // The empty text is a name, that of the root (RFC 4514 §2), which no scope holds.
  names.every((name) => optional((value as Record<string, unknown>)[name], (one) => isText(one, name === 'dn' ? 0 : 1, 8192)));

/** What PROTOCOL says of a frame to the connector, in plain code that knows nothing of the schemas. */
export function isFrame(frame: Record<string, unknown>): boolean {
  switch (frame['type']) {
    case 'welcome':
      return (
        isText(frame['sessionId'], 1, 256) &&
        isTime(frame['time']) &&
        optional(frame['heartbeatSeconds'], (one) => isWhole(one, 5, 60)) &&
        optional(frame['ackedSeq'], (one) => isWhole(one, 0))
      );
    case 'ack':
      return isWhole(frame['seq'], 1);
    case 'sync.ack':
      return (
        isId(frame['syncId']) &&
        (frame['end'] === undefined) !== (frame['page'] === undefined) &&
        optional(frame['page'], (one) => isWhole(one, 1)) &&
        optional(frame['end'], (one) => one === true)
      );
    case 'error':
      return (
        isText(frame['code'], 1, 256) &&
        isText(frame['message'], 0, 16_384) &&
        optional(frame['ref'], (one) => isText(one, 0, 256))
      );
    case 'job':
      if (frame['jws'] !== undefined) return frame['job'] === undefined && isText(frame['jws'], 1, 131_072);
      return isId((frame['job'] as Record<string, unknown> | null)?.['jobId']);
    default:
      return false;
  }
}

/** What PROTOCOL says of a job. */
export function isJob(job: Record<string, unknown>): boolean {
  if (!isId(job['jobId']) || !isTime(job['issuedAt'])) return false;
  switch (job['kind']) {
    case 'grant':
      return (
        isId(job['grantId']) &&
        exactlyOne(job['user'], ['dn', 'id', 'email', 'username']) &&
        exactlyOne(job['group'], ['dn', 'id', 'name']) &&
        isTime(job['expiresAt']) !== isWhole(job['durationSeconds'], 1, 2 ** 31 - 1) &&
        optional(job['notAfter'], isTime)
      );
    case 'revoke':
      return isId(job['grantId']) && optional(job['reason'], (one) => isText(one, 0, 4096));
    case 'sync':
      return (
        ['full', 'delta'].includes(String(job['mode'])) &&
        optional(job['acceptRemovals'], isId) &&
        optional(job['notAfter'], isTime)
      );
    case 'check':
      return optional(job['notAfter'], isTime);
    case 'list':
      return optional(job['notAfter'], isTime) && optional(job['endedSince'], isTime);
    default:
      return false;
  }
}
