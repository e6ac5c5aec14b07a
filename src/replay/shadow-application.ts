import { join } from 'node:path';
import type { Topology } from '../dsl/processor.js';
import { deadLetterTopic } from '../graph/naming.js';
import { StreamsError } from '../model/errors.js';
import { isName } from '../model/names.js';
import type { ApplicationVersion } from '../runtime/application-version.js';
import { resolveConfig } from '../runtime/config.js';
import { type RunningStreams, type StartOptions, startConfigured } from '../runtime/start.js';
import { systemClock } from '../runtime/system.js';
import { diskIdentityFiles } from '../state/identity-files.js';
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
import { countTopics } from './topics.js';

export interface StartShadowOptions extends Omit<StartOptions, 'effects' | 'startFrom'> {
  /** Begin anew: what an earlier shadow has left is removed first. Default: it goes on where it was. */
  readonly fresh?: boolean;
}

/** A shadow that runs. */
export interface ShadowStreams {
  readonly streams: RunningStreams;
  /**
   * What it has written, compared with what the live application has, as of now: meaningful once it has
   * caught up. Also after it was stopped, until the broker is closed.
   */
  compare(signal?: AbortSignal): Promise<readonly OutputComparison[]>;
}

/**
 * Runs an application beside the live one, from the beginning of its source topics: a new version of it, say,
 * whose outputs are to be compared before it takes over.
 *
 * It is an application of its own, `<application>-shadow`, with its own group, stores and internal topics
 * (`<application>-shadow-<n>-…`, n counting the versions of the application); the live one may run, and is
 * not touched. What it writes to a topic, dead letters too, goes to `<application>-shadow-<topic>`, which is
 * as wide (of `createTopics` partitions, or one, if the live one does not exist yet); calls of `effect` are
 * left out. A topic that the topology reads is read as it is, also if it writes it. Stopped, it goes on where
 * it was when it is started again; begin with `fresh` if the code has changed since.
 *
 * Positions of repartition topics are others than the live ones: what is made of `context.position` behind
 * one differs; `uuid()` and `random()` are the same. On the embedded broker, which is for one process, the
 * live application runs in the same process, or is stopped.
 *
 * Cost: that of an application. Errors: those of `start`; TOPIC_UNKNOWN if a source topic does not exist;
 * with `fresh` APPLICATION_RUNNING while a process of the shadow is alive; PROMOTION_UNFINISHED;
 * CONFIG_INVALID if the version that was live before is kept there for a rollback, which `fresh` gives up.
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
  // A source that is missing must not be made.
  await countTopics(outside.admin, topology, resolveConfig(topology.name, own));
  const place = await shadowStatus(outside.admin, live);
  await outputs.load();
  const removed = fresh || (await removalBegun(stateDirectory, live));
  if (removed) {
    const names = [...outputs.internal, ...internalTopicNames(topology, '')];
    const topics = outputs.pairs.map(({ shadowTopic }) => shadowTopic);
    await removeShadow(place, { broker: outside, clock, stateDirectory, outputs: topics, internal: names });
    outputs.forget();
  } else if (place.retirement) throw waitsThere(applicationId, place.retirement);
  const version = (removed ? undefined : place.version) ?? place.next;
  const broker = new ShadowBroker({
    broker: outside,
    prefix: outputs.prefix,
    partitions: options.createTopics ?? 1,
    internal: new Set(internalTopicNames(topology, version.prefix)),
    onOutput: (topic) => outputs.add({ outputs: [topic] }),
  });
  await outputs.add({ outputs: outputs.declared, internal: internalTopicNames(topology, '') });
  for (const topic of outputs.declared) await broker.make(topic);
  const shadow: StartOptions = {
    ...own,
    applicationId,
    deadLetterTopic: outputs.deadLetters,
    broker,
    effects: 'silent',
    startFrom: 'earliest',
  };
  // Schemas are those of the live application: registered once, they are there for it as well when it takes
  // over.
  const config = {
    ...resolveConfig(topology.name, shadow, options.logger),
    version,
    schemasOf: schemasOf(live, place.live),
  };
  const streams = await startConfigured(topology, config, shadow);
  return { streams, compare: (signal) => compareOutputs(outside, outputs.pairs, signal) };
}

/** Whose schemas those of the live application are. */
const schemasOf = (live: string, { n, prefix }: ApplicationVersion): string => (n === 0 ? prefix : live);

const waitsThere = (group: string, { id }: Retirement): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'the place of the shadow is taken by the version that was live before',
    at: `group ${group}`,
    saw: `a version that ${id} has taken out, kept for a rollback`,
    action: 'Begin anew (--fresh), which gives up the way back; or go back to it: `millrace rollback`.',
  });

/**
 * Topics that a shadow may have made: those beside others, by the names of these; its own, by what stands
 * behind the prefix of the version.
 */
interface Made {
  readonly outputs: readonly string[];
  readonly internal: readonly string[];
}

/**
 * Which topics have a shadow: those that the topology names, that of dead letters, and those that a function
 * of the topology has chosen. All that there ever were are kept in `<state>/<application>-shadow/topics.json`
 * until the shadow is removed, since another topology may then be there, which does not name them.
 */
class ShadowOutputs {
  readonly applicationId: string;
  readonly deadLetters: string;
  readonly declared: readonly string[];
  readonly #path: string;
  #made: Made = NOTHING;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    { graph }: Topology,
    names: { readonly applicationId: string; readonly deadLetters: string; readonly stateDirectory: string },
  ) {
    this.applicationId = names.applicationId;
    this.deadLetters = names.deadLetters;
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

  async load(): Promise<void> {
    const text = await diskIdentityFiles.read(this.#path);
    this.#made = madeIn(text);
  }

  /**
   * Before they are made. Tasks come with topics at the same time: one after the other, so that each finds
   * the file as it is on disk.
   */
  add({ outputs = [], internal = [] }: Partial<Made>): Promise<void> {
    const added = this.#writing.then(async () => {
      const known = this.#made;
      const made = {
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

const NOTHING: Made = { outputs: [], internal: [] };

/** They name topics that are removed with the shadow: what is no such list names none. */
function madeIn(text: string | null): Made {
  try {
    const { outputs, internal } = JSON.parse(text ?? '{}');
    const names = (list: unknown): readonly string[] => (Array.isArray(list) ? list.filter((one) => isName(one)) : []);
    return { outputs: names(outputs), internal: names(internal) };
  } catch {
    return NOTHING;
  }
}
