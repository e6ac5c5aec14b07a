import { inspect } from 'node:util';
import type { Topology } from '../../dsl/contract/processor.js';
import { murmur2 } from '../../runtime/topics/partitioner.js';
import type { ObservedStep, RunWatcher, SliceCause } from '../rerun/watcher.js';

/** A step of a record in short form: its name, and a digest of its content. */
export interface DigestedStep {
  readonly name: string;
  /** Hash of the key of the row or record, if there is one. */
  readonly key: number;
  readonly hash: number;
}

/**
 * Operators with record positions in their rows. Positions of a repartition topic change whenever its records
 * come in another order, without a change of meaning.
 */
const HOLD_POSITIONS = ['dedupe', 'reorderByVersion'];

/**
 * Digests everything that happens to the records of a run: what reaches each node, what each store writes,
 * what is emitted and what is sent. The digests of two runs are equal if every record had the same results.
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

  /** The steps of a record of the window. */
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
   * Whether a step is a final result, a row or an output, that does not depend on the order of records with
   * equal times. Intermediate steps and rows with positions are not.
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
      // Records without a key are independent of each other.
      return { name: `sent ${task} ${step.node}`, key: key === null ? hash : murmur2(key), hash };
    }
    const called = step.kind === 'effect' ? step.idempotencyKey : '';
    const { key, value, timestamp } = step.record;
    const previous = 'previous' in step.record ? step.record.previous : undefined;
    const hash = textHash(text([key, value, previous, timestamp, called]));
    return { name: `${step.kind} ${task} ${step.node}`, key: 0, hash };
  }
}

/** Stores with record positions in their rows. */
export const positionStores = ({ graph }: Topology): ReadonlySet<string> =>
  new Set(
    graph.nodes.flatMap((node) =>
      node.kind === 'processor' && HOLD_POSITIONS.includes(node.operator) ? node.stores : [],
    ),
  );

const NEXT = Buffer.from([0]);
const NOTHING = Buffer.from([1]);

/** Distinguishes null from empty. */
const part = (bytes: Buffer | null): readonly Buffer[] => (bytes === null ? [NOTHING] : [NEXT, bytes]);

const textHash = (value: string): number => murmur2(Buffer.from(value));

/** Distinguishes values that JSON cannot represent. */
function text(value: unknown): string {
  try {
    return asJson(value);
  } catch {
    // A cycle, or an object that throws when it is read.
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
