import { inspect } from 'node:util';
import type { Topology } from '../dsl/processor.js';
import { murmur2 } from '../runtime/partitioner.js';
import type { ObservedStep, RunWatcher, SliceCause } from './watcher.js';

/** What happened to a record, in short: which step, and a digest of what it was about. */
export interface DigestedStep {
  readonly name: string;
  /** Of the row or record, where there is one. */
  readonly key: number;
  readonly hash: number;
}

/**
 * Operators whose rows hold positions of records: those of a repartition topic are others whenever its
 * records come in another order, and mean the same.
 */
const HOLD_POSITIONS = ['dedupe', 'reorderByVersion'];

/**
 * Digests everything that happens to the records of a run: what comes to each node, what is written to each
 * store, what is passed on and what is sent. Equal for two runs in which every record fared the same.
 */
export class RunDigest implements RunWatcher {
  readonly #ignored: ReadonlySet<string>;
  readonly #repartitions: ReadonlySet<string>;
  readonly #steps = new Map<number, DigestedStep[]>();

  constructor({ topology }: { readonly topology: Topology }) {
    this.#ignored = positionStores(topology);
    const { nodes } = topology.graph;
    this.#repartitions = new Set(nodes.filter(({ kind }) => kind === 'repartition').map(({ id }) => id));
  }

  /** What happened to a record of the window. */
  at(index: number): readonly DigestedStep[] {
    return this.#steps.get(index) ?? [];
  }

  forget(): void {
    this.#steps.clear();
  }

  step(step: ObservedStep, { index, task }: SliceCause): void {
    const digested = this.#digest(step, task);
    if (digested) this.#add(index, digested);
    if (step.kind !== 'sent' || step.record.headers.size === 0) return;
    const entries = step.record.headers.entries.map(([name, value]) => [
      name,
      value && Buffer.from(value).toString('hex'),
    ]);
    this.#add(index, { name: `headers ${task} ${step.node}`, key: 0, hash: textHash(text(entries)) });
  }

  #add(index: number, digested: DigestedStep): void {
    const known = this.#steps.get(index);
    if (known) known.push(digested);
    else this.#steps.set(index, [digested]);
  }

  /**
   * Whether a step says what came of records of equal time, whichever of them came first: a row or an output.
   * Not what they have on the way there, nor rows with positions.
   */
  isOutcome({ name }: DigestedStep): boolean {
    const [kind = '', , ...rest] = name.split(' ');
    const node = rest.join(' ');
    return (kind === 'write' && !this.#ignored.has(node)) || (kind === 'sent' && !this.#repartitions.has(node));
  }

  #digest(step: ObservedStep, task: string): DigestedStep | undefined {
    if (step.kind === 'read' || step.kind === 'process') return undefined;
    if (step.kind === 'write') {
      const { store, key, value, timestamp } = step.write;
      const hash = murmur2(Buffer.concat([Buffer.from(String(timestamp)), ...part(key), ...part(value)]));
      return { name: `write ${task} ${store}`, key: murmur2(key), hash };
    }
    if (step.kind === 'count')
      return { name: `count ${task} ${step.node}`, key: 0, hash: textHash(`${step.name} ${step.by}`) };
    if (step.kind === 'sent') {
      const { topic, partition, key, value, timestamp } = step.record;
      const bytes = [Buffer.from(`${topic} ${partition} ${timestamp}`), ...part(key), ...part(value)];
      const hash = murmur2(Buffer.concat(bytes));
      // Records without a key have nothing to do with each other.
      return { name: `sent ${task} ${step.node}`, key: key === null ? hash : murmur2(key), hash };
    }
    const called = step.kind === 'effect' ? step.idempotencyKey : '';
    const { key, value, timestamp } = step.record;
    const previous = 'previous' in step.record ? step.record.previous : undefined;
    const hash = textHash(text([key, value, previous, timestamp, called]));
    return { name: `${step.kind} ${task} ${step.node}`, key: 0, hash };
  }
}

/** Stores in whose rows there are positions of records. */
export const positionStores = ({ graph }: Topology): ReadonlySet<string> =>
  new Set(
    graph.nodes.flatMap((node) =>
      node.kind === 'processor' && HOLD_POSITIONS.includes(node.operator) ? node.stores : [],
    ),
  );

const NEXT = Buffer.from([0]);
const NOTHING = Buffer.from([1]);

/** What is null is told from what is empty. */
const part = (bytes: Buffer | null): readonly Buffer[] => (bytes === null ? [NOTHING] : [NEXT, bytes]);

const textHash = (value: string): number => murmur2(Buffer.from(value));

/** What JSON has no form for is told apart all the same. */
function text(value: unknown): string {
  try {
    return asJson(value);
  } catch {
    // A cycle, or what throws when it is looked at.
    return inspect(value, {
      depth: null,
      maxArrayLength: null,
      maxStringLength: null,
      breakLength: Number.POSITIVE_INFINITY,
    });
  }
}

const asJson = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === 'bigint') return `${inner}n`;
    if (inner instanceof Map || inner instanceof Set) return [...inner];
    return inner;
  }) ?? 'undefined';
