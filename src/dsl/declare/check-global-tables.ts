import type { Declaring } from './declaring.js';

/** Checks global tables for problems that show only once everything is declared. */
export function checkGlobalTables(declaring: Declaring): void {
  const { globalTables, sources, processors } = declaring;
  for (const { id, topic, store } of globalTables) {
    if (sources.some((source) => source.topic === topic)) {
      declaring.problem(
        id,
        'its topic is also read as a stream or table',
        'Read it one way only: join the stream or table by its key, or copy it into another topic with to() for one of the two.',
      );
    }
    for (const processor of processors) {
      if (!processor.spec.reads?.includes(store)) continue;
      declaring.problem(
        processor.id,
        `it uses the global table of the store "${store}", which is declared after it`,
        'Write t.globalTable before the operators that use it.',
      );
    }
  }
}
