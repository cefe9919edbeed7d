import { inspect } from 'node:util';

const REDACTED = '[redacted]';

/**
 * A text that no log, error, event or inspection shows. Only {@link Secret.reveal} gives it out, so that every place where
 * it leaves is found by that name.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The text itself; for the protocol that needs it, never for a message. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
