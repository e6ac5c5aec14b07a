import type { GraphStore, SinkNode } from '../../graph/graph.js';
import { isName, NAME_RULE } from '../../model/names.js';
import { resolvePolicy } from '../../model/policy/policy.js';
import { show } from '../../model/text/show.js';
import type { StoreSpec } from '../../state/contract.js';
import type { SourceSpec } from '../contract/node-specs.js';
import type { PolicyOptions } from '../contract/policy-options.js';
import type { AnySerde, DeclaredSource } from '../contract/processor.js';
import type { Complaints } from '../pipelines/ambient.js';

/** Notes a name that is not legal. */
export function noteName(complaints: Complaints, where: string, kind: string, name: unknown): void {
  if (isName(name)) return;
  complaints.problem(
    where,
    name === undefined || name === '' ? `the ${kind} has no name` : `the ${kind} ${show(name)} is not a legal name`,
    `Name it with ${NAME_RULE}: the name becomes part of a topic's name.`,
  );
}

/** Notes a serde that is missing, or a value that is not a serde. */
export function checkSerdes(
  complaints: Complaints,
  where: string,
  { key, value }: { readonly key: AnySerde; readonly value: AnySerde },
): void {
  for (const [side, serde] of [
    ['key', key],
    ['value', value],
  ] as const) {
    if (typeof serde?.encode === 'function' && typeof serde.decode === 'function') continue;
    complaints.problem(
      where,
      `it has no ${side} serde`,
      `Say how the ${side} is written, for example { ${side}: serdes.${side === 'key' ? 'string' : 'json()'} }.`,
    );
  }
}

/** The own policy of a node, checked, as its graph has it. CONFIG_INVALID names the node. */
export const policyOf = (node: string, { onError }: PolicyOptions): Pick<SinkNode, 'onError'> =>
  onError === undefined ? {} : { onError: resolvePolicy(onError, `onError of ${node}`) };

/** Whether a topic is declared as before, apart from its policy. */
export const isSameSource = (known: DeclaredSource, spec: SourceSpec): boolean =>
  known.key.name === spec.key?.name &&
  known.value.name === spec.value?.name &&
  known.timestamp === spec.timestamp &&
  known.maxTimeJumpMs === spec.maxTimeJumpMs;

export const graphStore = (owner: string, { name, kind, key, value, ttlMs, history }: StoreSpec): GraphStore => ({
  name,
  kind,
  key: key?.name ?? '?',
  value: value?.name ?? '?',
  ttlMs: ttlMs ?? null,
  ...(history && { historyMs: history.ms }),
  owner,
});
