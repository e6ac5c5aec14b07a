import { join } from 'node:path';
import type { TopicDescription } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { deadLetterTopic, ledgerTopic } from '../../graph/naming.js';
import { StreamsError } from '../../model/errors.js';
import { isName } from '../../model/names.js';
import type { ApplicationVersion } from '../../runtime/config/application-version.js';
import { resolveConfig } from '../../runtime/config/config.js';
import { systemClock } from '../../runtime/config/system.js';
import { type RunningStreams, type StartOptions, startConfigured } from '../../runtime/start.js';
import { foundOwner, ownerOfOutputs, type TopicOwner, unprovenTopics } from '../../runtime/topics/topic-owners.js';
import { diskIdentityFiles } from '../../state/directory/identity-files.js';
import { countTopics } from '../slice/topics.js';
import { compareOutputs, type OutputComparison } from './compare-outputs.js';
import { ShadowBroker } from './shadow-broker.js';
import {
  internalTopicNames,
  type Retirement,
  removalBegun,
  removeShadow,
  shadowOf,
  shadowStatus,
} from './shadow-status.js';

export interface StartShadowOptions extends Omit<StartOptions, 'effects' | 'startFrom'> {
  /**
   * Start from the beginning: the remains of an earlier shadow are removed first. Default: continue where it
   * stopped.
   */
  readonly fresh?: boolean;
}

/** A running shadow. */
export interface ShadowStreams {
  readonly streams: RunningStreams;
  /**
   * Compares its current outputs with those of the live application: meaningful once the shadow has caught
   * up. Can also be called after it was stopped, until the broker is closed.
   */
  compare(signal?: AbortSignal): Promise<readonly OutputComparison[]>;
}

/**
 * Runs an application beside the live one, from the beginning of its source topics. Typically it is a new
 * version: compare its outputs before it takes over.
 *
 * The shadow is a separate application, `<application>-shadow`, with its own group, stores and internal
 * topics (`<application>-shadow-<n>-…`, where n counts the versions of the application). The live application
 * may run, and is not affected. Outputs to a topic, and dead letters, go to `<application>-shadow-<topic>`.
 * That topic has as many partitions as the live one (if the live one does not exist yet: `createTopics`, or
 * one). Calls of `effect` are skipped. A topic that the topology reads is read as it is, even if the topology
 * also writes it. A stopped shadow continues where it was when it is started again; use `fresh` if the code
 * has changed since.
 *
 * Positions of repartition topics differ from the live ones, so values made from `context.position` after a
 * repartition differ too; `uuid()` and `random()` are the same. The embedded broker serves one process: there
 * the live application must run in the same process, or be stopped.
 *
 * Cost: that of an application. Errors: those of `start`; TOPIC_UNKNOWN if a source topic does not exist;
 * TOPIC_FOREIGN if a topic with the name of an output belongs to somebody else: it is not written or removed;
 * with `fresh` APPLICATION_RUNNING while a process of the shadow is alive; PROMOTION_UNFINISHED;
 * CONFIG_INVALID if the previous live version is kept there for a rollback, which `fresh` gives up.
 *
 * ```ts no-run
 * const { streams, compare } = await startShadow(shop, { broker, stateDirectory: '.millrace/state', fresh: true });
 * await streams.untilIdle();
 * for (const { topic, equal, differences } of await compare()) console.log(topic, equal, differences.length); // → balances true 0
 * await streams.stop();
 * ```
 */
export async function startShadow(topology: Topology, options: StartShadowOptions): Promise<ShadowStreams> {
  const { fresh, ...own } = options;
  const { broker: outside, clock = systemClock, stateDirectory } = options;
  const { applicationId: live } = resolveConfig(topology.name, own);
  const applicationId = shadowOf(live);
  const deadLetters = options.deadLetterTopic ?? deadLetterTopic(live);
  const outputs = new ShadowOutputs(topology, { applicationId, deadLetters, stateDirectory });
  // A missing source topic must not be created.
  await countTopics(outside.admin, topology, resolveConfig(topology.name, own));
  const place = await shadowStatus(outside.admin, live);
  await outputs.load();
  const removed = fresh || (await removalBegun(stateDirectory, live));
  if (removed) {
    const names = [...outputs.internal, ...internalTopicNames(topology, '')];
    await removeShadow(place, { broker: outside, clock, stateDirectory, outputs, internal: names });
    outputs.forget();
  } else if (place.retirement) throw waitsThere(applicationId, place.retirement);
  const version = (removed ? undefined : place.version) ?? place.next;
  const broker = new ShadowBroker({
    broker: outside,
    prefix: outputs.prefix,
    partitions: options.createTopics ?? 1,
    internal: new Set([...internalTopicNames(topology, version.prefix), ledgerTopic(applicationId)]),
    owner: outputs.owner,
    checkOwn: (existing) => outputs.checkOwn([existing]),
    onOutput: (topic) => outputs.add({ outputs: [topic] }),
  });
  await outputs.add({ internal: internalTopicNames(topology, '') });
  for (const topic of outputs.declared) await broker.make(topic);
  const shadow: StartOptions = {
    ...own,
    applicationId,
    deadLetterTopic: outputs.deadLetters,
    broker,
    effects: 'silent',
    startFrom: 'earliest',
  };
  // Uses the schemas of the live application: once registered, they are there when the shadow takes over.
  const config = {
    ...resolveConfig(topology.name, shadow, options.logger),
    version,
    schemasOf: schemasOf(live, place.live),
  };
  const streams = await startConfigured(topology, config, shadow);
  return { streams, compare: (signal) => compareOutputs(outside, outputs.pairs, signal) };
}

