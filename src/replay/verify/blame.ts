import type { Topology } from '../../dsl/contract/processor.js';
import type { DigestedStep, RunDigest } from './run-digest.js';

export interface Blame {
  readonly operator: string;
  readonly what: string;
}

/** The first difference between two paths of the same record; undefined if there is none. */
export function blame(
  topology: Topology,
  digest: RunDigest,
  ways: {
    readonly wanted: readonly DigestedStep[];
    readonly found: readonly DigestedStep[];
    readonly unordered: boolean;
  },
): Blame | undefined {
  const { wanted, found, unordered } = ways;
  if (unordered) return blameOfOutcome(topology, outcomes(wanted, digest), outcomes(found, digest));
  for (let i = 0; i < Math.max(wanted.length, found.length); i++) {
    const [a, b] = [wanted[i], found[i]];
    if (a?.name === b?.name && a?.hash === b?.hash) continue;
    // Blames a step that only one of the paths has, else a step with different content.
    return placeOf(topology, (b ?? a) as DigestedStep, a && b && a.name === b.name ? 'content' : 'presence');
  }
  return undefined;
}

/**
 * Records of equal time may be swapped, which changes intermediate sums. So only the last row and the last
 * output of each key count. Returns the first that differs, in the order of the path.
 */
function blameOfOutcome(
  topology: Topology,
  wanted: ReadonlyMap<string, DigestedStep>,
  found: ReadonlyMap<string, DigestedStep>,
): Blame | undefined {
  for (const place of new Set([...wanted.keys(), ...found.keys()])) {
    const [a, b] = [wanted.get(place), found.get(place)];
    if (a?.hash !== b?.hash) return placeOf(topology, (b ?? a) as DigestedStep, a && b ? 'content' : 'presence');
  }
  return undefined;
}

const outcomes = (steps: readonly DigestedStep[], digest: RunDigest): ReadonlyMap<string, DigestedStep> =>
  new Map(steps.filter((step) => digest.isOutcome(step)).map((step) => [`${step.name} ${step.key}`, step]));

function placeOf({ graph }: Topology, { name }: DigestedStep, how: 'content' | 'presence'): Blame {
  const [kind = '', task = '', ...rest] = name.split(' ');
  const node = rest.join(' ');
  const differs = how === 'content' ? 'differed' : 'occurred in one run only, or in another order';
  if (kind === 'in') return { operator: node, what: `what it decoded ${differs}, in task ${task}` };
  if (kind === 'arrive') {
    const edges = graph.edges.filter(({ to }) => to === node);
    const between = edges.map(({ from, through }) => [from, ...through].join(', ')).join('; or ');
    return {
      operator: `plain operators between ${between} and ${node}`,
      what: `what came to ${node} ${differs}, in task ${task}`,
    };
  }
  if (kind === 'write') {
    const owner = graph.stores.find((store) => store.name === node)?.owner ?? node;
    return { operator: owner, what: `what it wrote to the store ${node} ${differs}, in task ${task}` };
  }
  if (kind === 'count') return { operator: node, what: `what it counted or dropped ${differs}, in task ${task}` };
  if (kind === 'effect')
    return { operator: node, what: `the call that it would have made ${differs}, in task ${task}` };
  if (kind === 'headers') return { operator: node, what: `the headers that it sent ${differs}, in task ${task}` };
  return { operator: node, what: `what it ${kind === 'emit' ? 'passed on' : 'sent'} ${differs}, in task ${task}` };
}
