import { count, serdes, type Topology, to, topology } from 'millrace';
import { filter } from 'rxjs';

/** What a process of an application and the tests that start it share. */

/** Counts per key, every update written: 1, 2, 3, … for each key if nothing is lost or doubled. */
export const counting = (name: string, stall: (word: string) => void = () => undefined): Topology =>
  topology(name, (t) => {
    t.stream(`${name}-words`, { key: serdes.string, value: serdes.string }).pipe(
      filter(({ value }) => {
        stall(value);
        return true;
      }),
      count({ store: 'totals' }),
      to(`${name}-out`, { key: serdes.string, value: serdes.int64 }),
    );
  });

/** What a process of {@link counting} says of itself. */
export interface Said {
  readonly phase: string;
  readonly recordsIn: number;
  readonly restored: number;
  readonly tasks: number;
  /** Everything is processed and committed: the rows by key. */
  readonly rows?: Readonly<Record<string, number>>;
  readonly warning?: string;
}

export interface ApplicationOptions {
  readonly brokers: readonly string[];
  readonly name: string;
  readonly state: string;
  readonly options?: object;
  /** How many times faster than the machine's its clock is: whatever it waits for passes so much sooner. */
  readonly speed?: number;
  /** It does not wait until everything is done, which would make it commit. */
  readonly quiet?: boolean;
  /** A word at which the process does nothing else for that long, the first time. */
  readonly stall?: { readonly word: string; readonly ms: number };
}
