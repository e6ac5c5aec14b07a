/** Closes each, whatever the one before threw, so that nothing stays open because something else broke; then throws the first error. */
export async function closeAll(...all: readonly ({ close(): Promise<void> } | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(all.map((each) => each?.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
