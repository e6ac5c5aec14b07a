import type { Observable } from 'rxjs';
import type { GraphEdge } from '../graph/graph.js';
import { serdes } from '../serdes/serdes.js';
import type { Rekey } from './ambient.js';
import { TracedInput } from './input.js';
import type { AnyRecord, AnySerde, PushScope } from './processor.js';
import { suppressedForMs, type Windows } from './windows/windows.js';

/** What is known of an observable by following it up, before anything is declared on it. */
export interface Inspection {
  /** The nodes that it comes from. */
  readonly from: readonly string[];
  /** Changes of a table arrive, at least on one way. */
  readonly table: boolean;
  /** Several rows of the table may have one key: it was grouped, and nothing has folded it yet. */
  readonly grouped: boolean;
  /** The last change of key on a way, if there is one. */
  readonly rekey: Rekey | undefined;
  /** How the keys are written, if all ways agree; else JSON. */
  readonly key: AnySerde;
  /** The windows that the keys belong to, if that is known and the same on all ways. */
  readonly window: Windows | undefined;
}

/** Follows an observable up. `edges`: those that are declared. */
export function inspected(
  observable: Observable<AnyRecord>,
  declared: PushScope,
  edges: readonly GraphEdge[],
): Inspection {
  // What is wrong with the way is reported once, by the input that follows it.
  const scope: PushScope = { ...declared, fail: () => undefined };
  const probe = new TracedInput({ node: '(inspect)', port: 0, observable, scope, checkKey: false });
  probe.disconnect();
  const [first, ...rest] = probe.paths.map((path) => path.key);
  const [window, ...others] = probe.paths.map((path) => path.window);
  const closing = window && suppressedForMs(window);
  return {
    from: probe.paths.map(({ from }) => from),
    table: probe.paths.some((path) => path.table),
    grouped: probe.paths.some(
      (path) => path.table && edges.some(({ to, through }) => to === path.from && through.includes('groupBy')),
    ),
    rekey: probe.paths.find((path) => path.rekey)?.rekey,
    key: first && rest.every((key) => key?.name === first.name) ? first : serdes.json(),
    window: others.every((other) => other && suppressedForMs(other) === closing) ? window : undefined,
  };
}
