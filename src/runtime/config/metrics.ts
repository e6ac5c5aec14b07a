import type { LeftOut } from './policies-in-force.js';

/** Counters of an engine since its start; they only grow. */
export interface EngineMetrics {
  /** Records read from topics, internal ones included. */
  readonly recordsIn: number;
  /** Records written to sinks and repartition topics. */
  readonly recordsOut: number;
  readonly changelogRecords: number;
  readonly deadLetters: number;
  readonly commits: number;
  readonly restoredRecords: number;
  /** Records dropped by a rule or policy, and operators' own counters: node → name → number. */
  readonly nodes: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Counts for all tasks of an engine. */
export class Metrics {
  recordsIn = 0;
  recordsOut = 0;
  changelogRecords = 0;
  deadLetters = 0;
  commits = 0;
  restoredRecords = 0;
  /** The policies that have left out a record. */
  readonly leftOut: Set<LeftOut>;
  readonly #nodes = new Map<string, Map<string, number>>();

  constructor(leftOut: Set<LeftOut> = new Set()) {
    this.leftOut = leftOut;
  }

  count(node: string, name: string, by = 1): void {
    let counters = this.#nodes.get(node);
    if (!counters) {
      counters = new Map();
      this.#nodes.set(node, counters);
    }
    counters.set(name, (counters.get(name) ?? 0) + by);
  }

  snapshot(): EngineMetrics {
    const { recordsIn, recordsOut, changelogRecords, deadLetters, commits, restoredRecords } = this;
    const nodes = Object.fromEntries([...this.#nodes].map(([node, counters]) => [node, Object.fromEntries(counters)]));
    return { recordsIn, recordsOut, changelogRecords, deadLetters, commits, restoredRecords, nodes };
  }
}
