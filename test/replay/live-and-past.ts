import { stateAsOf } from '#src/replay/index.js';
import type { Application } from '../support/application.js';

/** What a property looks at after each step of an application: its state, and its positions. */

export interface Seen {
  readonly rows: Readonly<Record<string, string>>;
  readonly offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[];
}

/** @param keep Whether a row is looked at, by its name: `store[task] key`. */
export async function seenOf(app: Application, keep: (name: string) => boolean = () => true): Promise<Seen> {
  const rows = Object.entries(await app.rows()).filter(([name]) => keep(name));
  return {
    rows: Object.fromEntries(rows.map(([name, row]) => [name, row.replace(/ at \S+$/, '')])),
    offsets: await app.broker.admin.groupOffsets(app.applicationId),
  };
}

/** All positions that a replay needs: those of sources and of internal inputs. */
export async function cut(app: Application, { offsets }: Seen) {
  const { subTopologies } = app.topology.graph;
  const names = subTopologies.flatMap(({ topics, internalInputs = [] }) => [
    ...topics,
    ...internalInputs.map((input) => `app-${input}`),
  ]);
  const found = await app.broker.admin.describeTopics(names);
  return found.flatMap(({ name: topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({
      topic,
      partition,
      offset: offsets.find((at) => at.topic === topic && at.partition === partition)?.offset ?? 0,
    })),
  );
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_name, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner));

/** The rows of the past at these positions, as {@link seenOf} shows those of the application. */
export async function rowsAt(app: Application, seen: Seen): Promise<Record<string, string>> {
  const asOf = { kind: 'offset', offsets: await cut(app, seen) } as const;
  const state = await stateAsOf(app.topology, { broker: app.broker, inMemory: true, asOf });
  const rows: Record<string, string> = {};
  for (const store of state.stores.filter(({ spec }) => spec.shown === undefined))
    for await (const [key, value] of store.entries())
      rows[`${store.spec.name}[${store.task}] ${text(key)}`] = text(value);
  await state.close();
  return rows;
}
