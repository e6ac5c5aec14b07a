// Topologies of random steps, for properties that hold of every operator.
import { merge, type Observable } from 'rxjs';
import { repartition, type StreamRecord, serdes, type Table, type Topology, to, topology } from '#src/index.js';
import { json } from '../support.js';
import type { Item } from './item.js';
import { type Step, steps } from './steps.js';

type Events = ReturnType<Step>;

/** A source through steps; each is named after its way and its place on it. */
const through = (
  source: Events,
  names: readonly string[],
  { way, rows, known = steps }: { way: string; rows: Table<string, Item>; known?: Readonly<Record<string, Step>> },
): Events =>
  names.reduce((stream, name, i) => {
    // A join of streams takes its source twice: behind a change of key it has to be repartitioned once, before.
    const once = repartition<StreamRecord<string, Item | null>>({ name: `${way}${i}-once`, ...json<Item>() });
    return (known[name] as Step)(/joinStream/i.test(name) ? stream.pipe(once) : stream, `${way}${i}`, rows);
  }, source);

/** Two streams through the steps, beside a table that all may join. */
export const pipeline = (names: readonly string[], other: readonly string[] = []): Topology =>
  topology('test', (t) => {
    const rows = t.table('rows', { ...json<Item>(), store: 'rows' });
    const source: Events = merge(t.stream('in', json<Item>()), t.stream('more', json<Item>()));
    through(source, names, { way: 's', rows }).pipe(to('out', any));
    if (other.length > 0) through(source, other, { way: 'o', rows }).pipe(to('other', any));
  });

export interface Way {
  /** Topics that are merged. */
  readonly from: readonly string[];
  readonly names: readonly string[];
}

/** Ways from several sources to a sink each, beside a table that all may join. */
export const graphOf = (
  ways: readonly Way[],
  { known, timestamp }: { known: Readonly<Record<string, Step>>; timestamp?: (item: Item | null) => number },
): Topology =>
  topology('test', (t) => {
    const rows = t.table('rows', { ...json<Item>(), store: 'rows' });
    const sources = new Map<string, Observable<StreamRecord<string, Item | null>>>();
    const source = (name: string): Events => {
      const stream = sources.get(name) ?? t.stream(name, { ...json<Item>(), ...(timestamp && { timestamp }) });
      sources.set(name, stream);
      return stream;
    };
    for (const [w, { from, names }] of ways.entries()) {
      const merged = from.length === 1 ? source(from[0] as string) : merge(...from.map(source));
      through(merged, names, { way: `w${w}-`, rows, known }).pipe(to(`out-${w}`, any));
    }
  });

const any = { key: serdes.string, value: serdes.json<unknown>() };
