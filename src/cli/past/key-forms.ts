import type { AnySerde, Declaration, Topology } from '../../dsl/contract/processor.js';
import { storesDeclared } from '../../replay/answers/past-store.js';
import type { Disagreement, EventInfo, PastOptions, StateChange, Trace, TraceStep } from '../../replay/index.js';
import { keyForm } from '../../serdes/key-form.js';
import { serdesOf } from '../load/declared.js';
import { pastSerdes } from './past.js';

/** Converts keys in results about the past to the form in which users read and write them. */
export class KeyForms {
  readonly #declaration: Declaration;
  readonly #stores: ReadonlyMap<string, AnySerde>;

  private constructor(declaration: Declaration) {
    this.#declaration = declaration;
    this.#stores = new Map(storesDeclared(declaration).map(({ name, key, shown }) => [name, (shown ?? { key }).key]));
  }

  static async of(topology: Topology, past: PastOptions): Promise<KeyForms> {
    return new KeyForms(await pastSerdes(topology, past).declare(topology));
  }

  /** A key of a row. */
  row(store: string, key: unknown): unknown {
    return keyForm(this.#stores.get(store), key);
  }

  /** A key of a record. */
  record(topic: string, key: unknown): unknown {
    return keyForm(serdesOf(this.#declaration, topic)?.key, key);
  }

  event(event: EventInfo): EventInfo {
    return { ...event, key: this.record(event.topic, event.key) };
  }

  change(change: StateChange): StateChange {
    return { ...change, event: this.event(change.event), key: this.row(change.store, change.key) };
  }

  trace(trace: Trace): Trace {
    return { ...trace, event: this.event(trace.event), steps: trace.steps.map((step) => this.#step(step)) };
  }

  disagreement(found: Disagreement): Disagreement {
    const { event, rows, outputs } = found;
    type Outputs = NonNullable<Disagreement['outputs']>['first'];
    const written = (some: Outputs): Outputs =>
      some.map((output) => ({ ...output, key: this.record(output.topic, output.key) }));
    return {
      ...found,
      event: this.event(event),
      rows: rows.map((row) => ({ ...row, key: this.row(row.store, row.key) })),
      ...(outputs && { outputs: { first: written(outputs.first), second: written(outputs.second) } }),
    };
  }

  #step(step: TraceStep): TraceStep {
    if (!('key' in step)) return step;
    if ('store' in step) return { ...step, key: this.row(step.store, step.key) };
    return { ...step, key: keyForm(this.#serdeOf(step.node), step.key) };
  }

  /** The key serde of a source, sink or repartition; undefined for operators. */
  #serdeOf(node: string): AnySerde | undefined {
    const { sources, globalTables, sinks, repartitions } = this.#declaration;
    return [...sources, ...globalTables, ...sinks, ...repartitions].find(({ id }) => id === node)?.key;
  }
}
