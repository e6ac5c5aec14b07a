import type { Graph, GraphNode } from '../../graph/graph.js';
import type { ResolvedPolicy } from '../../model/policy/policy.js';
import type { EngineConfig } from './config.js';
import { POLICY_NAMES, type PolicyName } from './policy.js';

/** The step that the own policy of a node is for. */
const STEPS = {
  source: 'deserialize',
  globalTable: 'deserialize',
  processor: 'process',
  internalInput: 'deserialize',
  repartition: 'produce',
  sink: 'produce',
} as const satisfies Record<GraphNode['kind'], PolicyName>;

/**
 * Under which policy a record was left out. `process`: that of the application. `process own`: one that the
 * operator has of its own. `process own fail`: the operator's own policy is to fail, and a look back has
 * overridden it.
 */
export type LeftOut = PolicyName | `${PolicyName} own` | `${PolicyName} own fail`;

type PolicyConfig = Pick<EngineConfig, 'policies' | 'overrides' | 'looksBack'>;

/**
 * Which policy applies to a record that fails: that of the operator in which it fails, or else that of the
 * step. Asked only when something has failed.
 *
 * In a look back, a policy that was named for the step is stronger than an operator's own if one of the two
 * is `fail`. So `fail` ends the look back at any operator, and `skip` leads beyond every record. Operators
 * whose own policy continues do what they did in the application. Nothing is retried under an own policy: the
 * application has done so.
 */
export class PoliciesInForce {
  readonly #config: PolicyConfig;
  /** The own policies of nodes: each concerns one step of its node. */
  readonly #own: ReadonlyMap<string, ResolvedPolicy>;

  constructor(config: PolicyConfig, { nodes }: Pick<Graph, 'nodes'>) {
    this.#config = config;
    const own = nodes.flatMap(({ kind, id, onError }) => (onError ? [[`${STEPS[kind]} ${id}`, onError] as const] : []));
    this.#own = new Map(own);
  }

  /** The policy that a node has of its own for a step. */
  ofNode(step: PolicyName, node: string): ResolvedPolicy | undefined {
    return this.#own.get(`${step} ${node}`);
  }

  /** The policy that applies where an operator has this policy of its own, or none. */
  of(step: PolicyName, own: ResolvedPolicy | undefined): ResolvedPolicy {
    const { policies, overrides, looksBack } = this.#config;
    if (own === undefined) return policies[step];
    const named = overrides[step];
    if (named && (named.then === 'fail' || own.then === 'fail')) return named;
    return looksBack ? { ...own, retries: 0 } : own;
  }

  /** Whether any node may continue without a record that fails in this step. */
  mayContinue(step: PolicyName): boolean {
    const own = [...this.#own].flatMap(([of, policy]) => (of.startsWith(`${step} `) ? [policy] : []));
    return [undefined, ...own].some((policy) => this.of(step, policy).then !== 'fail');
  }
}

/** How a snapshot notes that a record was left out. */
export const leftOutUnder = (step: PolicyName, own: ResolvedPolicy | undefined): LeftOut =>
  own === undefined ? step : own.then === 'fail' ? `${step} own fail` : `${step} own`;

/** What would end a look back with these policies, if it has been left out before. */
export function endingNow({ policies, overrides }: PolicyConfig): ReadonlySet<LeftOut> {
  return new Set(
    POLICY_NAMES.flatMap((step): LeftOut[] => {
      const named = overrides[step]?.then;
      return [
        ...(policies[step].then === 'fail' ? [step] : []),
        ...(named === 'fail' ? [`${step} own` as const] : []),
        ...(named === 'fail' || named === undefined ? [`${step} own fail` as const] : []),
      ];
    }),
  );
}
