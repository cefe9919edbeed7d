import { BlockList, isIP, isIPv4 } from 'node:net';

/** True for 127.0.0.0/8, ::1 and `localhost`: what is sent there does not leave the machine. Brackets are not expected. */
export function isLoopback(host: string): boolean {
  return (isIPv4(host) && host.startsWith('127.')) || host === '::1' || host.toLowerCase() === 'localhost';
}

/** True for an IP address and for a host name of letters, digits, `-`, `_` and dots (RFC 1123 §2.1; `_` is met in the wild). */
export function isHost(host: string): boolean {
  return isIP(host) !== 0 || (host.length <= 253 && /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.|$))+$/.test(host));
}

/**
 * Whether NO_PROXY exempts a host and port: entries separated by commas or blanks, each `*`, a name (with all names
 * beneath it; a leading dot changes nothing), an address or a CIDR range, optionally with a port.
 */
export function exemptFromProxy({ host, port, noProxy }: { host: string; port: number; noProxy: string }): boolean {
  const name = host.toLowerCase();
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const { host: pattern, port: patternPort } = splitPort(entry);
      if (patternPort !== null && patternPort !== port) return false;
      if (pattern.includes('/')) return inRange(name, pattern);
      const domain = pattern.replace(/^\*?\./, '');
      return name === domain || (isIP(name) === 0 && name.endsWith(`.${domain}`));
    });
}

function splitPort(entry: string): { host: string; port: number | null } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(entry);
  if (match === null) return { host: entry, port: null };
  return { host: match[1] ?? match[2] ?? entry, port: match[3] === undefined ? null : Number(match[3]) };
}

function inRange(host: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/');
  const family = isIP(network);
  const prefix = Number(bits);
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits) || prefix > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const block = new BlockList();
  block.addSubnet(network, prefix, type);
  return block.check(host, type);
}
