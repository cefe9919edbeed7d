import type { Value } from '../values.ts';

/** One variable: all that loading, the documentation and the JSON Schema of the configuration know of it. */
export interface VariableRow<T> {
  /** Reads its text, and says what is expected of it. */
  readonly value: Value<T>;
  /** What holds where it is not set, written as it would be set: loading reads exactly this. */
  readonly default?: string;
  /** What the documentation says of a variable that is not set, where that is not simply the default. */
  readonly unset?: string;
  /** A value that this version takes. Of a secret only a stand-in. */
  readonly example: string;
  /** Its value is a secret; one that only names a file is none. */
  readonly secret?: true;
  /** Nearly everybody sets it: it stands in the example of a configuration and is not commented out there. */
  readonly essential?: true;
  /** For a reader who has not read anything else. Begins in small letters, and ends without a full stop. */
  readonly meaning: string;
}
