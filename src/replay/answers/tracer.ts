import type { BrokerRecord } from '../../broker/port.js';
import type { Declaration, Topology } from '../../dsl/contract/processor.js';
import type { Graph } from '../../graph/graph.js';
import { whenReady } from '../../model/not-ready.js';
import type { StoreSpec } from '../../state/contract.js';
import { type EventInfo, EventReader, frozenCopy, taskStores } from '../rerun/event.js';
import type { StoreRead } from '../rerun/observed-store.js';
import type { SeenWrite } from '../rerun/row-writes.js';
import type { ObservedStep, RunWatcher, SliceCause } from '../rerun/watcher.js';
import { shownChanges, shownReads } from '../snapshots/shown-changes.js';

/** The path of one source record through the topology. */
export interface Trace {
  readonly event: EventInfo;
  /** Number of records in the merged history up to and including it, counted from where the replay began. */
  readonly records: number;
  readonly steps: readonly TraceStep[];
}

/** One step on the path of a record; `task` says where it happened. */
export type TraceStep =
  /** The record was read from a source or repartition topic, and decoded. */
  | {
      readonly what: 'in';
      readonly task: string;
      readonly node: string;
      readonly key: unknown;
      readonly value: unknown;
    }
  /** The record did not pass the plain operators between two nodes. */
  | {
      readonly what: 'stopped';
      readonly task: string;
      readonly from: string;
      readonly to: string;
      /** The millrace operators between them; RxJS operators leave no trace. */
      readonly through: readonly string[];
    }
  /** The record reached an operator with state. */
  | {
      readonly what: 'process';
      readonly task: string;
      readonly node: string;
      readonly key: unknown;
      readonly value: unknown;
    }
  /**
   * A row was looked up. Where windows are stored together, as sessions are, each window that was found is a
   * step. If none was found, there is one step with their key and null.
   */
  | {
      readonly what: 'read';
      readonly task: string;
      readonly store: string;
      readonly key: unknown;
      readonly value: unknown;
    }
  /**
   * A row was written; null: deleted. Where windows are stored together, each window that has changed is a
   * step, deleted ones first.
   */
  | {
      readonly what: 'write';
      readonly task: string;
      readonly store: string;
      readonly key: unknown;
      readonly value: unknown;
      readonly timestamp: number;
    }
  /** The operator emitted a record. */
  | {
      readonly what: 'out';
      readonly task: string;
      readonly node: string;
      readonly key: unknown;
      readonly value: unknown;
    }
  /** The operator emitted nothing. */
  | { readonly what: 'kept'; readonly task: string; readonly node: string }
  /** The operator counted something: usually that it dropped the record, and why. */
  | { readonly what: 'counted'; readonly task: string; readonly node: string; readonly reason: string }
  /** A call to the outside world that was skipped. */
  | { readonly what: 'effect'; readonly task: string; readonly node: string; readonly idempotencyKey: string }
  /** A record left the task: to a sink, to a repartition topic, or as a dead letter. */
  | {
      readonly what: 'sent';
      readonly task: string;
      readonly node: string;
      readonly topic: string;
      readonly partition: number;
      readonly key: unknown;
      readonly value: unknown;
      readonly timestamp: number;
    };

/** Makes steps from bytes; fetches the schemas that this needs. */
type Later = () => readonly TraceStep[] | Promise<readonly TraceStep[]>;

interface Followed {
  readonly source: BrokerRecord;
  readonly index: number;
  /** Rows are kept as bytes, because they may be changed in place. */
  readonly steps: (TraceStep | Later)[];
  /** Records that have reached sinks and repartitions, and are not sent yet. */
  readonly leaving: { readonly node: string; readonly key: unknown; readonly value: unknown }[];
  /** The last push, and the nodes that it has reached. */
  push: { readonly from: string; readonly task: string; readonly reached: Set<string> } | undefined;
  /** The operator that is processing, and whether it has emitted something. */
  turn: { readonly node: string; readonly task: string; emitted: boolean } | undefined;
}

/** Records the paths of the records that it follows. */
export class Tracer implements RunWatcher {
  readonly #graph: Graph;
  readonly #events: EventReader;
  readonly #stores: ReturnType<typeof taskStores>;
  readonly #follows: (record: BrokerRecord) => boolean;
  readonly #followed = new Map<number, Followed>();
  readonly #ignored = new WeakSet<BrokerRecord>();

  constructor(
    { topology, declaration }: { readonly topology: Topology; readonly declaration: Declaration },
    follows: (record: BrokerRecord) => boolean,
  ) {
    this.#graph = topology.graph;
    this.#events = new EventReader(declaration);
    this.#stores = taskStores(declaration);
    this.#follows = follows;
  }

