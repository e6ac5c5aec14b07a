import type { Observable } from 'rxjs';
import type { GraphEdge } from '../../graph/graph.js';
import { serdes } from '../../serdes/serdes.js';
import type { AnyRecord, AnySerde, PushScope } from '../contract/processor.js';
import { suppressedForMs, type Windows } from '../windows/windows.js';
import type { Rekey } from './ambient.js';
import { TracedInput } from './input.js';

/** The result of following an observable up to its nodes, before anything is declared on it. */
export interface Inspection {
  /** The nodes that it comes from. */
  readonly from: readonly string[];
  /** Changes of a table arrive, on at least one path. */
  readonly table: boolean;
  /** Several rows of the table may share a key: the table was grouped, and not folded yet. */
  readonly grouped: boolean;
  /** The last key change on a path, if there is one. */
  readonly rekey: Rekey | undefined;
  /** The key serde, if all paths agree; otherwise JSON. */
  readonly key: AnySerde;
  /** The windows of the keys, if known and the same on all paths. */
  readonly window: Windows | undefined;
}

/** Follows an observable up to its nodes. `edges`: the edges declared so far. */
export function inspected(
  observable: Observable<AnyRecord>,
  declared: PushScope,
  edges: readonly GraphEdge[],
): Inspection {
  // The input that follows the observable reports problems on the path, once.
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
