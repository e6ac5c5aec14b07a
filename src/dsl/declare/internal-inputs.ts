import type { GraphNode } from '../../graph/graph.js';
import { internalInput } from '../../graph/naming.js';
import type { ProcessorSpec } from '../contract/processor.js';
import type { Complaints } from '../pipelines/ambient.js';
import { noteName } from './checks.js';

/** The nodes of a processor's internal inputs. */
export function internalInputNodes(
  complaints: Complaints,
  { internalInputs = [] }: ProcessorSpec,
): readonly Extract<GraphNode, { kind: 'internalInput' }>[] {
  return internalInputs.map(({ name, holds }) => {
    const id = `internal input ${internalInput({ name, holds })}`;
    noteName(complaints, id, 'name', name);
    return { kind: 'internalInput', id, name, holds };
  });
}
