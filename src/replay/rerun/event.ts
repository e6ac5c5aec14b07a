import type { BrokerRecord } from '../../broker/port.js';
import type { AnySerde, Declaration, Topology } from '../../dsl/contract/processor.js';
import { StreamsError } from '../../model/errors.js';
import type { Headers } from '../../model/headers.js';
import { isNotReady, whenReady } from '../../model/not-ready.js';
import { ownOf, setOwn } from '../../model/own.js';
import { show } from '../../model/text/show.js';
import type { StoreSpec } from '../../state/contract.js';

/**
 * Headers that carry event ids: the first of these that a record has counts. `ce_id` is the one of
 * CloudEvents.
 */
const ID_HEADERS = ['event-id', 'eventId', 'event_id', 'ce_id', 'ce-id', 'message-id', 'id'] as const;

/** A source record, for display. */
export interface EventInfo {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  /** From the headers, else from the field `eventId` of the value; null if it has none. */
  readonly eventId: string | null;
  /** Decoded as in the topology; a Buffer if decoding fails. */
  readonly key: unknown;
  readonly value: unknown;
}

/** Describes source records as a topology reads them. Needs the topology's open serdes. */
export class EventReader {
  readonly #serdes: ReadonlyMap<string, { readonly key: AnySerde; readonly value: AnySerde }>;

  constructor({ sources, globalTables }: Declaration) {
    this.#serdes = new Map([...globalTables, ...sources].map((source) => [source.topic, source]));
  }

  /** Decodes a record; fetches the schemas that this needs. */
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
 * Decodes bytes; fetches the schemas that this needs. Returns a copy of the bytes if they do not decode, or
 * if there is no serde.
 */
export async function decode(serde: AnySerde | undefined, bytes: Buffer | null, headers: Headers): Promise<unknown> {
  if (bytes === null) return null;
  // Decoded values may refer to the bytes, which belong to the code that fetched them.
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
 * A store of the topology's tasks. Errors: STORE_UNKNOWN if there is none of that name, or if it is the store
 * of a global table: no record of a task changes its rows.
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
 * A deep copy of a value: later changes to the value do not affect it. Buffers stay Buffers, at any depth in
 * arrays and plain objects.
 */
export function frozenCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  try {
    return withBuffers(value, structuredClone(value));
  } catch {
    return value;
  }
}

/** Restores Buffers in a clone: structuredClone turns them into Uint8Arrays. */
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
