import type { ResolvedPolicy } from '../model/policy/policy.js';
import type { Graph } from './graph.js';

/** The policies that operators have of their own, with and without a node. */
export const ownPolicies = ({ nodes, edges }: Pick<Graph, 'nodes' | 'edges'>): readonly ResolvedPolicy[] =>
  [...nodes.map(({ onError }) => onError), ...edges.flatMap(({ onError = [] }) => onError)].filter(
    (policy) => policy !== undefined && policy !== null,
  );
