import type { BrokerRecord } from '../broker/port.js';
import type { AnySerde, Declaration, Topology } from '../dsl/processor.js';
import { StreamsError } from '../model/errors.js';
import type { Headers } from '../model/headers.js';
import { isNotReady, whenReady } from '../model/not-ready.js';
import { ownOf, setOwn } from '../model/own.js';
import { show } from '../model/show.js';
import type { StoreSpec } from '../state/contract.js';

/**
 * Headers in which event ids travel: the first of these that a record has. `ce_id` is that of CloudEvents.
 */
const ID_HEADERS = ['event-id', 'eventId', 'event_id', 'ce_id', 'ce-id', 'message-id', 'id'] as const;

/** A record of a source topic, for people. */
export interface EventInfo {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  /** From its headers, else the field `eventId` of its value; null if it has none. */
  readonly eventId: string | null;
  /** Decoded as the topology does; what does not decode is a Buffer. */
  readonly key: unknown;
  readonly value: unknown;
}

/** Describes records of source topics as a topology reads them. Its serdes are open. */
export class EventReader {
  readonly #serdes: ReadonlyMap<string, { readonly key: AnySerde; readonly value: AnySerde }>;

  constructor({ sources, globalTables }: Declaration) {
    this.#serdes = new Map([...globalTables, ...sources].map((source) => [source.topic, source]));
  }

  /** Fetches schemas that it needs. */
  async read(record: BrokerRecord): Promise<EventInfo> {
    const { topic, partition, offset, timestamp, headers } = record;
    const serdes = this.#serdes.get(topic);
    const key = await decode(serdes?.key, record.key, headers);
    const value = await decode(serdes?.value, record.value, headers);
    return {
      topic,
      partition,
      offset,
      timestamp,
      eventId: idOf(record, value),
      key,
      value,
    };
  }
}

function idOf(record: BrokerRecord, value: unknown): string | null {
  for (const name of ID_HEADERS) {
    const id = record.headers.text(name);
    if (id !== undefined) return id;
  }
  const id = typeof value === 'object' && value !== null && 'eventId' in value ? value.eventId : undefined;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : null;
}

/**
 * What bytes decode to, with the schemas fetched that it takes; a copy of those that do not decode, or of
 * which nobody knows how.
 */
export async function decode(serde: AnySerde | undefined, bytes: Buffer | null, headers: Headers): Promise<unknown> {
  if (bytes === null) return null;
  // Values may be parts of the bytes, which belong to whoever fetched them.
  const own = Buffer.from(bytes);
  if (!serde) return own;
  return whenReady(() => {
    try {
      return serde.decode(own, headers);
    } catch (error) {
      if (isNotReady(error)) throw error;
      return own;
    }
  });
}

/** Stores of tasks, by name. */
export const taskStores = ({ processors }: Declaration): ReadonlyMap<string, StoreSpec> =>
  new Map(processors.flatMap(({ spec }) => spec.stores.map((store) => [store.name, store])));

/**
 * A store of the topology's tasks. STORE_UNKNOWN if there is none of that name, or it is that of a global
 * table, whose rows no record of a task changes.
 */
export function taskStore(
  { topology, declaration }: { readonly topology: Topology; readonly declaration: Declaration },
  name: string,
): StoreSpec {
  const stores = taskStores(declaration);
  const store = stores.get(name);
  if (store) return store;
  const global = topology.graph.nodes.some((node) => node.kind === 'globalTable' && node.store === name);
  throw new StreamsError('STORE_UNKNOWN', {
    what: global ? `${show(name)} is the store of a global table` : `there is no store ${show(name)}`,
    at: `topology ${topology.name}`,
    expected: [...stores.keys()].join(', ') || 'none: the topology has no stores',
    action: global
      ? 'Its history is its topic: each record of it is a row. Use the name of another store.'
      : 'Use the name of a store of the topology.',
  });
}

/**
 * A value as it is now: whoever changes it later does not change this. Bytes stay Buffers, wherever in arrays
 * and plain objects they are.
 */
export function frozenCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  try {
    return withBuffers(value, structuredClone(value));
  } catch {
    return value;
  }
}

/** A clone has plain arrays of bytes where there were Buffers. */
function withBuffers(value: unknown, clone: unknown, seen = new Set<unknown>()): unknown {
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (!isObject(value) || !isObject(clone) || seen.has(value)) return clone;
  seen.add(value);
  for (const [name, inner] of Object.entries(value)) {
    const cloned = ownOf(clone, name);
    const copy = withBuffers(inner, cloned, seen);
    if (copy !== cloned) setOwn(clone, name, copy);
  }
  return clone;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
