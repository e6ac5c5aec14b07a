import { createHash } from 'node:crypto';
import type { AnySerde, Declaration, Topology } from '../../dsl/contract/processor.js';
import { isStreamsError, type StreamsError } from '../../model/errors.js';
import { noRegistry, SerdeBindings, type SerdeConfig } from '../../runtime/config/serde-bindings.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import type { SchemaRegistry } from '../../serdes/registry/port.js';

/** Options of schema serdes when the past is replayed. */
export interface PastSchemas {
  /** Where Avro serdes find schemas, as in `start`; nothing is ever registered. Default: no registry. */
  readonly schemaRegistry?: SchemaRegistry | (() => Promise<SchemaRegistry>);
  /**
   * How to treat schemas that the topology writes and the registry does not have, such as those of a version
   * that was never deployed. `standIn` (default): such a schema gets an id that no registry gives. The id is
   * the same each time, and is valid in this run only. `fail`: SCHEMA_UNKNOWN, as when the application is
   * started.
   */
  readonly unregistered?: 'standIn' | 'fail';
}

/** A key of source records, given as text, which may mean another value in each topic. */
export class KeyByTopic {
  /** @param means Throws if the text has no meaning for this serde and topic. */
  constructor(readonly means: (serde: AnySerde, topic: string) => unknown) {}
}

/** Registry ids are positive 31-bit numbers: none has the highest bit set. */
const STAND_IN = 0x80000000;

/** The serde configuration of all declarations of one topology during a replay. */
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

  /** The stand-in ids that were given so far, for schemas that are not registered. */
  get standIns(): readonly number[] {
    return [...this.#standIns].sort((a, b) => a - b);
  }

  /** The topology's nodes with serdes that can be used; no records are ever pushed. */
  async declare(topology: Topology): Promise<Declaration> {
    const places = new SerdeBindings(this);
    const declaration = declaredNodes(topology, places.bind);
    await places.open();
    return declaration;
  }

  /**
   * Key serdes of the source topics, for finding records by key. The entry is an error where the schema is
   * not registered for the topic: a stand-in id would give bytes that no record has.
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
   * The bytes of a key as each source topic has it, without topics that have keys of another kind. Errors:
   * SCHEMA_UNKNOWN if no topic can encode the key, and one lacks its schema.
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
