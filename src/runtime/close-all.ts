/** Waits until each is closed, whatever another threw; then throws the first of what they threw. */
export async function closeAll(...closings: readonly (Promise<void> | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(closings);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
