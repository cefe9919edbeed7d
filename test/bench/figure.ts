/** How much a figure measures: everything, or so little that only the way is proved to be passable. */
export interface Effort {
  readonly rounds: number;
  readonly isQuick: boolean;
  /** How many users a directory has that is read whole; by default as many as the goals are about. Other sizes follow from it. */
  readonly people?: number;
  /** Says how far it is. */
  say(line: string): void;
}

/** One line of the table. */
export interface Row {
  readonly measured: string;
  readonly connector: string;
  /** What `ldapmodify` came to, or what else it is measured against. */
  readonly reference: string;
  readonly ratio: string;
  readonly goal: string;
  /** Null where no goal is set. */
  readonly isMet: boolean | null;
}

export interface Findings {
  readonly rows: readonly Row[];
  /** Markdown beneath the table. */
  readonly notes: readonly string[];
}

export interface Figure {
  /** Its name on the command line, and of its place in the document. */
  readonly name: string;
  /** What it belongs to, by which several are named at once. */
  readonly of?: 'sync';
  measure(effort: Effort): Promise<Findings>;
}
