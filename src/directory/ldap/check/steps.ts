import type { CheckStep } from '../../../access/event.ts';
import { DirectoryError } from '../../directory.ts';
import { codeOf } from '../endpoint.ts';

export type Finding = Omit<CheckStep, 'step'>;

/** The steps of one check, in order. */
export interface Steps {
  readonly found: readonly CheckStep[];
  add(step: string, finding: Finding): void;
  /** Adds what the work finds; where it fails, that it does. Null then. */
  run<T extends Finding>(step: string, work: () => Promise<T>): Promise<T | null>;
}

export function steps(): Steps {
  const found: CheckStep[] = [];
  // A step is a line on a terminal, whatever a server, which may not even be trusted, has in its text.
  const add = (step: string, { status, detail }: Finding) =>
    void found.push({ step, status, detail: detail.replace(/\s*[\p{Cc}\u2028\u2029]+\s*/gu, ' ').trim() });
  return {
    found,
    add,
    async run(step, work) {
      try {
        const finding = await work();
        add(step, finding);
        return finding;
      } catch (error) {
        add(step, failed(messageOf(error)));
        return null;
      }
    },
  };
}

/** What the work finds; where it fails, that it does. */
export async function findingOf(work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work();
  } catch (error) {
    return failed(messageOf(error));
  }
}

export function ok(detail: string): Finding {
  return { status: 'ok', detail };
}

export function warned(detail: string): Finding {
  return { status: 'warn', detail };
}

export function failed(detail: string): Finding {
  return { status: 'fail', detail };
}

export function messageOf(error: unknown): string {
  if (error instanceof DirectoryError) return error.message;
  const code = codeOf(error);
  return error instanceof Error ? error.message + (code === undefined ? '' : ` (${code})`) : 'it failed';
}

/** The first of many names, and how many more there are. */
export function firstOf(names: readonly string[], most = 3): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
