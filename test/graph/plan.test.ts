import assert from 'node:assert/strict';
import fc from 'fast-check';
import { buildGraph } from '#src/graph/build.js';
import type { Graph, GraphEdge, GraphNode } from '#src/graph/graph.js';
import { UnionFind } from '#src/graph/union-find.js';
import { planStages } from '#src/runtime/batch/plan.js';

interface Given {
  readonly name: string;
  readonly stores?: readonly string[];
  readonly reads?: readonly string[];
}

/** A graph of one source, processors, and edges `from -> to` between them; `in` is the source. */
function graphOf(processors: readonly Given[], edges: readonly (readonly [string, string])[]): Graph {
  const source: GraphNode = { kind: 'source', id: 'in', topic: 'in', key: 'string', value: 'json' };
  const nodes = processors.map(
    ({ name, stores = [], reads = [] }): GraphNode => ({
      kind: 'processor',
      id: name,
      operator: 'process',
      name,
      stores,
      reads,
      keyed: true,
    }),
  );
  const drawn = edges.map(([from, to]): GraphEdge => ({ from, to, port: 0, through: [] }));
  return buildGraph({ name: 'test', nodes: [source, ...nodes], edges: drawn, stores: [] });
}

function plan(processors: readonly Given[], edges: readonly (readonly [string, string])[]): string[][] {
  const graph = graphOf(processors, edges);
  assert.equal(graph.subTopologies.length, 1);
  return planStages(graph, graph.subTopologies[0]!).map((stage) => [...stage]);
}

const named = (...names: string[]): Given[] => names.map((name) => ({ name, stores: [`store-${name}`] }));

describe('planStages', () => {
  it('gives each processor a stage of its own, what leads to it before', () => {
    assert.deepEqual(
      plan(named('c', 'b', 'a'), [
        ['in', 'a'],
        ['a', 'b'],
        ['b', 'c'],
      ]),
      [['a'], ['b'], ['c']],
    );
  });

  it('keeps the order of declaration where nothing else decides', () => {
    assert.deepEqual(
      plan(named('x', 'y', 'z'), [
        ['in', 'z'],
        ['in', 'x'],
        ['in', 'y'],
      ]),
      [['x'], ['y'], ['z']],
    );
  });

  it('runs the end of a diamond last', () => {
    assert.deepEqual(
      plan(named('top', 'l', 'r', 'end'), [
        ['in', 'top'],
        ['top', 'l'],
        ['top', 'r'],
        ['l', 'end'],
        ['r', 'end'],
      ]),
      [['top'], ['l'], ['r'], ['end']],
    );
  });

  it('puts processors that share a store in one stage', () => {
    const table: Given = { name: 'table', stores: ['rows'] };
    const join: Given = { name: 'join', reads: ['rows'] };
    assert.deepEqual(
      plan(
        [table, ...named('x'), join],
        [
          ['in', 'table'],
          ['in', 'x'],
          ['x', 'join'],
        ],
      ),
      [['x'], ['table', 'join']],
    );
  });

  it('unites chains of shared stores', () => {
    const chain: Given[] = [
      { name: 'a', stores: ['1'] },
      { name: 'b', stores: ['2'], reads: ['1'] },
      { name: 'c', reads: ['2'] },
    ];
    assert.deepEqual(
      plan(chain, [
        ['in', 'a'],
        ['in', 'b'],
        ['in', 'c'],
      ]),
      [['a', 'b', 'c']],
    );
  });

  it('unites what lies on a way from a stage back to it', () => {
    // table -> x -> join, and join reads the table: x comes before and after the stage of both.
    const given: Given[] = [{ name: 'table', stores: ['rows'] }, ...named('x'), { name: 'join', reads: ['rows'] }];
    assert.deepEqual(
      plan(given, [
        ['in', 'table'],
        ['table', 'x'],
        ['x', 'join'],
      ]),
      [['table', 'x', 'join']],
    );
  });

  it('leaves out the processors of other sub-topologies', () => {
    const other: GraphNode = { kind: 'source', id: 'other', topic: 'other', key: 'string', value: 'json' };
    const graph = graphOf(named('a', 'b'), [['in', 'a']]);
    const both = buildGraph({
      ...graph,
      nodes: [...graph.nodes, other],
      edges: [...graph.edges, { from: 'other', to: 'b', port: 0, through: [] }],
    });
    assert.deepEqual(
      both.subTopologies.map((sub) => planStages(both, sub)),
      [[['a']], [['b']]],
    );
  });

  it('holds every processor once, stores together, and no edge back, for any graph', () => {
    const size = 8;
    const arbitrary = fc.record({
      edges: fc.array(fc.tuple(fc.nat({ max: size - 1 }), fc.nat({ max: size - 1 })), { maxLength: 14 }),
      stores: fc.array(fc.option(fc.nat({ max: 3 })), { minLength: size, maxLength: size }),
    });
    fc.assert(
      fc.property(arbitrary, ({ edges, stores }) => {
        const given = stores.map(
          (store, i): Given => ({ name: `p${i}`, stores: [`own-${i}`], reads: store === null ? [] : [`s${store}`] }),
        );
        const all = [
          ...given.map(({ name }) => ['in', name] as const),
          ...edges.map(([a, b]) => [`p${a}`, `p${b}`] as const),
        ];
        const stages = plan(given, all);
        assert.deepEqual(stages.flat().sort(), given.map(({ name }) => name).sort());
        const at = new Map(stages.flatMap((stage, i) => stage.map((name) => [name, i] as const)));
        for (const [a, b] of edges) assert.ok(at.get(`p${a}`)! <= at.get(`p${b}`)!, `p${a} -> p${b} leads back`);
        for (const [i, store] of stores.entries()) {
          for (const [j, other] of stores.entries())
            if (store !== null && store === other) assert.equal(at.get(`p${i}`), at.get(`p${j}`));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('UnionFind', () => {
  it('joins what belongs together and keeps the order in which names were first seen', () => {
    const sets = new UnionFind();
    for (const name of ['d', 'a', 'c', 'b']) sets.add(name);
    sets.union('a', 'b');
    sets.union('b', 'd');
    assert.equal(sets.find('d'), sets.find('a'));
    assert.notEqual(sets.find('c'), sets.find('a'));
    assert.deepEqual(sets.groups(), [['d', 'a', 'b'], ['c']]);
  });
});
