import type { BrokerRecord } from '../../broker/port.js';
import { type AnyRecord, DECLARE, type Processor, type Receiver, type Topology } from '../../dsl/contract/processor.js';
import type { SubTopology } from '../../graph/graph.js';
import { internalInput, internalInputTopic, repartitionTopic } from '../../graph/naming.js';
import type { Headers } from '../../model/headers.js';
import { SOURCE_HEADER, sourceCarriers } from '../inputs/reached.js';
import { deserialize, deserializeRepartitioned } from '../poll/deserialize.js';
import { SourceDates } from '../poll/source-dates.js';
import { type JumpState, TimeJumps } from '../poll/time-jumps.js';
import type { TopicEntry } from '../poll/topic-entry.js';
import { observedEntry, observedReceiver } from '../record/observer.js';
import { ORIGIN_HEADER, originCarriers } from '../record/origin.js';
import { type Carried, RepartitionItem, SinkItem } from '../record/outbox.js';
import type { BatchRunner } from './batch-runner.js';
import { DirectOutlet, notedEntry } from './noted-entry.js';
import { planStages } from './plan.js';
import { type TaskFacts, TaskProcessorContext } from './processor-context.js';
import { Stage, type StageNode } from './stage.js';

/**
 * Runs the topology function for one task and connects what it declares: sources to their topics, processors
 * to stages, sinks to the outbox. Nodes of other sub-topologies are declared, too, but never get records.
 * Returns the processors, in the order of their stages.
 */
export function buildPipeline(options: {
  readonly topology: Topology;
  readonly subTopology: SubTopology;
  readonly runner: BatchRunner;
  readonly task: TaskFacts;
  /** The state of a source's time-jump check in the last commit. */
  readonly jump: (topic: string) => JumpState | undefined;
}): readonly Processor[] {
  const { topology, subTopology, runner, task, jump } = options;
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
  const origins = originCarriers(topology.graph, declaration);
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
  if (observer) for (const [topic, entry] of entries) entries.set(topic, observedEntry(entry, recordContext, observer));
  runner.connect({ entries, stages });
  return processors;
}

function withoutCarried(headers: Headers, { origin, source }: Carried): Headers {
  const rest = origin ? headers.without(ORIGIN_HEADER) : headers;
  return source ? rest.without(SOURCE_HEADER) : rest;
}
