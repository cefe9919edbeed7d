import { getCACertificates } from 'node:tls';

/** For the control plane: our own CA replaces all others; without one, what Node.js trusts and what this machine trusts. */
export function authorities(ca: string | null): string | string[] {
  return ca ?? known();
}

/** For a proxy: our own CA beside the others, since a proxy is on the way and need not be of the same authority. */
export function proxyAuthorities(ca: string | null): string[] {
  return ca === null ? known() : [...known(), ca];
}

function known(): string[] {
  return [...getCACertificates('default'), ...getCACertificates('system')];
}
