/** Aborts at the first Ctrl-C; a second one ends the process as it does without us. */
export function interrupted(): AbortSignal {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('interrupted')));
  return stop.signal;
}
