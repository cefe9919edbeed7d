import type { Secret } from './secret.ts';

/**
 * PORT: where one secret comes from. Asked anew each time it is needed, so that a rotated one is met without a restart.
 * Rejects with a {@link SecretError}.
 */
export type SecretSource = () => Promise<Secret>;

/** Why a secret could not be had. */
export type SecretFault = 'missing' | 'unreadable' | 'empty' | 'too_large';

/** The only error that a secret source throws; its message never holds the secret. */
export class SecretError extends Error {
  readonly fault: SecretFault;

  constructor(fault: SecretFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SecretError';
    this.fault = fault;
  }
}
