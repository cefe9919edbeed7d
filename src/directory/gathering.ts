import { batchLength, batchLimits, halves } from './batch.ts';
import { DirectoryError } from './directory.ts';

/** Resolves when what goes on in this turn of the event loop has been asked for. */
export type Turn = () => Promise<void>;

/** Questions that are alike, asked one by one and answered together. */
export interface GatheringOptions<Question, Answer> {
  /** Answers all of them, in order. */
  readonly ask: (questions: readonly Question[], signal: AbortSignal) => Promise<readonly Answer[]>;
  /** Only questions with the same key are asked together. */
  readonly keyOf: (question: Question) => string;
  readonly valuesOf: (question: Question) => readonly string[];
  /** Questions in one request, at most. */
  readonly most: number;
  /** Requests with one key that wait for an answer at a time; what is asked meanwhile goes into the next. */
  readonly atOnce: number;
  readonly turn: Turn;
}

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly signal: AbortSignal;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

interface Batch<Question, Answer> {
  readonly signal: AbortSignal;
  readonly asked: readonly Waiting<Question, Answer>[];
}

interface Queue<Question, Answer> {
  readonly waiting: Waiting<Question, Answer>[];
  /** True while a request waits for the end of the turn, before it takes what is asked by then. */
  isForming: boolean;
  running: number;
}

/**
 * Gathers questions to the directory. A request always begins after each of its questions was asked, so that no answer is
 * older than its question. Bounded by its callers, of whom each waits for one answer.
 */
export function gathering<Question, Answer>(
  options: GatheringOptions<Question, Answer>,
): (question: Question, signal: AbortSignal) => Promise<Answer> {
  const { ask, keyOf, valuesOf, most, atOnce, turn } = options;
  const limits = batchLimits();
  const queues = new Map<string, Queue<Question, Answer>>();

  function begin(key: string, queue: Queue<Question, Answer>): void {
    if (queue.waiting.length === 0) {
      if (queue.running === 0) queues.delete(key);
      return;
    }
    if (queue.isForming || queue.running >= atOnce) return;
    queue.isForming = true;
    queue.running += 1;
    void run(key, queue);
  }

  async function run(key: string, queue: Queue<Question, Answer>): Promise<void> {
    await turn();
    queue.isForming = false;
    const batch = take(key, queue);
    begin(key, queue);
    await answer(key, batch);
    queue.running -= 1;
    begin(key, queue);
  }

  function take(key: string, { waiting }: Queue<Question, Answer>): Batch<Question, Answer> {
    const signal = waiting[0]?.signal ?? AbortSignal.abort();
    const other = waiting.findIndex((one) => one.signal !== signal);
    const alike = waiting.slice(0, Math.min(most, other < 0 ? waiting.length : other));
    const length = batchLength(alike, { valuesOf: ({ question }) => valuesOf(question), most: limits.most(key) });
    return { signal, asked: waiting.splice(0, length) };
  }

  async function answer(key: string, { signal, asked }: Batch<Question, Answer>): Promise<void> {
    const questions = asked.map(({ question }) => question);
    const size = questions.reduce((sum, question) => sum + valuesOf(question).length, 0);
    try {
      const answers = await ask(questions, signal);
      limits.answered(key, size);
      for (const [index, { resolve, reject }] of asked.entries()) {
        const found = answers[index];
        if (found === undefined) reject(new Error('a question was left without an answer'));
        else resolve(found);
      }
    } catch (error) {
      const isRefused = error instanceof DirectoryError && error.fault !== 'unavailable';
      if (!isRefused && !signal.aborted) limits.unanswered(key, size);
      // A refusal may be of the size of the request, or of one question in it; no answer at all is meant for everybody.
      if (isRefused && asked.length > 1) for (const half of halves(asked)) await answer(key, { signal, asked: half });
      else for (const { reject } of asked) reject(error);
    }
  }

  return (question, signal) =>
    new Promise<Answer>((resolve, reject) => {
      const key = keyOf(question);
      const queue = queues.get(key) ?? { waiting: [], isForming: false, running: 0 };
      queues.set(key, queue);
      queue.waiting.push({ question, signal, resolve, reject });
      begin(key, queue);
    });
}
