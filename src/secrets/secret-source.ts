import type { Secret } from './secret.ts';

/** Told each secret as it is read. Of one `kind` a few are remembered, since each may be replaced for ever. */
export type Learn = (secret: { reveal(): string }, kind?: string) => void;

/**
 * PORT: where one secret comes from. Asked anew each time it is needed, so that a rotated one is met without a restart. `onTheWay` is
 * told what else is read that is secret, such as what opens the place where it is kept. Rejects with a {@link SecretError}.
 */
export type SecretSource = (onTheWay?: Learn) => Promise<Secret>;

/**
 * Why a secret could not be had. `denied`: who keeps it does not let us have it; `unavailable`: who keeps it cannot be asked now;
 * `unsuitable`: what was found there is no such secret. `forbidden`: Node.js may not read that
 * file, since it was named to it after it had started.
 */
export type SecretFault =
  | 'missing'
  | 'unreadable'
  | 'forbidden'
  | 'empty'
  | 'too_large'
  | 'denied'
  | 'unavailable'
  | 'unsuitable';

/** The only error that a secret source throws; its message never holds the secret. */
export class SecretError extends Error {
  readonly fault: SecretFault;
  /** The same, where errors of all kinds are told by their code. */
  readonly code: string;

  constructor(fault: SecretFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SecretError';
    this.fault = fault;
    this.code = `secret ${fault}`;
  }
}
