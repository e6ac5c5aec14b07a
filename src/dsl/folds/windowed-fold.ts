import type { Observable } from 'rxjs';
import { serdes } from '../../serdes/serdes.js';
import { windowed } from '../../serdes/windowed.js';
import { timersOf } from '../clock/noted.js';
import type { Folding } from '../common/folding.js';
import { whenGiven } from '../contract/policy-options.js';
import type { AnyRecord } from '../contract/push.js';
import { nextClosingOf } from '../declare/closings.js';
import type { Declaring } from '../declare/declaring.js';
import type { Windows } from '../windows/windows.js';
import { byPort } from './by-port.js';
import { closingStore } from './closing-windows.js';
import { countFold } from './count-fold.js';
import { withIdleClock } from './idle-fold.js';
import { sessionFold } from './session-fold.js';
import { slidingFold } from './sliding-fold.js';
import { timeFold } from './time-fold.js';
import type { FoldKind } from './window-results.js';
import type { AnyWindowing, WindowedFolding } from './windowing.js';

// biome-ignore lint/suspicious/noExplicitAny: keys, values and aggregates of any type; the operators' signatures know them
type AnyFolding = Folding<any, any, any> & AnyWindowing & { readonly window: Windows };

/**
 * Declares a fold with one aggregate per key and window. It emits the changes of a table with windowed keys.
 */
export function windowedFold(
  current: Declaring,
  operator: string,
  options: AnyFolding,
  sources: readonly Observable<AnyRecord>[],
): Observable<AnyRecord> {
  const { store, window, emit } = options;
  const inspections = sources.map((source) => current.inspect(source));
  if (inspections.some(({ table }) => table)) {
    current.problem(
      `${operator} ${store}`,
      'its input is a table, and windows cannot hold rows that change',
      'Turn the table into a stream of its changes with toStream(), or leave window out.',
    );
  }
  const counted = window.kind === 'count';
  if (emit === 'onClose' && !counted && window.closesAfterMs === Number.POSITIVE_INFINITY) {
    current.problem(
      `${operator} ${store}`,
      `it emits when windows close, and ${window.label} ones never do`,
      "Leave emit out, or use windows that end: tumbling('1d').",
    );
  }
  if (window.kind === 'session' && !options.merge) {
    current.problem(
      `${operator} ${store}`,
      'it folds over sessions, and has no function to merge two of them',
      'Give it merge: (first, second) => … .',
    );
  }
  if (counted && (options.late !== undefined || options.closeAfter !== undefined)) {
    current.problem(
      `${operator} ${store}`,
      `no time closes a window of ${window.records} records, so none is late`,
      'Leave late and closeAfter out.',
    );
  }
  const given = { ...options, key: options.key ?? inspections[0]?.key ?? serdes.json() };
  // Bound here, because rows consist of windows, and keys and aggregates are written inside them.
  const folding: WindowedFolding<unknown, unknown, unknown> = { ...current.bound(given, 'store', store), operator };
  const { rows, create } = kindOf(folding, window);
  return current.processor(
    {
      operator,
      name: store,
      stores: emit === 'onClose' && !counted ? [rows, closingStore(store, folding.key)] : [rows],
      keyed: true,
      ...whenGiven(options),
      emitsKey: windowed(folding.key),
      window,
      nextClosing: nextClosingOf(window),
      ...(options.closeAfter && { internalInputs: [timersOf(store)] }),
      create: (context) =>
        withIdleClock(context, { name: store, closeAfter: options.closeAfter, port: sources.length }, (idle) =>
          byPort(folding, (own) => create({ context, folding: own, idle })),
        ),
    },
    sources,
    // The id of the node stands for the store, and no store name has a space. No store holds the full windows
    // of so many records, and that of windows that are emitted on close holds open ones as well.
    counted || emit === 'onClose' ? `${operator} ${store}` : store,
  );
}

function kindOf<K, V, A>(folding: WindowedFolding<K, V, A>, window: Windows): FoldKind<K, V, A> {
  switch (window.kind) {
    case 'time':
      return timeFold(folding, window);
    case 'count':
      return countFold(folding, window);
    case 'session':
      return sessionFold(folding, window);
    case 'sliding':
      return slidingFold(folding, window);
  }
}
