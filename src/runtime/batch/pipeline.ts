import type { BrokerRecord } from '../../broker/port.js';
import { type AnyRecord, DECLARE, type Processor, type Receiver, type Topology } from '../../dsl/contract/processor.js';
import type { SubTopology } from '../../graph/graph.js';
import { internalInput, internalInputTopic, lettersInput, repartitionTopic } from '../../graph/naming.js';
import type { Headers } from '../../model/headers.js';
import { SOURCE_HEADER, sourceCarriers } from '../inputs/reached.js';
import { deserialize, deserializeRepartitioned } from '../poll/deserialize.js';
import { SourceDates } from '../poll/source-dates.js';
import { type JumpState, TimeJumps } from '../poll/time-jumps.js';
import type { TopicEntry } from '../poll/topic-entry.js';
import { observedEntry, observedReceiver } from '../record/observer.js';
import { ORIGIN_HEADER, originCarriers, rootOfRecord } from '../record/origin.js';
import { type Carried, RepartitionItem, SinkItem } from '../record/outbox.js';
import { LettersInput } from '../redrive/letters-input.js';
import type { RedrivenNotes } from '../redrive/redriven-notes.js';
import { nodesWithLetters } from '../redrive/with-letters.js';
import type { BatchRunner } from './batch-runner.js';
import { DirectOutlet, notedEntry } from './noted-entry.js';
import { planStages } from './plan.js';
import { type TaskFacts, TaskProcessorContext } from './processor-context.js';
import { Stage, type StageNode } from './stage.js';

interface PipelineOptions {
  readonly topology: Topology;
  readonly subTopology: SubTopology;
  readonly runner: BatchRunner;
  readonly task: TaskFacts;
  /** The state of a source's time-jump check in the last commit. */
  readonly jump: (topic: string) => JumpState | undefined;
  readonly notes: RedrivenNotes;
}

/**
 * Runs the topology function for one task and connects what it declares: sources to their topics, processors
 * to stages, sinks to the outbox. Nodes of other sub-topologies are declared, too, but never get records.
 * Returns the processors, in the order of their stages.
 */
export function buildPipeline(options: PipelineOptions): readonly Processor[] {
  const { topology, subTopology, runner, task, jump, notes } = options;
  const entries = new Map<string, TopicEntry>();
  const stages: Stage[] = [];
  const { recordContext } = runner;
  const { observer } = task;
  const declaration = topology[DECLARE](recordContext);

  for (const source of declaration.sources) {
    if (!subTopology.topics.includes(source.topic)) continue;
    const { id: node, outlet, topic, maxTimeJumpMs } = source;
    const jumps = maxTimeJumpMs === undefined ? undefined : new TimeJumps(maxTimeJumpMs, jump(topic));
    const decode = (record: BrokerRecord): AnyRecord => deserialize(source, record);
    const dates =
      source.timestamp &&
      new SourceDates({
        deserialize: decode,
        fetch: (record, error, again) => runner.failures.whenFetched({ node, error, source: record }, again),
      });
    const entry = dates ? (record: BrokerRecord) => dates.deserialize(record) : decode;
    entries.set(topic, { node, outlet, jumps, dates, deserialize: entry });
  }
  const origins = originCarriers(topology.graph, declaration, nodesWithLetters(topology.graph));
  const sources = sourceCarriers(topology.graph);
  for (const repartition of declaration.repartitions) {
    const { id: node, outlet, name } = repartition;
    const carries = { origin: origins.has(node), source: sources.has(node) };
    repartition.input.connect(
      observedReceiver(
        node,
        runner.toOutbox(
          node,
          (record, place, push) => new RepartitionItem(repartition, record, node, place, push, carries),
        ),
        observer,
      ),
    );
    if (!subTopology.repartitions.includes(name)) continue;
    const topic = repartitionTopic(task.prefix, name);
    entries.set(topic, {
      node,
      outlet,
      jumps: undefined,
      internal: name,
      dates: undefined,
      deserialize: (record) =>
        deserializeRepartitioned(repartition, repartition.table, record, withoutCarried(record.headers, carries)),
    });
  }
  for (const sink of declaration.sinks) {
    sink.input.connect(
      observedReceiver(
        sink.id,
        runner.toOutbox(sink.id, (record, place, push) => new SinkItem(sink, record, sink.id, place, push)),
        observer,
      ),
    );
  }

  const processors: Processor[] = [];
  for (const plan of planStages(topology.graph, subTopology)) {
    const stage = new Stage(`${[...plan].join(', ')} and what follows up to the next operator with state`);
    stages.push(stage);
    for (const declared of declaration.processors) {
      if (!plan.includes(declared.id)) continue;
      const { id, spec, outlet, inputs } = declared;
      const processor = spec.create(new TaskProcessorContext({ node: id, spec, outlet, stage, runner, task }));
      const node: StageNode = { id, processor };
      const receiver = (port: number): Receiver => observedReceiver(id, runner.toStage(stage, node, port), observer);
      for (const input of inputs) input.connect(receiver(input.port));
      for (const [i, input] of (spec.internalInputs ?? []).entries()) {
        const outlet = new DirectOutlet(id, receiver(inputs.length + i), () => recordContext.index);
        const topic = internalInputTopic(task.prefix, internalInput(input));
        entries.set(
          topic,
          notedEntry(outlet, internalInput(input), () => recordContext.streamTime),
        );
      }
      processors.push(processor);
    }
  }
  const letters = lettersOf({ topology, subTopology, runner, task, notes, entries });
  if (observer) for (const [topic, entry] of entries) entries.set(topic, observedEntry(entry, recordContext, observer));
  if (letters) entries.set(letters.topic, letters.entry);
  runner.connect({ entries, stages, letters });
  return processors;
}

/** The internal input of the sub-topology's letters, if it has one. */
function lettersOf({
  topology,
  subTopology: { id, internalInputs = [] },
  runner,
  task,
  notes,
  entries,
}: Pick<PipelineOptions, 'topology' | 'subTopology' | 'runner' | 'task' | 'notes'> & {
  readonly entries: ReadonlyMap<string, TopicEntry>;
}): LettersInput | undefined {
  const input = lettersInput(id);
  if (!internalInputs.includes(input)) return undefined;
  const { edges } = topology.graph;
  const nodes = new Map(
    Array.from(entries, ([topic, { node }]) => [
      topic,
      [node, ...edges.filter(({ from }) => from === node).map((edge) => edge.to)],
    ]),
  );
  const receivers = (topic: string): readonly string[] => nodes.get(topic) ?? [];
  return new LettersInput({
    topic: internalInputTopic(task.prefix, input),
    ...{ applicationId: task.applicationId, clock: task.clock, outside: task.outside },
    count: (name) => runner.failures.count(`internal input ${input}`, name),
    reaches: ({ topic, partition }, node) => partition === task.partition && receivers(topic).includes(node),
    ...{ receivers, notes },
    rootOf: (record) => rootOfRecord(record, entries.get(record.topic)?.internal),
  });
}

function withoutCarried(headers: Headers, { origin, source }: Carried): Headers {
  const rest = origin ? headers.without(ORIGIN_HEADER) : headers;
  return source ? rest.without(SOURCE_HEADER) : rest;
}
