/** Rejects if the work does, and never resolves. */
export function failureOf(work: Promise<unknown>): Promise<never> {
  const failed = new Promise<never>((_, reject) => work.catch(reject));
  // It may fail before any code awaits it; code that awaits the work itself receives the error.
  failed.catch(() => undefined);
  return failed;
}
