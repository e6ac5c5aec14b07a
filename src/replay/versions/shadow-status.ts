import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Admin, Broker, PartitionOffset, TopicDescription } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import {
  changelogTopic,
  internalInput,
  internalInputTopic,
  lettersInput,
  repartitionTopic,
} from '../../graph/naming.js';
import { StreamsError } from '../../model/errors.js';
import { isName } from '../../model/names.js';
import type { Clock } from '../../model/ports.js';
import {
  type ApplicationVersion,
  currentVersion,
  isPrefixOf,
  versionOf,
  versionOnDisk,
} from '../../runtime/config/application-version.js';
import { addedTo, isFields, textOf } from '../../runtime/config/offset-texts.js';
import { foundOwner, isForeign, ownerOf, unprovenTopics } from '../../runtime/topics/topic-owners.js';
import { diskIdentityFiles } from '../../state/directory/identity-files.js';
import { deleteTopics } from '../repair/reset.js';
import { checkStopped } from '../repair/reset-plan.js';

/** How a version was taken out that was live: stored in each of the offsets that are kept for it. */
export interface Retirement {
  /** Id of the promotion or rollback that took it out. */
  readonly id: string;
  readonly kind: 'promote' | 'rollback';
}

/** The group of the version that runs beside the live one, or waits there for a rollback. */
export const shadowOf = (applicationId: string): string => `${applicationId}-shadow`;
/** The group that keeps the positions of the live version during a promotion or rollback. */
export const keptOf = (applicationId: string): string => `${applicationId}-promotion`;

export const retired = (at: PartitionOffset, version: ApplicationVersion, retirement: Retirement): PartitionOffset => ({
  ...at,
  metadata: addedTo(at.metadata, { generation: [version.n, version.prefix], retired: retirement }),
});

/** The offset as it was before it was kept. */
export const reinstated = (at: PartitionOffset): PartitionOffset => ({
  ...at,
  metadata: addedTo(at.metadata, { generation: undefined, retired: undefined }),
});

/** Ids are the application's id with a few words and a time; they name files. */
const LONGEST_ID = 250;

const retirementOf = (positions: readonly PartitionOffset[]): Retirement | undefined =>
  positions.map(({ metadata }) => textOf(metadata).retired).find(isRetirement);

const isRetirement = (retired: unknown): retired is Retirement =>
  isFields(retired) && isName(retired.id, LONGEST_ID) && (retired.kind === 'promote' || retired.kind === 'rollback');

/**
 * The promotion or rollback that was interrupted after the versions changed places. Its remaining steps keep
 * the version that was live.
 */
export async function unfinishedPromotion(
  admin: Admin,
  applicationId: string,
  live: ApplicationVersion,
): Promise<{ readonly retirement: Retirement; readonly kept: readonly PartitionOffset[] } | undefined> {
  const kept = await admin.groupOffsets(keptOf(applicationId));
  const [retirement, version] = [retirementOf(kept), versionOf(kept, applicationId)];
  return retirement && version && version.n < live.n ? { retirement, kept } : undefined;
}

/** The version beside a live application: what is there now, and what the next shadow would be. */
export interface ShadowStatus {
  readonly applicationId: string;
  readonly live: ApplicationVersion;
  readonly positions: readonly PartitionOffset[];
  /** Version of the shadow that is there; undefined: no shadow has committed anything. */
  readonly version: ApplicationVersion | undefined;
  /** Present if this version was live before. */
  readonly retirement: Retirement | undefined;
  /** Version of a new shadow. */
  readonly next: ApplicationVersion;
}

/** Errors: PROMOTION_UNFINISHED, because the version beside the live one is uncertain during a promotion. */
export async function shadowStatus(admin: Admin, applicationId: string): Promise<ShadowStatus> {
  const live = await currentVersion(admin, applicationId);
  const unfinished = await unfinishedPromotion(admin, applicationId, live);
  if (unfinished) throw promotionUnfinished(applicationId, unfinished.retirement);
  const positions = await admin.groupOffsets(shadowOf(applicationId));
  const n = live.n + 1;
  return {
    applicationId,
    live,
    positions,
    version: versionOf(positions, applicationId),
    retirement: retirementOf(positions),
    next: { n, prefix: `${shadowOf(applicationId)}-${n}` },
  };
}

export const promotionUnfinished = (applicationId: string, { id, kind }: Retirement): StreamsError =>
  new StreamsError('PROMOTION_UNFINISHED', {
    what: `the ${kind === 'promote' ? 'promotion' : 'rollback'} ${id} was interrupted`,
    at: `application ${applicationId}`,
    action: `Run \`millrace ${kind}\` once more: it goes on where it was.`,
  });

