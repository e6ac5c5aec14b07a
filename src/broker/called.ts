/** Turns a callback that throws synchronously into a rejection. */
export async function called(callback: () => Promise<void>): Promise<void> {
  await callback();
}