/** The owner of the live application's schemas. */
const schemasOf = (live: string, { n, prefix }: ApplicationVersion): string => (n === 0 ? prefix : live);

const waitsThere = (group: string, { id }: Retirement): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'the place of the shadow is taken by the version that was live before',
    at: `group ${group}`,
    saw: `a version that ${id} has taken out, kept for a rollback`,
    action: 'Start with --fresh, which gives up the rollback; or go back to that version: `millrace rollback`.',
  });

/**
 * Topics that a shadow may have created: shadow topics, by the names of the live topics; internal topics, by
 * the part after the version's prefix.
 */
interface Made {
  readonly outputs: readonly string[];
  readonly internal: readonly string[];
  /** Outputs from the notes of an earlier version, which did not mark the topics that it created. */
  readonly unmarked: readonly string[];
}

/**
 * The topics that have a shadow: those that the topology names, the dead letter topic, and those that
 * functions of the topology have chosen. `<state>/<application>-shadow/topics.json` keeps all of them until
 * the shadow is removed, because a later topology may not name them.
 */
class ShadowOutputs {
  readonly applicationId: string;
  readonly deadLetters: string;
  readonly declared: readonly string[];
  readonly owner: TopicOwner;
  readonly #path: string;
  #made: Made = NOTHING;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    { graph }: Topology,
    names: { readonly applicationId: string; readonly deadLetters: string; readonly stateDirectory: string },
  ) {
    this.applicationId = names.applicationId;
    this.deadLetters = names.deadLetters;
    this.owner = ownerOfOutputs(names.applicationId);
    this.#path = join(names.stateDirectory, names.applicationId, 'topics.json');
    this.declared = [
      ...new Set(graph.nodes.flatMap((node) => (node.kind === 'sink' && node.topic !== null ? [node.topic] : []))),
    ];
  }

  get prefix(): string {
    return `${this.applicationId}-`;
  }

  get pairs(): readonly { readonly topic: string; readonly shadowTopic: string }[] {
    return [...new Set([...this.declared, ...this.#made.outputs, this.deadLetters])]
      .sort()
      .map((topic) => ({ topic, shadowTopic: this.prefix + topic }));
  }

  get internal(): readonly string[] {
    return this.#made.internal;
  }

  /** Names of the topics that the shadow has created, or may have. */
  get names(): readonly string[] {
    return this.pairs.map(({ shadowTopic }) => shadowTopic);
  }

  /**
   * TOPIC_FOREIGN unless each of the topics is an output of this shadow. Either its settings name the owner;
   * or they cannot, and the notes of this machine name the topic.
   */
  checkOwn(existing: readonly TopicDescription[]): void {
    const { outputs, unmarked } = this.#made;
    const names = (topics: readonly string[]): ReadonlySet<string> => new Set(topics.map((one) => this.prefix + one));
    const [noted, silent] = [names(outputs), names(unmarked)];
    const isNoted = (topic: TopicDescription): boolean =>
      foundOwner(topic) === undefined && (topic.config === null ? noted : silent).has(topic.name);
    const foreign = unprovenTopics(
      existing.filter((topic) => !isNoted(topic)),
      this.owner,
    );
    if (foreign) throw foreign;
  }

  async load(): Promise<void> {
    const text = await diskIdentityFiles.read(this.#path);
    this.#made = madeIn(text);
  }

  /**
   * Called for internal topics before they are created, and for outputs afterwards. Tasks add topics
   * concurrently, so the writes run one after the other: each must find the file as it is on disk.
   */
  add({ outputs = [], internal = [] }: Partial<Made>): Promise<void> {
    const added = this.#writing.then(async () => {
      const known = this.#made;
      const made: Made = {
        ...known,
        outputs: [...new Set([...known.outputs, ...outputs])],
        internal: [...new Set([...known.internal, ...internal])],
      };
      if (made.outputs.length === known.outputs.length && made.internal.length === known.internal.length) return;
      await diskIdentityFiles.writeAtomically(this.#path, `${JSON.stringify(made)}\n`);
      this.#made = made;
    });
    this.#writing = added.catch(() => undefined);
    return added;
  }

  forget(): void {
    this.#made = NOTHING;
  }
}

const NOTHING: Made = { outputs: [], internal: [], unmarked: [] };

/**
 * These topics are removed with the shadow, so a damaged list counts as empty. Earlier versions did not write
 * `unmarked`: all of their outputs are.
 */
function madeIn(text: string | null): Made {
  try {
    const { outputs, internal, unmarked = outputs } = JSON.parse(text ?? '{}');
    const names = (list: unknown): readonly string[] => (Array.isArray(list) ? list.filter((one) => isName(one)) : []);
    return { outputs: names(outputs), internal: names(internal), unmarked: names(unmarked) };
  } catch {
    return NOTHING;
  }
}