/** The internal topics that a version of a topology may have. Those of letters need not exist. */
export const internalTopicNames = ({ graph }: Topology, prefix: string): readonly string[] => [
  ...graph.nodes.flatMap((node) => (node.kind === 'repartition' ? [repartitionTopic(prefix, node.name)] : [])),
  ...graph.nodes.flatMap((node) =>
    node.kind === 'internalInput' ? [internalInputTopic(prefix, internalInput(node))] : [],
  ),
  ...graph.subTopologies.map(({ id }) => internalInputTopic(prefix, lettersInput(id))),
  ...graph.stores.map(({ name }) => changelogTopic(prefix, name)),
];

/**
 * Removes the shadow, or the version that waits for a rollback. This includes its group, its internal topics,
 * the topics that it has written to, and its state on this machine. After an interruption, a second call
 * finishes it: `<state>/<application>-shadow/removing.json` lists its stores until they are gone.
 */
export async function removeShadow(
  place: ShadowStatus,
  context: {
    readonly broker: Broker;
    readonly clock: Clock;
    readonly stateDirectory: string;
    readonly outputs: {
      readonly names: readonly string[];
      /** TOPIC_FOREIGN. */
      checkOwn(existing: readonly TopicDescription[]): void;
    };
    /** The part after the prefix in the names of internal topics. */
    readonly internal: readonly string[];
  },
): Promise<void> {
  const { broker, stateDirectory, outputs, internal } = context;
  const { applicationId, live, version, next } = place;
  const shadow = shadowOf(applicationId);
  await checkStopped(broker, shadow);
  const directory = join(stateDirectory, shadow);
  const path = removingPath(stateDirectory, applicationId);
  const begun = prefixesIn(await diskIdentityFiles.read(path), applicationId);
  const onDisk = await versionOnDisk(stateDirectory, shadow);
  const known = new Set([...begun, onDisk.prefix, ...(version ? [version.prefix] : [])]);
  const prefixes = new Set([...known, next.prefix]);
  // A former shadow may be the live version now; and the group's own name is never a version's prefix.
  for (const other of [live.prefix, shadow]) prefixes.delete(other);
  const own = await ownTopics(broker.admin, applicationId, { prefixes, known, internal });
  outputs.checkOwn(await broker.admin.describeTopics(outputs.names));
  await diskIdentityFiles.writeAtomically(path, `${JSON.stringify([...prefixes])}\n`);
  await broker.admin.deleteGroup(shadow);
  await deleteTopics(context, [...new Set([...own, ...outputs.names])]);
  for (const prefix of prefixes) await removeStores(join(stateDirectory, prefix));
  await removeAll(directory);
}

/** Prefixes of a removal that has begun; anything that is not the prefix of a version is ignored. */
function prefixesIn(text: string | null, applicationId: string): readonly string[] {
  try {
    const prefixes: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(prefixes) ? prefixes.filter((prefix) => isPrefixOf(prefix, applicationId)) : [];
  } catch {
    return [];
  }
}

/**
 * Internal topics of versions with these prefixes, without topics of such names that another application has
 * created. TOPIC_FOREIGN for topics that name no owner, unless such a version is known to have existed.
 */
async function ownTopics(
  admin: Admin,
  applicationId: string,
  {
    prefixes,
    known,
    internal,
  }: {
    readonly prefixes: ReadonlySet<string>;
    readonly known: ReadonlySet<string>;
    readonly internal: readonly string[];
  },
): Promise<readonly string[]> {
  const found = [...prefixes].map(async (prefix) => {
    const owner = ownerOf(applicationId, { prefix });
    const topics = await admin.describeTopics(internal.map((name) => prefix + name));
    const silent = known.has(prefix) ? [] : topics.filter((topic) => foundOwner(topic) === undefined);
    const unproven = unprovenTopics(silent, owner);
    if (unproven) throw unproven;
    return topics.filter((topic) => !isForeign(topic, owner));
  });
  return (await Promise.all(found)).flat().map(({ name }) => name);
}

const removingPath = (stateDirectory: string, applicationId: string): string =>
  join(stateDirectory, shadowOf(applicationId), 'removing.json');

/** Whether a shadow is half removed, and cannot be continued. */
export const removalBegun = async (stateDirectory: string, applicationId: string): Promise<boolean> =>
  (await diskIdentityFiles.read(removingPath(stateDirectory, applicationId))) !== null;

/** Snapshots of the past belong to the application, for all its versions. */
const OF_ALL_VERSIONS = new Set(['snapshots', 'generation.json']);

async function removeStores(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names) if (!OF_ALL_VERSIONS.has(name)) await removeAll(join(directory, name));
}

const removeAll = (path: string): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 3 });