  /** The complete paths, in the order of their records. */
  async take(): Promise<readonly Trace[]> {
    const followed = [...this.#followed.values()].sort((a, b) => a.index - b.index);
    this.#followed.clear();
    const traces: Trace[] = [];
    for (const each of followed) {
      this.#endTurn(each);
      this.#endPush(each);
      const steps: TraceStep[] = [];
      for (const step of each.steps) {
        if (typeof step === 'function') steps.push(...(await step()));
        else steps.push(step);
      }
      traces.push({ event: await this.#events.read(each.source), records: each.index + 1, steps });
    }
    return traces;
  }

  /** Where windows are stored together, only the row before the write shows which windows have changed. */
  follows(store: string): boolean {
    return this.#stores.get(store)?.shown !== undefined;
  }

  step(step: ObservedStep, at: SliceCause): void {
    const followed = this.#find(at);
    if (followed) this.#note(followed, step, at.task);
  }

  #find({ source, index }: SliceCause): Followed | undefined {
    const known = this.#followed.get(index);
    if (known || this.#ignored.has(source)) return known;
    if (!this.#follows(source)) {
      this.#ignored.add(source);
      return undefined;
    }
    const followed = { source, index, steps: [], leaving: [], push: undefined, turn: undefined };
    this.#followed.set(index, followed);
    return followed;
  }

  #note(followed: Followed, step: ObservedStep, task: string): void {
    if (step.kind === 'arrive') {
      followed.push?.reached.add(step.node);
      const node = this.#graph.nodes.find(({ id }) => id === step.node);
      if (node?.kind !== 'processor') followed.leaving.push({ node: step.node, ...copied(step.record) });
      return;
    }
    this.#endPush(followed);
    const { steps } = followed;
    if (step.kind === 'in') {
      this.#endTurn(followed);
      steps.push({ what: 'in', task, node: step.node, ...copied(step.record) });
      followed.push = { from: step.node, task, reached: new Set() };
    } else if (step.kind === 'process') {
      this.#endTurn(followed);
      steps.push({ what: 'process', task, node: step.node, ...copied(step.record) });
      followed.turn = { node: step.node, task, emitted: false };
    } else if (step.kind === 'emit') {
      if (followed.turn?.node === step.node) followed.turn.emitted = true;
      steps.push({ what: 'out', task, node: step.node, ...copied(step.record) });
      followed.push = { from: step.node, task, reached: new Set() };
    } else if (step.kind === 'sent') {
      this.#endTurn(followed);
      const { topic, partition, key, value, timestamp } = step.record;
      const place = followed.leaving.findIndex(({ node }) => node === step.node);
      // A dead letter comes from an operator, and has not arrived at any node.
      const left = place < 0 ? { key: bytesOf(key), value: bytesOf(value) } : followed.leaving.splice(place, 1)[0];
      steps.push({
        what: 'sent',
        task,
        node: step.node,
        topic,
        partition,
        key: left?.key,
        value: left?.value,
        timestamp,
      });
    } else if (step.kind === 'effect') {
      this.#endTurn(followed);
      steps.push({ what: 'effect', task, node: step.node, idempotencyKey: step.idempotencyKey });
    } else if (step.kind === 'count') steps.push({ what: 'counted', task, node: step.node, reason: step.name });
    else if (step.kind === 'read') steps.push(this.#read(step, task));
    else if (step.kind === 'write') steps.push(this.#written(step.write, task));
  }

  #read({ store, key, value, streamTime }: StoreRead, task: string): Later {
    const spec = this.#stores.get(store) as StoreSpec;
    const [keyBytes, bytes] = [spec.key.encode(key), value === null ? null : spec.value.encode(value)];
    const decoded = (): Pick<StoreRead, 'key' | 'value'> => ({
      key: spec.key.decode(keyBytes),
      value: bytes && spec.value.decode(bytes),
    });
    return async () =>
      shownReads(spec, { ...(await whenReady(decoded)), streamTime }).map(({ key: shown, value: row }) => ({
        what: 'read',
        task,
        store,
        key: frozenCopy(shown),
        value: row,
      }));
  }

  #written(write: SeenWrite, task: string): Later {
    const { store } = write;
    const spec = this.#stores.get(store) as StoreSpec;
    write.want();
    return async () =>
      shownChanges(spec, await write.read()).map(({ key, value, timestamp }) => ({
        what: 'write',
        task,
        store,
        key: frozenCopy(key),
        value,
        timestamp,
      }));
  }

  /** Adds a `stopped` step for each node that the push could have reached and did not. */
  #endPush(followed: Followed): void {
    const { push, steps } = followed;
    followed.push = undefined;
    if (!push) return;
    const missed = this.#graph.edges.filter(({ from, to }) => from === push.from && !push.reached.has(to));
    for (const { from, to, through } of missed) steps.push({ what: 'stopped', task: push.task, from, to, through });
  }

  #endTurn(followed: Followed): void {
    const { turn, steps } = followed;
    followed.turn = undefined;
    if (turn && !turn.emitted) steps.push({ what: 'kept', task: turn.task, node: turn.node });
  }
}

const copied = ({
  key,
  value,
}: {
  readonly key: unknown;
  readonly value: unknown;
}): { key: unknown; value: unknown } => ({
  key: frozenCopy(key),
  value: frozenCopy(value),
});

const bytesOf = (bytes: Buffer | null): Buffer | null => (bytes === null ? null : Buffer.from(bytes));
