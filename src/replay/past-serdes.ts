import { createHash } from 'node:crypto';
import type { AnySerde, Declaration, Topology } from '../dsl/processor.js';
import { isStreamsError, type StreamsError } from '../model/errors.js';
import { declaredNodes } from '../runtime/planned-tasks.js';
import { noRegistry, SerdeBindings, type SerdeConfig } from '../runtime/serde-bindings.js';
import type { SchemaRegistry } from '../serdes/registry/port.js';

/** What serdes of schemas are given when the past is run again. */
export interface PastSchemas {
  /**
   * Where Avro serdes find schemas, as given to `start`; nothing is ever registered. Default: there is none.
   */
  readonly schemaRegistry?: SchemaRegistry | (() => Promise<SchemaRegistry>);
  /**
   * What becomes of schemas that the topology writes and the registry does not have, as those of a version
   * that was never deployed. `standIn` (default): they are given an id that no registry gives, the same each
   * time, which means something in this run only. `fail`: SCHEMA_UNKNOWN, as when the application is started.
   */
  readonly unregistered?: 'standIn' | 'fail';
}

/** A key of source records that is said in a text, which may mean another value in each topic. */
export class KeyByTopic {
  /** @param means Throws where it means nothing. */
  constructor(readonly means: (serde: AnySerde, topic: string) => unknown) {}
}

/** Ids of registries are positive numbers of 31 bits: with the highest bit no other has it. */
const STAND_IN = 0x80000000;

/** For all declarations of one topology while a past is run again. */
export class PastSerdes implements SerdeConfig {
  readonly applicationId: string;
  readonly registerSchemas = false;
  readonly schemaRegistry: SerdeConfig['schemaRegistry'];
  readonly standIn: SerdeConfig['standIn'];
  readonly #standIns = new Set<number>();

  constructor(applicationId: string, { schemaRegistry = noRegistry, unregistered = 'standIn' }: PastSchemas) {
    this.applicationId = applicationId;
    this.schemaRegistry = typeof schemaRegistry === 'function' ? schemaRegistry : async () => schemaRegistry;
    if (unregistered === 'standIn') this.standIn = (schema) => this.#standInOf(schema);
  }

  /** The ids of schemas that are not registered, as far as they were met. */
  get standIns(): readonly number[] {
    return [...this.#standIns].sort((a, b) => a - b);
  }

  /** The topology's nodes with serdes that can be used; nothing is ever pushed. */
  async declare(topology: Topology): Promise<Declaration> {
    const places = new SerdeBindings(this);
    const declaration = declaredNodes(topology, places.bind);
    await places.open();
    return declaration;
  }

  /**
   * How keys of source topics are written, for finding records by their keys; an error where the schema is
   * not known under the topic, since other bytes would be looked for than there are.
   */
  async sourceKeys(topology: Topology): Promise<ReadonlyMap<string, AnySerde | StreamsError>> {
    const { sources, globalTables } = declaredNodes(topology);
    const { applicationId, registerSchemas, schemaRegistry } = this;
    const keys = new Map<string, AnySerde | StreamsError>();
    for (const { topic, key } of [...globalTables, ...sources]) {
      const places = new SerdeBindings({ applicationId, registerSchemas, schemaRegistry });
      const bound = places.at(key, { topic, side: 'key', use: 'both' });
      try {
        await places.open();
        keys.set(topic, bound);
      } catch (error) {
        if (!isStreamsError(error) || error.code !== 'SCHEMA_UNKNOWN') throw error;
        keys.set(topic, error);
      }
    }
    return keys;
  }

  /**
   * The bytes of a key as each source topic has it; a topic whose keys are of another kind has none.
   * SCHEMA_UNKNOWN if it can be written for no topic, and one lacks its schema.
   */
  async keyBytes(topology: Topology, key: unknown): Promise<ReadonlyMap<string, Buffer>> {
    const bytes = new Map<string, Buffer>();
    let unknown: StreamsError | undefined;
    for (const [topic, serde] of await this.sourceKeys(topology)) {
      if (isStreamsError(serde)) {
        unknown ??= serde;
        continue;
      }
      try {
        bytes.set(topic, serde.encode(key instanceof KeyByTopic ? key.means(serde, topic) : key));
      } catch {
        // Keys of this topic are of another kind.
      }
    }
    if (bytes.size === 0 && unknown) throw unknown;
    return bytes;
  }

  #standInOf(schema: string): number {
    const id = (createHash('sha256').update(schema).digest().readUInt32BE(0) | STAND_IN) >>> 0;
    this.#standIns.add(id);
    return id;
  }
}
