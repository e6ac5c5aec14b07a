/** Waits for all closings, even if some reject; then throws the first of their errors. */
export async function closeAll(...closings: readonly (Promise<void> | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(closings);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
