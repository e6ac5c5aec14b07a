import type { MemberState, SubTopologyShape } from './member-state.js';

interface Agreement {
  /** Every sub-topology that some member runs. */
  readonly shapes: readonly SubTopologyShape[];
  /** Members that cannot take part, with the reason. */
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * Combines the members' topologies; a member that contradicts earlier ones is refused. Members that run tasks
 * come first: the running application is right.
 */
export function agree(members: readonly (MemberState & { readonly memberId: string })[]): Agreement {
  const shapes = new Map<string, SubTopologyShape>();
  /** Sub-topology by what only one sub-topology may have: a source, a store. */
  const owners = new Map<string, string>();
  const refused = new Map<string, string>();
  const inOrder = members.toSorted((a, b) => Number(b.tasks.length > 0) - Number(a.tasks.length > 0));
  for (const { memberId, shapes: own } of inOrder) {
    const reasons = own.flatMap((shape) => contradiction(shape, shapes, owners) ?? []);
    if (reasons.length > 0) {
      refused.set(memberId, reasons.join('; '));
      continue;
    }
    for (const shape of own) {
      const known = shapes.get(shape.id);
      if (known === undefined || known.partitions < shape.partitions) shapes.set(shape.id, shape);
      for (const name of exclusive(shape)) owners.set(name, shape.id);
    }
  }
  return { shapes: [...shapes.values()], refused };
}

function contradiction(
  shape: SubTopologyShape,
  shapes: ReadonlyMap<string, SubTopologyShape>,
  owners: ReadonlyMap<string, string>,
): string | undefined {
  const known = shapes.get(shape.id);
  if (known !== undefined) {
    const [there, here] = [describe(known), describe(shape)];
    return there === here ? undefined : `sub-topology ${shape.id} ${there} there, and ${here} here`;
  }
  const taken = exclusive(shape).find((name) => owners.has(name));
  return taken === undefined
    ? undefined
    : `${taken} belongs to sub-topology ${owners.get(taken)} there, and to ${shape.id} here`;
}

const exclusive = ({ topics, repartitions, stores }: SubTopologyShape): readonly string[] => [
  ...topics.map((topic) => `topic ${topic}`),
  ...repartitions.map((name) => `repartition ${name}`),
  ...stores.map((store) => `store ${store.slice(0, store.indexOf(':'))}`),
];

function describe({ topics, repartitions, stores }: SubTopologyShape): string {
  const reads = [...topics, ...repartitions.map((name) => `repartition ${name}`)].join(', ');
  return `reads ${reads} and has ${stores.length === 0 ? 'no stores' : stores.map((store) => `store ${store}`).join(', ')}`;
}
