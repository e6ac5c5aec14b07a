import type { Topology } from '../dsl/processor.js';
import type { DigestedStep, RunDigest } from './run-digest.js';

export interface Blame {
  readonly operator: string;
  readonly what: string;
}

/** Where two ways of the same record part; undefined if they do not. */
export function blame(
  topology: Topology,
  digest: RunDigest,
  ways: {
    readonly wanted: readonly DigestedStep[];
    readonly found: readonly DigestedStep[];
    readonly unordered: boolean;
  },
): Blame | undefined {
  const { unordered } = ways;
  const [wanted, found] = unordered
    ? [ordered(ways.wanted, digest), ordered(ways.found, digest)]
    : [ways.wanted, ways.found];
  if (unordered) return blameOfMany(topology, wanted, found);
  for (let i = 0; i < Math.max(wanted.length, found.length); i++) {
    const [a, b] = [wanted[i], found[i]];
    if (a?.name === b?.name && a?.hash === b?.hash) continue;
    // What is there in one way and not in the other is to blame, else what has another content.
    return placeOf(topology, (b ?? a) as DigestedStep, a && b && a.name === b.name ? 'content' : 'presence');
  }
  return undefined;
}

/** Records of equal time may change places, so only what happened to all of them together can be compared: the first node, in the order of the way, of which that is not the same. */
function blameOfMany(
  topology: Topology,
  wanted: readonly DigestedStep[],
  found: readonly DigestedStep[],
): Blame | undefined {
  const names = [...new Set([...wanted, ...found].map(({ name }) => name))];
  for (const name of names) {
    const [a, b] = [hashesOf(wanted, name), hashesOf(found, name)];
    if (a.length === b.length && a.every((hash, i) => hash === b[i])) continue;
    return placeOf(topology, { name, hash: 0 }, a.length === b.length ? 'content' : 'presence');
  }
  return undefined;
}

const ordered = (steps: readonly DigestedStep[], digest: RunDigest): readonly DigestedStep[] =>
  steps.filter((step) => !digest.isUnordered(step));

const hashesOf = (steps: readonly DigestedStep[], name: string): readonly number[] =>
  steps
    .filter((step) => step.name === name)
    .map(({ hash }) => hash)
    .sort((a, b) => a - b);

function placeOf({ graph }: Topology, { name }: DigestedStep, how: 'content' | 'presence'): Blame {
  const [kind = '', task = '', ...rest] = name.split(' ');
  const node = rest.join(' ');
  const differs = how === 'content' ? 'was another' : 'was there in one run and not in the other, or in another order';
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
  if (kind === 'headers') return { operator: node, what: `the headers that it sent ${differs}, in task ${task}` };
  return { operator: node, what: `what it ${kind === 'emit' ? 'passed on' : 'sent'} ${differs}, in task ${task}` };
}
