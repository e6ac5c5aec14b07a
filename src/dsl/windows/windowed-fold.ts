import type { Observable } from 'rxjs';
import type { Windowed } from '../../model/window.js';
import { windowed } from '../../serdes/windowed.js';
import type { Declaring } from '../declaring.js';
import type { Folding } from '../operators/folding.js';
import type { AnyRecord } from '../types.js';
import { TimeFold } from './time-fold.js';
import type { Windows } from './windows.js';

/** What a fold over windows is given besides how to fold. */
export interface Windowing {
  readonly window: Windows;
}

/** The same of a fold that may have none. */
export type AnyWindowing = { readonly [Option in keyof Windowing]?: Windowing[Option] | undefined };

// biome-ignore lint/suspicious/noExplicitAny: keys, values and aggregates of any type; the operators' signatures know them
type AnyFolding = Folding<any, any, any> & Windowing;

/** Declares a fold that keeps an aggregate for each key and window. What it emits are the changes of a table whose keys are windowed. */
export function windowedFold(
  current: Declaring,
  operator: string,
  folding: AnyFolding,
  source: Observable<AnyRecord>,
): Observable<AnyRecord> {
  const { store, value, window } = folding;
  const inspection = current.inspect(source);
  if (inspection.table) {
    current.problem(
      `${operator} ${store}`,
      'its input is a table, and a row that changes has no place in windows',
      'Turn the table into a stream of its changes with toStream(), or leave window out.',
    );
  }
  if (window.kind !== 'time') throw new Error(`saw ${window.kind} windows, expected time windows`);
  const key = windowed(folding.key ?? inspection.key);
  return current.processor(
    {
      operator,
      name: store,
      stores: [
        {
          name: store,
          kind: 'window',
          key,
          value,
          ...(Number.isFinite(window.retentionMs) && {
            ttlMs: window.retentionMs,
            bornAt: ({ start }: Windowed<unknown>) => start,
          }),
        },
      ],
      keyed: true,
      emitsKey: key,
      create: (context) => new TimeFold<unknown, unknown, unknown>(context, context.store(store), folding, window),
    },
    [source],
    store,
  );
}
