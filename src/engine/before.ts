/** Waits for the work, which goes on if the deadline is first: false then. */
export async function before(deadline: AbortSignal, work: Promise<unknown>): Promise<boolean> {
  if (deadline.aborted) return false;
  const passed = Promise.withResolvers<boolean>();
  const onAbort = (): void => passed.resolve(false);
  deadline.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work.then(() => true), passed.promise]);
  } finally {
    deadline.removeEventListener('abort', onAbort);
  }
}
